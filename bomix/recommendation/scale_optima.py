"""What a model expects of the scales of a study: where the best mixture of each lies, and how far they agree.

A surrogate across scales tells of every scale, also of mixtures that were run at one alone. Without one, the study's
surrogate is fitted to the runs of each scale by themselves, and nothing but the optima is compared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bomix.contracts.surrogate import SurrogateTraits
from bomix.contracts.traits import traits
from bomix.posterior.belief import believe, learns_across
from bomix.posterior.explored import explored
from bomix.posterior.predict import Estimate, difference
from bomix.posterior.seeds import recommendation_seed
from bomix.recommendation.decision import as_tensor
from bomix.recommendation.scale_runs import with_own_reference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from bomix.contracts.surrogate import Surrogate
    from bomix.history import History
    from bomix.posterior.belief import Belief
    from bomix.problem import Problem
    from bomix.recommendation.scale_runs import ScaleRuns
    from bomix.space.polytope import Array
    from bomix.space.weights import Weights

_LEAST_RUNS = 8
"""Mixtures of a scale below which its own runs alone are not asked for their best mixture: a process of fewer says
little more than which of them was best."""
_MIXTURES = 48
"""Mixtures at which two scales are compared by draws of the model: a rank correlation of 48 is known to 0.01 where it
is 0.97, and the draws of 13 metrics at two scales take a second."""
_DRAWS = 256
"""Draws of the model behind the interval of a predicted rank correlation: its ends are the sixth from either side."""


@dataclass(frozen=True)
class Optimum:
    """The mixture that is expected to be best at a scale.

    Attributes:
        scale: Name of the scale.
        weights: The mixture.
        cosine: Cosine of its weights and those of the target's; 1 for the same mixture. NaN where the target has none.
        lost: Belief about how much worse it is at the target than the target's own, in the objective's unit; None where
            the target has none.
    """

    scale: str
    weights: Weights
    cosine: float = math.nan
    lost: Estimate | None = None


@dataclass(frozen=True)
class Expected:
    """The rank correlation of the objective at two scales that a model across scales expects, without noise of runs.

    Attributes:
        small: Name of the other scale.
        large: Name of the target.
        rho: Median over draws of the model.
        lower: Lower end of the central 95 % of the draws.
        upper: Upper end of it.
        n: Mixtures, of those that were run at any scale.
    """

    small: str
    large: str
    rho: float
    lower: float
    upper: float
    n: int


@dataclass(frozen=True)
class Outlook:
    """What the model expects.

    Attributes:
        across: Whether one model learnt from all scales; else each scale was learnt from by itself.
        optima: The best mixture of each scale of which something is known.
        expected: The target with every other scale; empty without a model across scales.
    """

    across: bool
    optima: tuple[Optimum, ...]
    expected: tuple[Expected, ...] = ()


def outlook(
    problem: Problem, history: History, surrogate: Surrogate, measured: Sequence[ScaleRuns], *, seed: int
) -> Outlook:
    """Where the best mixture of each scale is expected, and how far scales are expected to agree.

    Args:
        problem: The scales, the space and the objective.
        history: The record, runs of all scales.
        surrogate: The surrogate that recommends.
        measured: What was measured at each scale.
        seed: The study's seed.
    """
    from bomix.surrogates.models.scales import MultiScaleModel

    target = _target(problem, measured)
    if learns_across(surrogate, history):
        belief = believe(problem, history, surrogate, seed=seed)
        model = belief.model
        if isinstance(model, MultiScaleModel):
            beliefs = {each.name: belief.at(each.scale.scale) for each in measured if each.scale.scale in model.scales}
            optima = _optima(beliefs, target, history, surrogate, seed=seed)
            points = _spread_out(problem.space.to_arrays(_weights(measured)))
            others = [each for each in measured if each.name in beliefs and each.name != target]
            expected = [_expected(belief, beliefs[each.name], each, target, points, seed=seed) for each in others]
            return Outlook(True, optima, tuple(expected))
    beliefs = {
        each.name: believe(_alone(problem, each), history.of_scale(each.scale.scale), surrogate, seed=seed)
        for each in measured
        if np.isfinite(each.values[:, 0]).sum() >= _LEAST_RUNS
    }
    return Outlook(False, _optima(beliefs, target, history, surrogate, seed=seed))


def _target(problem: Problem, measured: Sequence[ScaleRuns]) -> str:
    """The name of the scale that is decided about."""
    return next((each.name for each in measured if each.scale.scale == problem.scale), measured[-1].name)


def _alone(problem: Problem, runs: ScaleRuns) -> Problem:
    """The problem as that of a study of one scale."""
    own = with_own_reference(problem, runs.scale.scale, runs.records)
    return replace(own, scale=runs.scale.scale, scales=())


def _optima(
    beliefs: dict[str, Belief], target: str, history: History, surrogate: Surrogate, *, seed: int
) -> tuple[Optimum, ...]:
    """The best mixture of each scale, compared with that of the target."""
    points = {
        name: _minimiser(belief, surrogate, history, seed=recommendation_seed(history, seed=seed))
        for name, belief in beliefs.items()
    }
    found = []
    for name, point in points.items():
        weights = beliefs[name].problem.space.to_weights(point)
        if target not in points:
            found.append(Optimum(name, weights))
            continue
        best = points[target]
        cosine = float(point @ best / np.sqrt((point @ point) * (best @ best)))
        found.append(Optimum(name, weights, cosine, _lost(beliefs[target], point, best)))
    return tuple(found)


def _lost(belief: Belief, point: Array, best: Array) -> Estimate:
    """How much worse one of two mixtures, ``d`` weights each, is expected to be."""
    import torch

    from bomix.posterior.ranges import objective_inside
    from bomix.space.weights import is_among

    if is_among(point, best[None]):
        return Estimate(0.0, 0.0)
    with torch.no_grad():
        pair = objective_inside(belief, as_tensor([point, best]))
        return difference(pair, 0, 1, belief.problem.objective_range, unit=belief.aggregate.unit)


def _minimiser(belief: Belief, surrogate: Surrogate, history: History, *, seed: int) -> Array:
    """The ``d`` weights with the lowest posterior mean: over the pool, or over what was explored of the space."""
    from bomix.optimization.multistart import Search, optimize

    problem = belief.problem
    if (pool := problem.pool_array) is not None:
        return np.asarray(pool[int(belief.mean(as_tensor(pool)).argmin())])
    X = belief.data.X
    found = optimize(
        belief.negated_mean,
        explored(problem.space, history, across=learns_across(surrogate, history)),
        seed=seed,
        near=np.asarray(X[belief.mean(X).argsort(stable=True)].numpy()),
        search=Search(raw=256, starts=8, iterations=60, polished=2),
        gradients=traits(surrogate, SurrogateTraits).differentiable,
    )
    return np.asarray(found)


def _weights(measured: Sequence[ScaleRuns]) -> list[Weights]:
    """The mixtures of all runs."""
    return [record.trial.weights for each in measured for record in each.records]


def _spread_out(points: Array) -> Array:
    """At most :data:`_MIXTURES` different rows of ``n x d``, evenly picked in their lexicographic order."""
    from bomix.numerics.repeats import distinct
    from bomix.space.weights import SAME_MIXTURE

    rows = distinct(points, tolerance=SAME_MIXTURE)
    picked = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _MIXTURES)).round().astype(int))
    return np.asarray(rows[picked])


def _expected(
    at_target: Belief, at_other: Belief, other: ScaleRuns, target: str, points: Array, *, seed: int
) -> Expected:
    """The rank correlation of the objective at two scales over joint draws of the model at ``q x d`` mixtures."""
    import torch

    from bomix.surrogates.cross_validation.scores import spearman

    with torch.no_grad():
        draws = _joint_draws(at_target, other, as_tensor(points), seed=seed)
        large, small = at_target.aggregate(draws[0]), at_other.aggregate(draws[1])
    found = [spearman(*pair) for pair in zip(small.numpy(), large.numpy(), strict=True)]
    lower, middle, upper = np.nanquantile(found, [0.025, 0.5, 0.975]).tolist()
    return Expected(other.name, target, middle, lower, upper, len(points))


def _joint_draws(belief: Belief, other: ScaleRuns, X: Tensor, *, seed: int) -> tuple[Tensor, Tensor]:
    """Draws of all metrics at the target and at another scale, ``s x q x m`` each, at ``q x d`` mixtures."""
    import torch

    from bomix.surrogates.models.scales import MultiScaleModel

    model, scale = belief.model, other.scale.scale
    assert isinstance(model, MultiScaleModel)
    mean, covariance = model.moments(X)
    mean_other, covariance_other = model.at(scale).moments(X)
    across = model.across(X, X, scale)
    joint = torch.cat([torch.cat([covariance, across], -1), torch.cat([across.mT, covariance_other], -1)], -2)
    # Errors of metrics go together by an approximation at each scale, which of two scales may leave it indefinite.
    values, vectors = torch.linalg.eigh(0.5 * (joint + joint.mT))
    root = vectors * values.clamp_min(0.0).sqrt()
    normal = torch.as_tensor(np.random.default_rng(seed).standard_normal((_DRAWS, len(joint))))
    (q, m), drawn = mean.shape, normal @ root.mT
    first, second = drawn[:, : m * q], drawn[:, m * q :]
    return mean + first.reshape(_DRAWS, m, q).mT, mean_other + second.reshape(_DRAWS, m, q).mT
