"""Linear programmes over the mixtures that bounds and constraints allow: whether there are any, and how much room."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from bomix.space.linear import Rows
    from bomix.space.polytope import Array

FLAT = 1e-9
"""Room of a bound or a constraint below which it counts as none: what bounds may miss a sum of one by."""
_TOLERANCE = 1e-10
"""How far a programme may miss its constraints: the least that the solver takes."""
_ROOM = 1e-6
"""Room that every bound and constraint has at the middle of a space, relative to its own width, above which none of
them is flat; below it they are looked at one by one."""


def solve(cost: Array, lower: Array, upper: Array, rows: Rows | None) -> Array | None:
    """The mixture of least ``cost @ w``, ``d`` weights; None where bounds and constraints leave none."""
    matrix, values, equalities = (np.ones((1, len(cost))), np.ones(1), 1) if rows is None else rows.stacked
    return _solved(cost, matrix, values, equalities, np.stack([lower, upper], axis=1))


def feasible(lower: Array, upper: Array, rows: Rows | None) -> Array | None:
    """Any mixture within bounds and constraints, ``d`` weights; None where there is none."""
    return solve(np.zeros(len(lower)), lower, upper, rows)


def _solved(cost: Array, matrix: Array, values: Array, equalities: int, bounds: Array) -> Array | None:
    from scipy.optimize import linprog

    if (bounds[:, 0] > bounds[:, 1]).any():
        return None
    found = linprog(
        cost,
        A_ub=matrix[equalities:] if len(matrix) > equalities else None,
        b_ub=values[equalities:] if len(matrix) > equalities else None,
        A_eq=matrix[:equalities],
        b_eq=values[:equalities],
        bounds=bounds,
        method="highs",
        options={"primal_feasibility_tolerance": _TOLERANCE, "dual_feasibility_tolerance": _TOLERANCE},
    )
    return None if found.x is None else np.asarray(found.x)


@dataclass(frozen=True)
class Interior:
    """What of a space has any width.

    Attributes:
        centre: ``d`` weights that keep away from every bound and constraint that has room.
        free: ``d`` booleans, which weights can change.
        flat: ``k`` booleans, which rows of :attr:`Rows.stacked` hold with equality at every mixture.
    """

    centre: Array
    free: np.ndarray
    flat: np.ndarray

    def equations(self, rows: Rows) -> Array:
        """The rows that hold with equality, for the weights that can change."""
        return np.asarray(rows.stacked[0][self.flat][:, self.free])

    def dimension(self, rows: Rows) -> int:
        """In how many directions a mixture can move; zero where there is a single one."""
        if not self.free.any():
            return 0
        return int(self.free.sum() - np.linalg.matrix_rank(self.equations(rows), tol=1e-9))


@lru_cache(maxsize=64)
def interior(lower: tuple[float, ...], upper: tuple[float, ...], rows: Rows) -> Interior | None:
    """The middle of a space and what of it is flat; None where it holds no mixture."""
    low, high = np.array(lower), np.array(upper)
    matrix, values, equalities = rows.stacked
    d, k = len(low), len(values)
    if (low > high).any():
        return None
    # One more variable: the room, relative to its width, that every bound and inequality has at least.
    wide, open_ = high - low > FLAT, np.arange(k) >= equalities
    width = np.where(wide, np.minimum(high - low, 1.0), 0.0)
    cost = np.append(np.zeros(d), -1.0)
    above = np.concatenate([np.eye(d), -np.eye(d), matrix[open_]])
    widths = np.concatenate([width, width, np.ones(int(open_.sum()))])
    every = np.concatenate(
        [np.column_stack([matrix[:equalities], np.zeros(equalities)]), np.column_stack([above, widths])]
    )
    limits = np.concatenate([values[:equalities], high, -low, values[open_]])
    bounds = np.concatenate([np.stack([low, high], axis=1), [[0.0, 0.5]]])
    found = _solved(cost, every, limits, equalities, bounds)
    if found is None:
        return None
    centre = np.clip(found[:d], low, high)
    if found[d] > _ROOM:
        return Interior(centre, wide, ~open_)
    return _one_by_one(centre, low, high, rows, wide)


def _one_by_one(point: Array, low: Array, high: Array, rows: Rows, wide: np.ndarray) -> Interior:
    """The same, each bound and inequality given all the room that it can have."""
    matrix, values, equalities = rows.stacked
    d = len(low)
    signs = np.concatenate([np.eye(d), -np.eye(d), matrix[equalities:]])
    ends = np.concatenate([high, -low, values[equalities:]])
    points, most = [point], ends - signs @ point
    order = [*np.flatnonzero(np.concatenate([wide, wide])), *range(2 * d, len(ends))]
    for index in order:
        if most[index] <= _ROOM:
            found: Any = solve(signs[index], low, high, rows)
            if found is not None:
                points.append(np.clip(found, low, high))
                most = np.maximum(most, ends - signs @ points[-1])
    flat = most <= FLAT
    moving = wide & ~flat[:d] & ~flat[d : 2 * d]
    return Interior(np.mean(points, axis=0), moving, np.concatenate([np.ones(equalities, dtype=bool), flat[2 * d :]]))
