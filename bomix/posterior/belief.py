"""The belief that decisions rest on: a model of every metric, fitted to the record, and the objective on top of it.

An objective that compares with the uniform or the natural mixture takes what the model expects of that mixture, not
what its few runs measured: all runs tell of it, and a noisy reference makes the wrong metric the worst one.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bomix.contracts.surrogate import ModelTraits, SurrogateTraits
from bomix.contracts.traits import traits
from bomix.errors import StudyError
from bomix.objectives.reference import compared_with, missing_reference, require_reference, resolved, with_reference
from bomix.posterior.seeds import fitting_seed
from bomix.trial import CONFIRM, Status

if TYPE_CHECKING:
    from botorch.models.model import Model
    from botorch.utils.datasets import SupervisedDataset
    from torch import Tensor

    from bomix.contracts.surrogate import Surrogate
    from bomix.history import History
    from bomix.posterior.objective import ModelObjective
    from bomix.problem import Problem
    from bomix.scale import Scale
    from bomix.space.polytope import Array

logger = logging.getLogger(__name__)

_ROOM = 1e-3
"""How far beyond a bound a realised weight may lie and still count as inside."""


@dataclass(frozen=True)
class Belief:
    """A surrogate's model of the record.

    Attributes:
        problem: The space, the metrics and the objective, compared with what the model expects of the reference.
        model: The model of all ``m`` metrics, in the units of the aggregate.
        data: The ``n`` runs that it was fitted to, in the same units.
        aggregate: The objective as a function of the model's outputs.
        busy: ``p x d`` mixtures that need no second trial: pending ones and those that failed, see
            :func:`busy_mixtures`.
        asked: ``r x d`` mixtures that need not be proposed as new.
    """

    problem: Problem
    model: Model
    data: SupervisedDataset
    aggregate: ModelObjective
    busy: Array
    asked: Array

    @property
    def X_pending(self) -> Tensor | None:
        """The busy mixtures as a tensor; None where there is none."""
        import torch

        return torch.as_tensor(self.busy) if len(self.busy) else None

    @property
    def X_inside(self) -> Tensor:
        """The ``n x d`` mixtures that the model learnt from and the space, or the pool, allows; all where it has none.

        What lies outside, as experts may and imported runs, is nothing to improve on.
        """
        import torch

        X, pool = self.data.X, self.problem.pool_array
        allowed = self.problem.space.contains(X.numpy(), tolerance=_ROOM)
        if pool is not None:
            allowed &= np.array([np.abs(pool - row).max(axis=1).min() <= _ROOM for row in X.numpy()], dtype=bool)
        inside = torch.as_tensor(allowed)
        return X[inside] if inside.any() else X

    def at(self, scale: Scale) -> Belief:
        """The same belief about another scale of the study, of which a model across scales is needed.

        The objective is that of a run there: what it compares with, if anything, is the reference at that scale.
        """
        from bomix.surrogates.models.scales import MultiScaleModel

        if not isinstance(self.model, MultiScaleModel) or scale == self.model.target:
            return self
        model = self.model.at(scale)
        problem = _with_believed_reference(self.problem, model, self.aggregate)
        return replace(
            self, problem=problem, model=model, aggregate=replace(self.aggregate, objective=problem.objective)
        )

    def mean(self, X: Tensor) -> Tensor:
        """Posterior mean of the objective at ``n x d`` mixtures, ``n``; lower is better."""
        return self.aggregate.mean(self.model, X)

    def negated_mean(self, X: Tensor) -> Tensor:
        """The negated objective at the posterior means, ``n x 1 x d`` mixtures to ``n``; higher is better.

        No variance is computed, so that it costs far less than an acquisition function.
        """
        from bomix.surrogates.models.joint import mean_at

        return -self.aggregate(mean_at(self.model, X.squeeze(-2)))

    def ranked(self) -> Array:
        """The ``n x d`` mixtures tried, the one with the lowest posterior mean first."""
        X = self.data.X
        at_runs = None if self.aggregate.coefficients is None else traits(self.model, ModelTraits).fitted()
        values = self.mean(X) if at_runs is None else self.aggregate(at_runs)
        return np.asarray(X[values.argsort(stable=True)].numpy())


def believe(problem: Problem, history: History, surrogate: Surrogate, *, seed: int) -> Belief:
    """Fit a surrogate to the record as the next ask would.

    Args:
        problem: The space, the metrics and the objective.
        history: The record to fit to.
        surrogate: The surrogate that is fitted; a simpler one steps in where it cannot be.
        seed: The study's seed.

    Returns:
        The belief about the study's own scale. In a study of several, a surrogate across scales learns from the runs
        of all of them, another one from those of the study's own.

    Raises:
        StudyError: No trial has come back yet.
        FitError: No surrogate could be fitted, or what the objective compares with is not measured yet.
    """
    from bomix.posterior.objective import ModelObjective
    from bomix.surrogates.combined import fallback
    from bomix.surrogates.data.dataset import fit_context, to_dataset
    from bomix.surrogates.data.quarantine import learnt
    from bomix.surrogates.data.units import in_units

    history = learnt(problem, history)
    across = learns_across(surrogate, history)
    require_runs(history, surrogate)
    reported = to_dataset(problem, history, across=across)
    problem = resolved(problem, history)
    if across:
        problem = _with_some_reference(problem, reported)
    require_reference(problem)
    aggregate = ModelObjective.of(problem, reported)
    data = in_units(reported, aggregate.units_of_metrics)
    for name, unseen in zip(problem.metric_names, data.Y.isnan().all(dim=0).tolist(), strict=True):
        if unseen:
            logger.warning("no trial has measured metric '%s': what is said of it is a guess", name)
    context = fit_context(problem, history, across=across)
    model = fallback.fit(surrogate, data, context=context, seed=fitting_seed(history, seed=seed))
    problem = _with_believed_reference(problem, model, aggregate)
    aggregate = replace(aggregate, objective=problem.objective)
    asked = problem.space.to_arrays(record.trial.weights for record in history.tried)
    return Belief(problem, model, data, aggregate, busy_mixtures(problem, history), asked)


def believe_at(problem: Problem, history: History, surrogate: Surrogate, *, seed: int, scale: Scale | None) -> Belief:
    """The belief about one of several scales of a study; arguments and errors as those of :func:`believe`.

    A surrogate that does not learn across scales is fitted to the runs of that one.

    Args:
        problem: The space, the metrics and the objective.
        history: The record to fit to.
        surrogate: The surrogate that is fitted.
        seed: The study's seed.
        scale: One of the study's; None for its own.
    """
    if scale is None or scale == history.scale:
        return believe(problem, history, surrogate, seed=seed)
    if learns_across(surrogate, history):
        return believe(problem, history, surrogate, seed=seed).at(scale)
    alone = history.of_scale(scale)
    if not alone.observations:
        raise StudyError(f"no run of {scale} has come back yet, so there is nothing to predict from; add some")
    return believe(replace(problem, scale=scale, scales=()), alone, surrogate, seed=seed)


def learns_across(surrogate: Surrogate, history: History) -> bool:
    """Whether a surrogate is given the runs of all scales of a study: not once smaller ones were given up."""
    several = bool(history.scales) and not history.target_alone
    return several and traits(surrogate, SurrogateTraits).across_scales


def require_runs(history: History, surrogate: Surrogate) -> None:
    """Raise StudyError where a surrogate has nothing to learn from: of one scale, no run of the study's own."""
    history.require_observations()
    if history.observations or learns_across(surrogate, history):
        return
    there = "; ".join(sorted({str(history.counted_as(record)) for record in history.informative}))
    raise StudyError(
        f"no run of {history.scale}, the scale that is decided about (target.scale), has come back yet, only of "
        f"{there}, and {type(surrogate).__name__} learns from runs of one scale; take a surrogate across scales "
        "(surrogate: multi_scale, or the strategy auto), add runs of that scale, or name another as target.scale"
    )


