"""Which weights are zero under linear constraints: negligible ones, and those that may be "zero or at least".

Without constraints :func:`bomix.space.polytope.snap` decides it. With them a set of weights may have to stay, since a
sum needs them; where the plain choice leaves no mixture, an integer programme finds the one with the fewest changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bomix.space import constrained, polytope
from bomix.space.programme import feasible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy.optimize import Bounds, LinearConstraint

    from bomix.space.linear import Rows
    from bomix.space.polytope import Array

_NODES = 500
"""Nodes of the integer programme at most: some hundredths of a second, and more than choices of few changes need."""
_CUTS = 8
"""Choices that the solver's tolerance lets through and that hold no mixture after all, before it gives up."""


def snap(points: Array, lower: Array, upper: Array, at_least: Array, threshold: float | Array, rows: Rows) -> Array:
    """:func:`bomix.space.polytope.snap` under constraints: weights that these need stay, however small."""
    floor, optional = np.maximum(lower, at_least), lower <= 0.0
    on = ~optional | (points >= np.maximum(threshold, 0.5 * at_least))
    polytope.fill(on, points, floor, upper, optional)
    weights, needed = _settled(on, points, floor, upper, optional, rows), np.zeros(on.shape, dtype=bool)
    while True:
        small = on & optional & (floor <= 0.0) & (weights < threshold) & ~needed
        which = np.flatnonzero(small.any(axis=1))
        if not len(which):
            return weights
        asked = on[which] & ~small[which]
        wished = asked.copy()
        weights[which] = _settled(wished, points[which], floor, upper, optional, rows)
        needed[which] |= wished & ~asked
        on[which] = wished


def _settled(
    on: NDArray[np.bool_], points: Array, floor: Array, upper: Array, optional: NDArray[np.bool_], rows: Rows
) -> Array:
    """The mixtures nearest to ``n x d`` points with the weights that are ``on``, which is changed where it has none."""
    weights, right = constrained.attempt(points, on * floor, on * upper, rows)
    for row in np.flatnonzero(~right):
        cost = np.where(on[row], points[row], 1.0 - points[row])
        found = nearest_choice(on[row], cost, floor, upper, optional, rows)
        assert found is not None, "the space was checked to have a face"
        on[row] = found
        weights[row] = constrained.project(points[row], found * floor, found * upper, rows)
    return weights


def nearest_choice(
    on: NDArray[np.bool_], cost: Array, floor: Array, upper: Array, optional: NDArray[np.bool_], rows: Rows
) -> NDArray[np.bool_] | None:
    """The choice of weights that are not zero nearest to ``on`` that leaves a mixture; None where none is found.

    Args:
        on: ``d`` booleans, the choice wished for.
        cost: ``d`` array in [0, 1]; among choices that change equally many weights the cheaper is preferred.
        floor: ``d`` array, what a weight that is on holds at least.
        upper: ``d`` array, what it holds at most.
        optional: ``d`` booleans, which weights may be zero.
        rows: The constraints.
    """
    from scipy.optimize import Bounds, LinearConstraint

    if (floor[optional] <= 0.0).all() and feasible(np.where(optional, 0.0, floor), upper, rows) is None:
        return None
    d = len(on)
    matrix, values, equalities = rows.stacked
    price = np.where(on, -1.0, 1.0) * (1.0 + 1e-3 / d * np.clip(cost, 0.0, 1.0))
    # The first d variables are the choice, the others the weights: floor z <= w <= upper z.
    eye, nothing = np.eye(d), np.zeros((len(values), d))
    low = np.where(np.arange(len(values)) < equalities, values, -np.inf)
    limits = [
        LinearConstraint(np.hstack([np.diag(floor), -eye]), -np.inf, 0.0),
        LinearConstraint(np.hstack([-np.diag(upper), eye]), -np.inf, 0.0),
        LinearConstraint(np.hstack([nothing, matrix]), low, values),
    ]
    bounds = Bounds(np.concatenate([np.where(optional, 0.0, 1.0), np.zeros(d)]), np.ones(2 * d))
    whole = np.concatenate([np.ones(d), np.zeros(d)])
    for _ in range(_CUTS):
        found = _solved(np.append(price, np.zeros(d)), whole, bounds, limits)
        if found is None:
            return None
        choice = np.asarray(found[:d] > 0.5)
        if feasible(choice * floor, choice * upper, rows) is not None:
            return choice
        # The solver's tolerance let it through: rule out this very choice and ask again.
        cut = np.append(np.where(choice, -1.0, 1.0), np.zeros(d))
        limits.append(LinearConstraint(cut[None], 1.0 - choice.sum(), np.inf))
    return None


def _solved(price: Array, whole: Array, bounds: Bounds, limits: Sequence[LinearConstraint]) -> Array | None:
    """The variables of the cheapest solution; None where there is none.

    The HiGHS of SciPy 1.17.0 and before calls some problems infeasible, in its presolve, that it solves without it.
    """
    from scipy.optimize import milp

    for presolve in (True, False):
        options = {"mip_rel_gap": 0.0, "node_limit": _NODES, "presolve": presolve}
        found = milp(price, integrality=whole, bounds=bounds, constraints=limits, options=options).x
        if found is not None:
            return np.asarray(found)
    return None
