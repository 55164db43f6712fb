"""Whether a mixture lies outside what the trials explored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bomix.numerics.repeats import distinct
from bomix.space.weights import SAME_MIXTURE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bomix.posterior.belief import Belief
    from bomix.space.polytope import Array

BEYOND = 0.02
"""How far a weight may lie beyond those of all trials without a warning: predictions that near are nearly as good."""

MANY_LOSSES = 4096
"""Losses of a record beyond which the minimiser of a weighted sum is sought by means alone, from fewer starts: the
variances that come with them are four fifths of the time, and the best of many runs are near it."""

_EVEN = 256
"""Mixtures of the space of whose standard deviations the median is taken: it is needed to two digits."""
_FEW = 64
"""The same where losses are many and each standard deviation is dear."""
_TYPICAL = 0.9
"""Share of the trials that are within a typical distance of their nearest one: a few loners do not make it larger."""


def unexplored(belief: Belief, tried: Array, point: Array, sd: float) -> list[str]:
    """Warnings where a mixture lies outside what the trials explored, so that its prediction is an extrapolation.

    Three things are compared: its weights with those of all trials, give or take :data:`BEYOND`; its distance to the
    nearest trial, in square roots of weights, with the distances of nine in ten trials to their own nearest ones; and
    the standard deviation of the objective there with its median over the space.

    Args:
        belief: The model of the record.
        tried: ``n x d`` mixtures; see :func:`bomix.posterior.explored.tried`.
        point: ``d`` weights.
        sd: Posterior standard deviation of the objective there, in its unit.

    Returns:
        One sentence for each comparison that fails.
    """
    import torch

    space, found = belief.problem.space, _outside(belief.problem.space.domains, tried, point)
    count = _EVEN if belief.data.Y.numel() <= MANY_LOSSES else _FEW
    even = torch.as_tensor(space.sobol(count, seed=0)).unsqueeze(-2)
    with torch.no_grad():
        variance = belief.aggregate.posterior(belief.model, even).variance
    middle = belief.aggregate.unit * float(variance.clamp_min(0.0).sqrt().median())
    if sd > middle:
        found.append(f"less is known there (sd {sd:.4f}) than at half of all mixtures (sd {middle:.4f})")
    return found


def stretch(tried: Array, point: Array) -> float:
    """What standard deviations are multiplied by where a mixture is far from all trials; 1 where it is not.

    A model cannot know how its metrics go on beyond the runs, and of all mixtures a recommendation is the one of which
    it hopes most. How many typical distances of trials the nearest trial is away is what its standard deviation must
    grow by for 95 % intervals to hold.

    Args:
        tried: ``n x d`` mixtures.
        point: ``d`` weights.
    """
    return float(stretches(tried, point[None])[0])


def stretches(tried: Array, points: Array) -> Array:
    """The same of ``n x d`` mixtures, ``n`` factors."""
    if not len(tried):
        return np.ones(len(points))
    roots, typical = _roots_and_typical(tried)
    nearest = np.array([_nearest(roots, point) for point in points])
    return np.where(nearest > typical, nearest / typical, 1.0) if typical > 0.0 else np.ones(len(points))


def _outside(domains: Sequence[str], tried: Array, point: Array) -> list[str]:
    """A sentence where weights lie beyond those tried, and one where the mixture is far from all trials."""
    if not len(tried):
        return ["no mixture has been tried, only experts of single domains"]
    found, low, high = [], tried.min(axis=0), tried.max(axis=0)
    beyond = [
        f"{name} {weight:.3f} (tried {smallest:.3f} to {largest:.3f})"
        for name, weight, smallest, largest in zip(domains, point, low, high, strict=True)
        if weight > largest + BEYOND or weight < smallest - BEYOND
    ]
    if beyond:
        found.append(f"beyond the weights of all trials: {', '.join(beyond)}")
    nearest, typical = _distances(tried, point)
    if nearest > typical > 0.0:
        found.append(
            f"the nearest trial is {nearest:.2f} away, while trials are within {typical:.2f} of each other "
            f"(distance of the square roots of weights); what is said is {nearest / typical:.1f} times less sure for it"
        )
    return found


def _distances(X: Array, point: Array) -> tuple[float, float]:
    """Distance of a mixture to the nearest trial, and the distance within which nine in ten trials have theirs.

    The second is 0 where all trials have one mixture.
    """
    roots, typical = _roots_and_typical(X)
    return _nearest(roots, point), typical


def _roots_and_typical(X: Array) -> tuple[Array, float]:
    """Square roots of the distinct ones of ``n x d`` trials, and the distance of nine in ten to their nearest one."""
    from scipy.spatial import cKDTree

    roots = np.sqrt(distinct(X.clip(min=0.0), tolerance=SAME_MIXTURE))
    if len(roots) < 2:
        return roots, 0.0
    # A tree, not all pairs: those of three thousand runs take a gigabyte. The nearest of all is a mixture itself.
    to_others = cKDTree(roots).query(roots, k=2)[0][:, 1]
    return roots, float(np.quantile(to_others, _TYPICAL))


def _nearest(roots: Array, point: Array) -> float:
    """Distance of a mixture of ``d`` weights to the nearest of ``n x d`` square roots of weights."""
    return float(np.sqrt(((roots - np.sqrt(point.clip(min=0.0))) ** 2).sum(axis=1)).min())


def typical_distance(tried: Array) -> float:
    """Distance within which nine in ten of ``n x d`` trials have their nearest one, in square roots of weights."""
    return _roots_and_typical(tried)[1] if len(tried) else 0.0
