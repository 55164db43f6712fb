"""Predictions of new runs at any mixture, from a model fitted to the record."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bomix.posterior.belief import believe_at
from bomix.problem import ANY, NATS_PER_TOKEN, Range
from bomix.surrogates.cross_validation.scores import Z95

if TYPE_CHECKING:
    import xarray as xr
    from botorch.posteriors.gpytorch import GPyTorchPosterior
    from torch import Tensor

    from bomix.contracts.surrogate import Surrogate
    from bomix.history import History
    from bomix.problem import Problem
    from bomix.scale import Scale
    from bomix.space.polytope import Array

AT_ONCE = 256
"""Mixtures whose posterior is computed at a time: covariances with all runs, for every metric and every draw of the
hyperparameters, are large (a hundred runs, forty metrics and twelve draws make 98 MB)."""


@dataclass(frozen=True)
class Estimate:
    """A Gaussian belief about a value without the noise of a run; nats per token unless the metric says otherwise.

    Attributes:
        mean: The expectation of the value; where that lay beyond what the value can be, the bound.
        sd: The standard deviation of the belief.
        limits: Smallest and largest value that there can be.
    """

    mean: float
    sd: float
    limits: Range = ANY

    @property
    def interval(self) -> tuple[float, float]:
        """Central 95 % interval, cut where the value cannot be."""
        low, high = self.limits
        return max(low, self.mean - Z95 * self.sd), min(high, self.mean + Z95 * self.sd)

    def stretched(self, factor: float) -> Estimate:
        """The same belief with another standard deviation, a multiple of it."""
        return self if factor == 1.0 else replace(self, sd=factor * self.sd)

    @property
    def positive(self) -> float:
        """Probability that it is above zero; one half where it is zero for certain."""
        if self.sd > 0.0:
            return 0.5 * math.erfc(-self.mean / (self.sd * math.sqrt(2.0)))
        return 0.5 * (1.0 + math.copysign(1.0, self.mean)) if self.mean else 0.5


def estimates(posterior: GPyTorchPosterior, limits: Range = ANY, *, unit: float = 1.0) -> list[Estimate]:
    """The belief at each of the ``q`` mixtures of a ``q x 1`` posterior; a variance below zero is rounding.

    Args:
        posterior: The belief, its means inside the limits but for rounding.
        limits: Smallest and largest value that there can be.
        unit: The unit of the posterior, see :mod:`bomix.surrogates.data.units`.
    """
    means = (unit * posterior.mean.flatten()).clamp(*limits)
    spreads = unit * posterior.variance.clamp_min(0.0).flatten().sqrt()
    return [Estimate(mean, sd, limits) for mean, sd in zip(means.tolist(), spreads.tolist(), strict=True)]


def difference(
    posterior: GPyTorchPosterior, first: int, second: int, limits: Range = ANY, *, unit: float = 1.0
) -> Estimate:
    """Belief about the value at one mixture minus that at another, from their joint ``q x 1`` posterior.

    Args:
        posterior: The belief.
        first: Position of the one mixture.
        second: Position of the other.
        limits: Smallest and largest value that there can be at each.
        unit: The unit of the posterior, see :mod:`bomix.surrogates.data.units`.
    """
    width = limits[1] - limits[0]
    mean, covariance = posterior.mean.flatten(), posterior.distribution.covariance_matrix
    variance = covariance[first, first] + covariance[second, second] - 2.0 * covariance[first, second]
    spread = unit * variance.clamp_min(0.0).sqrt()
    return Estimate((unit * (mean[first] - mean[second])).item(), spread.item(), (-width, width))


def predict(
    problem: Problem,
    history: History,
    surrogate: Surrogate,
    points: Array,
    *,
    seed: int,
    scale: Scale | None = None,
) -> xr.Dataset:
    """Predict what new runs would measure.

    Args:
        problem: The space, the metrics and the objective.
        history: The record to fit to.
        surrogate: The surrogate that is fitted.
        points: ``n x d`` mixtures.
        seed: The study's seed.
        scale: One of several scales of the study; None for its own.

    Returns:
        ``mean``, ``sd``, ``lower``, ``upper`` (candidate, metric), and the same with ``objective_`` before it
        (candidate). ``sd`` is that of a new run, its noise included; ``lower`` and ``upper`` are the ends of the
        central 95 % interval of such a run. All stay inside the ranges of the metrics. Coordinate ``weights``
        (candidate, domain).

    Raises:
        StudyError: No trial has come back yet.
    """
    import numpy as np
    import torch
    import xarray as xr

    from bomix.numerics.chunks import chunks
    from bomix.posterior.ranges import limits, moved, objective_moved

    belief = believe_at(problem, history, surrogate, seed=seed, scale=scale)
    aggregate = belief.aggregate
    transform, within, parts = aggregate.transform(), limits(problem.metrics, aggregate), []
    with torch.no_grad():
        for X in chunks(torch.as_tensor(points, dtype=torch.float64).unsqueeze(-2), rows=AT_ONCE):
            posterior: Any = belief.model.posterior(X, observation_noise=True)
            objective = transform(posterior)
            by = objective_moved(aggregate, posterior, within)
            metrics = (posterior.mean[:, 0], posterior.variance[:, 0], moved(posterior.mean, within)[:, 0])
            parts.append((*metrics, *(each.flatten() for each in (objective.mean, objective.variance, by))))
    found = [torch.cat(each) for each in zip(*parts, strict=True)]
    of_objective = torch.tensor(problem.objective_range, dtype=torch.float64) / aggregate.unit
    return xr.Dataset(
        {
            **_predicted("", ("candidate", "metric"), *found[:3], within=within, unit=aggregate.units_of_metrics),
            **_predicted("objective_", ("candidate",), *found[3:], within=of_objective, unit=aggregate.unit),
        },
        {
            "candidate": np.arange(len(points)),
            "metric": list(problem.metric_names),
            "domain": list(problem.space.domains),
            "weights": (("candidate", "domain"), np.asarray(points, dtype=float)),
            "unit": ("metric", [metric.unit for metric in problem.metrics]),
            "direction": ("metric", [metric.direction for metric in problem.metrics]),
        },
        {"units": NATS_PER_TOKEN, "note": "sd and the 95 % interval are those of a new run, its noise included"},
    )


def _predicted(
    prefix: str,
    dims: tuple[str, ...],
    mean: Tensor,
    variance: Tensor,
    by: Tensor,
    *,
    within: Tensor,
    unit: Tensor | float,
) -> dict[str, Any]:
    """Variables of a belief kept inside its range: mean, standard deviation, ends of the central 95 % interval.

    Args:
        prefix: What stands before the names.
        dims: Dimensions of the variables.
        mean: Mean of the Gaussian.
        variance: Its variance; below zero it is rounding.
        by: What the mean is moved by to be inside, see :mod:`bomix.posterior.ranges`.
        within: Smallest and largest value that there can be, the first dimension.
        unit: The unit of all of these, in which the variables are not.
    """
    centre, sd = (mean + by).clamp(*within), (variance.clamp_min(0.0) + by.square()).sqrt()
    lower, upper = (centre - Z95 * sd).clamp_min(within[0]), (centre + Z95 * sd).clamp_max(within[1])
    found = {"mean": centre, "sd": sd, "lower": lower, "upper": upper}
    return {f"{prefix}{name}": (dims, (unit * values).numpy()) for name, values in found.items()}
