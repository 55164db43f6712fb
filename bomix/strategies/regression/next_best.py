"""Fit, then minimise: the part shared by strategies that propose the minimiser of a prediction, however uncertain.

Each ask fits anew and proposes the minimiser. Where that mixture is in the record already, or as good as pending (a fit
to the same runs moves by rounding and seeds only), the next best one that differs is proposed: of mixtures that lie
:data:`NEXT_DISTANCE` from it in all directions, the one predicted lowest among the new ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bomix.contracts.surrogate import SurrogateTraits
from bomix.contracts.traits import traits
from bomix.errors import Fault
from bomix.posterior.belief import busy_mixtures
from bomix.space.weights import SAME_MIXTURE, is_among

if TYPE_CHECKING:
    from bomix.contracts.surrogate import Surrogate
    from bomix.history import History
    from bomix.problem import Problem
    from bomix.space.mixture_space import MixtureSpace
    from bomix.space.polytope import Array

NEGLIGIBLE = 1e-9
"""Weights below it are no tokens; exact minima are otherwise asked for as they are."""
NEXT_DISTANCE = 0.02
"""Largest difference of a weight between the next best mixture and the best one, where the space is that large."""

_DIRECTIONS = 256
"""Directions from the minimiser in which the next best mixture is sought, those towards the corners aside: among dozens
of domains some of so many still lead to where little is lost."""


class Found(NamedTuple):
    """A minimiser.

    Attributes:
        point: ``d`` weights of the space.
        values: The function that it minimises: ``n x d`` weights to ``n`` values, lower is better.
        space: The space over which it is the minimiser.
    """

    point: Array
    values: Callable[[Array], Array]
    space: MixtureSpace


def gradient_faults(surrogate: Surrogate, *, cure: str) -> list[Fault]:
    """A surrogate that has no gradients for a strategy that follows them."""
    if traits(surrogate, SurrogateTraits).differentiable:
        return []
    name = type(surrogate).__name__
    return [Fault("surrogate", f"{name} is not declared 'differentiable', and this strategy follows gradients; {cure}")]


def fresh(found: Found, problem: Problem, history: History, *, seed: int) -> Array:
    """The minimiser, or the next best mixture where it was asked for before; ``d`` weights.

    Args:
        found: The minimiser.
        problem: The space, the metrics and the objective.
        history: The record, whose trials were asked for before.
        seed: Seed of the directions in which the next best mixture is sought.
    """
    tried = found.space.to_arrays([record.trial.weights for record in history.tried])
    busy = busy_mixtures(problem, history)
    if not is_among(found.point, tried) and _distance(found.point[None], busy)[0] > 0.5 * NEXT_DISTANCE:
        return found.point
    around = _around(found.space, found.point, seed)
    distance = _distance(around, tried)
    for least in (0.5 * NEXT_DISTANCE, SAME_MIXTURE):
        if (new := distance > least).any():
            choice = around[new]
            return np.asarray(choice[np.argmin(found.values(choice))])
    return found.point  # the space is one point, or as good as that


def _distance(points: Array, others: Array) -> Array:
    """Largest difference of a weight to the nearest of ``p x d`` others, for each of ``n x d`` points."""
    return np.asarray(np.abs(points[:, None] - others).max(axis=-1).min(axis=1, initial=np.inf))


def _around(space: MixtureSpace, point: Array, seed: int) -> Array:
    """Mixtures at :data:`NEXT_DISTANCE` from a point, towards all of the space and towards its corners."""
    ends = np.concatenate([space.sobol(_DIRECTIONS, seed=seed), space.project(np.eye(space.dimension))])
    distance = np.abs(ends - point).max(axis=1, keepdims=True)
    steps = np.minimum(1.0, NEXT_DISTANCE / np.maximum(distance, 1e-12))
    return space.snap(space.project(point + steps * (ends - point)), threshold=0.0)
