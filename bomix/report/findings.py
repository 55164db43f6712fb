"""What a report is made of: the record, what is recommended, and what the model says; nothing is computed here."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from bomix.problem import NATS_PER_TOKEN
from bomix.space.weights import same_mixture
from bomix.trial import CONFIRM, EXPERT, Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    import xarray as xr

    from bomix.problem import Problem
    from bomix.recommendation.confirmation import Comparison
    from bomix.recommendation.predictions import Predicted
    from bomix.recommendation.recommend import Recommendation
    from bomix.report.sentences import Standing
    from bomix.report.what_if import Compressed
    from bomix.space.polytope import Array

DESIGNS = ("uniform", "natural", "sobol", "dirichlet", "vertex", "deletion", "i_optimal")
"""Origins of trials that are asked for without looking at any result."""
RECOMMENDED = "recommended"
"""What figures and tables call the mixture that is recommended."""


@dataclass(frozen=True)
class Model:
    """What the surrogate says, all of it without the noise of a run.

    Attributes:
        reference: The mixture that others are compared with: ``natural``, or ``uniform`` where that is unknown.
        mixtures: The recommendation and the anchors, in the order of :attr:`Findings.mixtures`, beside the reference.
        trials: Every trial of the dataset that completed, beside the reference, in its order.
        shares: ``s`` weights along the ray to each vertex.
        rays: The mixtures of :func:`~bomix.recommendation.predictions.along_rays`, ``d * s`` rows, beside the
            recommendation.
        step: Share of the tokens that is replaced by one domain where effects are looked at.
        effects: The recommendation with that share of one domain, ``d`` rows, beside the recommendation.
        noise: Standard deviation of a run's own noise, ``1 + m``, the objective first.
        what_if: The model as the page computes it; None where there is none.
    """

    reference: str
    mixtures: Predicted
    trials: Predicted
    shares: Array
    rays: Predicted
    step: float
    effects: Predicted
    noise: Array
    what_if: Compressed | None = None


@dataclass(frozen=True)
class Findings:
    """All that a report says and draws.

    Attributes:
        name: What the study is called.
        problem: Its space, metrics and objective, compared with the reference that the record has.
        dataset: The record, see :func:`bomix.dataset.to_dataset`.
        standing: How far the study is, and what can be done next.
        best: What is recommended; None before the first result.
        comparisons: What fresh seeds say of the recommendation, or of the mixture that was confirmed.
        model: What the surrogate says; None before the first result.
        validation: Each trial predicted without itself, see :func:`bomix.recommendation.validate.validate`; None where
            there are too few.
        correlations: Rank correlations of losses, see :func:`bomix.report.correlation.correlate`; None where there are
            too few trials.
        phased: The recommendation by phase, in a study of two: all else here is of whole runs. None without phases.
        inside: Node that is searched as one domain to the fixed shares of the domains below it.
    """

    name: str
    problem: Problem
    dataset: xr.Dataset
    standing: Standing
    best: Recommendation | None = None
    comparisons: tuple[Comparison, ...] = ()
    model: Model | None = None
    validation: xr.Dataset | None = None
    correlations: xr.Dataset | None = field(default=None)
    phased: Recommendation | None = None
    inside: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @cached_property
    def domains(self) -> tuple[str, ...]:
        """Names of the domains."""
        return tuple(self.problem.space.domains)

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics."""
        return self.problem.metric_names

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """What predictions have columns of: the objective, then the metrics."""
        return ("objective", *self.metrics)

    @cached_property
    def mixtures(self) -> dict[str, Mapping[str, float]]:
        """The recommendation first, if there is one, and the anchors: natural, then uniform."""
        anchors = self.problem.anchors()
        named = {name: anchors[name] for name in ("natural", "uniform") if name in anchors}
        return ({} if self.best is None else {RECOMMENDED: self.best.weights}) | named

    @property
    def is_reference(self) -> bool:
        """Whether the recommendation is the mixture that others are compared with, so that nothing is gained."""
        if self.best is None or self.model is None:
            return False
        return same_mixture(self.best.weights, self.mixtures[self.model.reference])

    @cached_property
    def unit(self) -> str:
        """The unit of the objective where all metrics share that of losses; else just its name."""
        units = {metric.unit for metric in self.problem.metrics}
        return NATS_PER_TOKEN if units == {NATS_PER_TOKEN} else "objective"

    @cached_property
    def completed(self) -> xr.Dataset:
        """The trials that came back and are of the scale that is decided about, experts and reweighted runs left out.

        Confirming ones are included.
        """
        there = self.dataset["status"].values == str(Status.COMPLETED)
        there &= self.dataset["origin"].values != EXPERT
        if self.problem.scales and self.problem.scale is not None:
            there &= self.dataset["scale"].values == self.problem.scale_name(self.problem.scale)
        there &= np.isfinite(self.dataset["loss"].values).any(axis=1)
        return self.dataset.isel(trial=np.flatnonzero(there))

    @cached_property
    def values(self) -> Array:
        """The objective of each of the completed trials, lower is better; NaN where a metric that counts is missing."""
        return self.values_of(self.completed)

    def values_of(self, dataset: xr.Dataset) -> Array:
        """The objective of every trial of a dataset, lower is better."""
        losses = dataset["loss"].sel(metric=list(self.metrics)).values * np.array(self.problem.signs)
        if not len(losses):
            return np.empty(0)
        return np.array([float(self.problem.objective(row, self.metrics)) for row in losses])

    @cached_property
    def known(self) -> Array:
        """Which of the completed trials have an objective, ``n`` booleans."""
        return np.isfinite(self.values)

    @cached_property
    def spreads(self) -> Array:
        """Standard deviations of the objective and each metric over the completed trials, ``1 + m``.

        It is 1 for one that no trial has, or that does not vary.
        """
        columns = [self.values, *self.completed["loss"].sel(metric=list(self.metrics)).values.T]
        found = (float(np.std(column[np.isfinite(column)])) if np.isfinite(column).any() else 0.0 for column in columns)
        return np.array([each if each > 0.0 else 1.0 for each in found])

    @cached_property
    def weights(self) -> Array:
        """The mixtures of the completed trials, as they were really drawn where that is known, ``n x d``."""
        asked, real = self.completed["weights"].values, self.completed["weights_realized"].values
        return np.where(np.isfinite(real), real, asked)

    @cached_property
    def searched(self) -> Array:
        """Which of the completed trials are no confirmations, ``n`` booleans."""
        return np.asarray(self.completed["origin"].values != CONFIRM)

    @cached_property
    def own(self) -> dict[str, str]:
        """Metric to its own domain, where one is known."""
        stated = {metric: self.problem.own.get(metric, metric) for metric in self.metrics}
        return {metric: domain for metric, domain in stated.items() if domain in self.domains}