def _with_some_reference(problem: Problem, data: SupervisedDataset) -> Problem:
    """The problem whose objective compares with the mean of all runs where no run of its reference is of its scale.

    It stands there only until the model says what it expects of the reference.
    """
    if missing_reference(problem) is None:
        return problem
    means = (data.Y.nanmean(dim=0).nan_to_num() * data.Y.new_tensor(problem.signs)).tolist()
    losses = dict(zip(problem.metric_names, means, strict=True))
    return replace(problem, objective=with_reference(problem.objective, losses))


def _with_believed_reference(problem: Problem, model: Model, aggregate: ModelObjective) -> Problem:
    """The problem whose objective compares with the model's means at the reference; the same where it has none."""
    import torch

    from bomix.surrogates.models.joint import mean_at

    if (weights := compared_with(problem)) is None:
        return problem
    X = torch.as_tensor(problem.space.to_array(weights), dtype=torch.float64)
    with torch.no_grad():
        means = (mean_at(model, X.unsqueeze(0))[0].numpy() * aggregate.factors).tolist()
    losses = dict(zip(problem.metric_names, means, strict=True))
    return replace(problem, objective=with_reference(problem.objective, losses))


def busy_mixtures(problem: Problem, history: History) -> Array:
    """``p x d`` mixtures that need no second trial: pending ones, then those that failed.

    Confirmations do not count, nor do trials of another scale than the study's, experts excepted: what became of a
    mixture at another scale says nothing of it at the study's, see :attr:`bomix.history.History.tried`.
    """
    counted = [record for record in history.tried if record.trial.origin != CONFIRM]
    records = [record for status in (Status.PENDING, Status.FAILED) for record in counted if record.status is status]
    return problem.space.to_arrays([record.trial.weights for record in records])
