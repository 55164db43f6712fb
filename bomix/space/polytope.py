"""The simplex cut by a box, ``{w : lower <= w <= upper, sum w = 1}``: projection, tightening, faces."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

ROUNDING = 5e-13
"""How far sums of weights may miss one where it is decided whether bounds leave room: some thousand times the rounding
of a sum of a hundred weights, and far below what :data:`bomix.space.bounds.ROUNDING` lets pass in a study file."""
_COUNTS = np.array(sorted({*range(1, 9), *(round(8 * 1.25**power) for power in range(1, 24))}))
"""Numbers of weights raised to "at least" that are tried, besides none and as many as fit."""


def project(points: ArrayLike, lower: ArrayLike, upper: ArrayLike) -> Array:
    """Project onto the polytope in the Euclidean norm.

    The projection is ``clip(v - t, lower, upper)``; the sum is piecewise linear in ``t``, so the right piece gives
    ``t`` exactly.

    Args:
        points: ``(...) x d``, finite.
        lower: Broadcasts to the points; sums to at most 1.
        upper: Broadcasts to the points; sums to at least 1.

    Returns:
        ``(...) x d``; rows sum to one within rounding.
    """
    all_points, all_lower, all_upper = np.broadcast_arrays(
        np.asarray(points, dtype=float), np.asarray(lower, dtype=float), np.asarray(upper, dtype=float)
    )
    d = all_points.shape[-1]
    given, low, high = (array.reshape(-1, d) for array in (all_points, all_lower, all_upper))
    if not len(given):
        return np.empty(all_points.shape)
    v = given - given.max(axis=1, keepdims=True)  # a shift common to all coordinates does not matter, its size would
    knots = np.concatenate([v - high, v - low], axis=1)
    order = np.argsort(knots, axis=1, kind="stable")
    knots = np.take_along_axis(knots, order, axis=1)
    free = np.cumsum(np.where(order < d, 1, -1), axis=1)
    falls = np.cumsum(free[:, :-1] * np.diff(knots, axis=1), axis=1)
    top = high.sum(axis=1, keepdims=True)
    totals = np.concatenate([top, top - falls], axis=1)
    piece = np.clip((totals >= 1.0).sum(axis=1, keepdims=True) - 1, 0, 2 * d - 1)
    at, total, slope = (np.take_along_axis(array, piece, axis=1) for array in (knots, totals, free))
    weights = np.clip(v - (at + (total - 1.0) / np.maximum(slope, 1)), low, high)
    weights = _mend(weights, low, high)
    at_home = ((given >= low) & (given <= high)).all(axis=1) & (np.abs(given.sum(axis=1) - 1.0) <= 1e-15)
    weights = np.where(at_home[:, None], given, weights)  # a point of the polytope stays what it is, to the bit
    return np.asarray((weights + 0.0).reshape(all_points.shape))  # + 0.0 makes -0.0 an ordinary zero


def _mend(weights: Array, low: Array, high: Array) -> Array:
    """Bring the sums to one where rounding left them off, first by the coordinates between their bounds."""
    for _ in range(2):
        inside = (weights > low) & (weights < high)
        rest = (1.0 - weights.sum(axis=1, keepdims=True)) / np.maximum(inside.sum(axis=1, keepdims=True), 1)
        weights = np.clip(weights + rest * inside, low, high)
    rest = 1.0 - weights.sum(axis=1)
    for row in np.flatnonzero(np.abs(rest) > 5e-14):  # all at their bounds: those that have most room move
        room = high[row] - weights[row] if rest[row] > 0.0 else weights[row] - low[row]
        order = np.argsort(-room, kind="stable")
        taken = np.minimum(np.cumsum(room[order]), abs(rest[row]))
        weights[row, order] += np.sign(rest[row]) * np.diff(taken, prepend=0.0)
    return np.clip(weights, low, high)


def tighten(lower: Array, upper: Array) -> tuple[Array, Array]:
    """The smallest box around the polytope: bounds that the other bounds imply.

    Args:
        lower: ``d`` array, sums to at most 1.
        upper: ``d`` array, sums to at least 1.

    Returns:
        Two ``d`` arrays, lower and upper.
    """
    low = np.maximum(lower, upper - (math.fsum(upper) - 1.0))
    high = np.minimum(upper, lower + (1.0 - math.fsum(lower)))
    return low, np.maximum(low, high)


def snap(points: Array, lower: Array, upper: Array, at_least: Array, threshold: float | Array) -> Array:
    """Put negligible weights to zero and keep "zero or at least", then project onto the face that is left.

    A weight below half of its "at least" becomes zero, unless so many do that raising the largest of them is nearer.
    Of equal ones the first are raised.

    Args:
        points: ``n x d``, finite.
        lower: ``d`` array.
        upper: ``d`` array.
        at_least: ``d`` array; a coordinate with ``lower = 0`` and ``at_least > 0`` is 0 or no less than that.
        threshold: Weights below it become 0 where the lower bound allows; one, or ``d`` of them.

    Returns:
        ``n x d`` points of the polytope with exact zeros.
    """
    floor = np.maximum(lower, at_least)
    optional = lower <= 0.0
    on = ~optional | (points >= np.maximum(threshold, 0.5 * at_least))
    fill(on, points, floor, upper, optional)
    for row in np.flatnonzero(((on * floor).sum(axis=1) > 1.0) | ((on * upper).sum(axis=1) < 1.0)):
        reached = nearest_choice(on[row], np.where(on[row], points[row], 1.0 - points[row]), floor, upper, optional)
        assert reached is not None, "the space was checked to have a face"
        on[row] = reached
    while True:
        weights = project(points, on * floor, on * upper)
        small = on & optional & (floor <= 0.0) & (weights < threshold)
        small &= ((on & ~small) * upper).sum(axis=1, keepdims=True) >= 1.0
        if not small.any():
            return weights
        on &= ~small


def fill(on: NDArray[np.bool_], points: Array, floor: Array, upper: Array, optional: NDArray[np.bool_]) -> None:
    """Turn on, in place, the largest of the coordinates that fell short of "at least" where that is nearer.

    What they hold must go somewhere: many small weights together are as near to some of them raised as to none. Where
    those that did not fall short want more than there is, the largest of them stay.

    Args:
        on: ``n x d`` booleans, the coordinates that are not zero.
        points: ``n x d``, what is to be near.
        floor: ``d`` array, what a coordinate that is on holds at least.
        upper: ``d`` array, what it holds at most.
        optional: ``d`` booleans, which coordinates may be off.
    """
    held = optional & (floor > 0.0)
    if not held.any():
        return
    full = (on * floor).sum(axis=1) > 1.0 + ROUNDING
    wanted = held & (points > 0.0) & (full[:, None] | ~on)
    lost = (points * wanted).sum(axis=1)
    rows = np.flatnonzero(full | (lost >= 0.5 * floor[held].min()))
    if not len(rows):
        return
    wanted, target = wanted[rows], points[rows]
    choice, every = on[rows] & ~wanted, np.arange(len(rows))
    used, count = (choice * floor).sum(axis=1), np.zeros(len(rows), dtype=int)
    best, nearest = choice.copy(), np.full(len(rows), np.inf)

    def keep_nearer(at: NDArray[np.bool_]) -> None:
        """Keep the present choice, at the rows in ``at``, wherever its projection is the nearest so far."""
        which = np.flatnonzero(at & (used <= 1.0 + ROUNDING) & ((choice * upper).sum(axis=1) >= 1.0 - ROUNDING))
        reached = project(target[which], choice[which] * floor, choice[which] * upper)
        squared = np.square(reached - target[which]).sum(axis=1)
        nearer = squared < nearest[which]
        nearest[which[nearer]], best[which[nearer]] = squared[nearer], choice[which[nearer]]

    keep_nearer(np.ones(len(rows), dtype=bool))
    for column in np.argsort(np.where(wanted, -target, np.inf), axis=1, kind="stable").T:
        add = wanted[every, column] & (used + floor[column] <= 1.0 + ROUNDING)
        choice[every[add], column[add]] = True
        used, count = used + add * floor[column], count + add
        keep_nearer(add & np.isin(count, _COUNTS))
    keep_nearer(~np.isin(count, _COUNTS))
    on[rows[nearest < np.inf]] = best[nearest < np.inf]


def nearest_choice(
    on: NDArray[np.bool_], cost: Array, floor: Array, upper: Array, optional: NDArray[np.bool_]
) -> NDArray[np.bool_] | None:
    """The choice of non-zero coordinates nearest to ``on`` that leaves room for a sum of one.

    Args:
        on: ``d`` booleans, the choice wished for.
        cost: ``d`` array in [0, 1]; among choices that change equally many coordinates the cheaper is preferred.
        floor: ``d`` array, what a coordinate that is on holds at least.
        upper: ``d`` array, what it holds at most.
        optional: ``d`` booleans, which coordinates may be off.

    Returns:
        ``d`` booleans, or None where none was found; whether one is found does not depend on ``on``.
    """
    if _fits(on, floor, upper):
        return on
    if not (optional & (floor > 0.0)).any():  # only more room can be wanting: the widest first make the fewest changes
        order = np.lexsort((cost, -upper))
        order = order[~on[order]]
        choice = on.copy()
        choice[order[: np.searchsorted(math.fsum(upper[on]) + np.cumsum(upper[order]), 1.0 - 1e-13) + 1]] = True
        return choice if _fits(choice, floor, upper) else np.ones_like(on)
    nearest = _solve_choice(on, cost, floor, upper, optional)
    if nearest is not None:
        return nearest
    # The solver met its limits. These do not keep_nearer at the wish, so that what was found once is found always.
    choice = ~optional | (floor <= 0.0)
    for j in np.lexsort((floor, -upper)):
        choice[j] |= math.fsum(floor[choice]) + floor[j] <= 1.0
    return choice if _fits(choice, floor, upper) else _solve_choice(~optional, 0.0 * cost, floor, upper, optional)


def _fits(choice: NDArray[np.bool_], floor: Array, upper: Array) -> bool:
    """Whether weights within these bounds can sum to one."""
    return math.fsum(floor[choice]) <= 1.0 + ROUNDING and math.fsum(upper[choice]) >= 1.0 - ROUNDING


def _solve_choice(
    on: NDArray[np.bool_], cost: Array, floor: Array, upper: Array, optional: NDArray[np.bool_]
) -> NDArray[np.bool_] | None:
    """:func:`nearest_choice` as an integer program; None where there is none within limits."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    d = len(on)
    price = np.where(on, -1.0, 1.0) * (1.0 + 1e-3 / d * np.clip(cost, 0.0, 1.0))
    bounds = Bounds(np.where(optional, 0.0, 1.0), np.ones(d))
    constraints = [LinearConstraint(floor[None], -np.inf, 1.0), LinearConstraint(upper[None], 1.0, np.inf)]
    for _ in range(4):
        options = {"mip_rel_gap": 0.0, "node_limit": 500}
        found = milp(price, integrality=np.ones(d), bounds=bounds, constraints=constraints, options=options)
        if found.x is None:
            return None
        choice = np.asarray(found.x > 0.5)
        if _fits(choice, floor, upper):
            return choice
        # The solver's tolerance let it through: rule out this very choice and ask again.
        constraints.append(LinearConstraint(np.where(choice, -1.0, 1.0)[None], 1.0 - choice.sum(), np.inf))
    return None
