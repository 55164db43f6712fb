"""The trade-offs of an objective with several groups of metrics: mixtures that no other beats in every group.

Candidates are the trials, and mixtures that minimise weighted Chebyshev distances to the best of each group
[Miettinen1999]_, which reach every part of a front, whatever its shape.

References:
    [Miettinen1999] Nonlinear multiobjective optimization, section 3.4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bomix.contracts.objective import ObjectiveTraits
from bomix.contracts.traits import traits
from bomix.numerics.repeats import distinct
from bomix.posterior.ranges import limits
from bomix.space.weights import SAME_MIXTURE, is_among
from bomix.surrogates.models.joint import mean_at

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.posterior.belief import Belief
    from bomix.space.polytope import Array
    from bomix.space.weights import Weights

SCALARISATIONS = 10
"""Weightings of the groups whose minimiser is sought, besides the best mixture of each single group."""

_SHARPNESS = 50.0
"""Sharpness of the smooth maximum, per range of a group over the front: it lies above the maximum of two groups by at
most ``ln 2 / 50``, one part in seventy, and its gradients still lead to where groups balance."""
_TRADE = 0.01
"""Weight of the sum of the distances, the largest having weight one: enough that no group is given away for nothing,
too little to draw the mixtures together [Miettinen1999]_."""
DISTINCT = 0.01
"""Mixtures are listed once where no group differs by more than this share of its range over the front."""


@dataclass(frozen=True)
class FrontPoint:
    """A mixture that no other of the front beats in every group.

    Attributes:
        weights: The mixture.
        groups: Posterior mean of each group, lower is better; of those in ``higher`` as it is reported.
        trial: Whether it was tried.
        higher: Groups of which higher is better, as all of their metrics are of direction ``max``.
    """

    weights: Weights
    groups: Mapping[str, float]
    trial: bool
    higher: tuple[str, ...] = ()


def front(belief: Belief, *, seed: int, gradients: bool = True) -> tuple[FrontPoint, ...]:
    """The front by posterior means, thinned to what differs; empty where the objective has no groups.

    Args:
        belief: The model of the record.
        seed: Seed of the starts of the searches.
        gradients: Whether the model is differentiable.

    Returns:
        The mixtures, ordered by their first group, the best in it first.
    """
    import torch

    if belief.aggregate.groups is None:
        return ()
    space = belief.problem.space
    if (pool := belief.problem.pool_array) is None:
        tried = space.snap(space.project(distinct(belief.data.X.numpy(), tolerance=SAME_MIXTURE)), threshold=0.0)
    else:
        known = np.array([is_among(row, belief.asked) and not is_among(row, belief.busy) for row in pool])
        tried = pool[known]
    means = _groups(belief, torch.as_tensor(tried)).detach().numpy()
    found = _searched(belief, tried, means, seed=seed, gradients=gradients) if pool is None else pool[~known]
    points = np.concatenate([tried, found])
    values = np.concatenate([means, _groups(belief, torch.as_tensor(found)).detach().numpy()])
    ordered = np.array([index for index in np.lexsort(values.T[::-1]) if _undominated(values, index)])
    kept = ordered[_distinct(values[ordered], (ordered < len(tried)).tolist())]
    values[kept] = _groups(belief, torch.as_tensor(points[kept]), inside=True).detach().numpy()
    groups = traits(belief.problem.objective, ObjectiveTraits).groups
    names = tuple(groups or map(str, range(values.shape[1])))
    turned = (belief.aggregate.groups <= 0.0).all(dim=1).numpy()
    reported = np.where(turned, -values, values)
    higher = tuple(name for name, each in zip(names, turned, strict=True) if each)
    return tuple(
        FrontPoint(
            space.to_weights(points[index]),
            dict(zip(names, reported[index].tolist(), strict=True)),
            trial=bool(index < len(tried)),
            higher=higher,
        )
        for index in kept
    )


def _groups(belief: Belief, X: Tensor, *, inside: bool = False) -> Tensor:
    """Groups at the posterior mean of the metrics, ``n x d`` to ``n x g``; lower is better.

    Args:
        belief: The model of the record.
        X: The mixtures.
        inside: Whether they are as reported: the means inside the ranges of the metrics, in the objective's own unit.
    """
    groups = belief.aggregate.groups
    assert groups is not None, "front() returns where there is none"
    mean = mean_at(belief.model, X)
    if not inside:
        return mean @ groups.mT
    return belief.aggregate.unit * (mean.clamp(*limits(belief.problem.metrics, belief.aggregate)) @ groups.mT)


def _searched(belief: Belief, tried: Array, means: Array, *, seed: int, gradients: bool) -> Array:
    """Minimisers of scalarisations, ``s x d``: first one group after the other, then weighted ones."""
    import torch

    from bomix.optimization.multistart import Search, optimize
    from bomix.space.mixture_space import MixtureSpace

    count, search = means.shape[1], Search(raw=128, starts=4, iterations=40, polished=1)
    shares = MixtureSpace([f"{index:03d}" for index in range(count)]).sobol(SCALARISATIONS, seed=0)
    points: list[Array] = []
    for number, factors in enumerate(np.concatenate([np.eye(count), shares])):
        ideal, scale = torch.as_tensor(means.min(axis=0)), torch.as_tensor(np.ptp(means, axis=0).clip(min=1e-9))
        weights = torch.as_tensor(factors)

        def value(X: Tensor, ideal: Tensor = ideal, scale: Tensor = scale, weights: Tensor = weights) -> Tensor:
            distance = (_groups(belief, X.squeeze(-2)) - ideal) / scale
            # A smooth maximum, so that gradients lead to where groups balance; the sum forbids weak optima.
            largest = (_SHARPNESS * weights * distance).logsumexp(dim=-1) / _SHARPNESS
            return -(largest + _TRADE * distance.sum(dim=-1))

        near = tried[np.argsort((factors * (means - means.min(axis=0))).max(axis=1), kind="stable")[:8]]
        found = optimize(value, belief.problem.space, seed=seed + number, near=near, search=search, gradients=gradients)
        points.append(found)
        if number < count:  # the ends of the front decide its scale
            end = _groups(belief, torch.as_tensor(found)[None]).detach().numpy()
            means = np.concatenate([means, end])
            tried = np.concatenate([tried, found[None]])
    return np.array(points)


def _undominated(values: Array, index: int) -> bool:
    """Whether no other row of ``n x g`` values is at least as good everywhere; of equal rows the first one stays."""
    others = np.delete(np.arange(len(values)), index)
    no_worse = (values[others] <= values[index]).all(axis=1)
    better = (values[others] < values[index]).any(axis=1) | (others < index)
    return not bool((no_worse & better).any())


def _distinct(values: Array, tried: Sequence[bool]) -> list[int]:
    """Rows of a front's ``n x g`` values that stand for all, ascending: its ends first, then trials before others."""
    scale = np.ptp(values, axis=0).clip(min=1e-9)
    ends = values.argmin(axis=0).tolist()
    kept: list[int] = []
    for row in dict.fromkeys([*ends, *sorted(range(len(values)), key=lambda row: not tried[row])]):
        differences = np.abs(values[kept] - values[row]) / scale
        if (differences.max(axis=1) > DISTINCT).all():
            kept.append(row)
    return sorted(kept)
