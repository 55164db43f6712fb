"""Projection onto the simplex cut by a box and by linear constraints, of many points at once.

The dual of the projection has a multiplier for each constraint and none for the bounds, which a clip takes care of:
``w = clip(v - C' y, lower, upper)``. It is concave and piecewise quadratic, so that Newton's method ends in a few
steps, with a line search that makes it safe [Bertsekas1982]_. Points that need no multiplier but that of the sum are
projected as if there were no constraints.

References:
    [Bertsekas1982] Projected Newton methods for optimization problems with simple constraints.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np

from bomix.numerics.constants import ARMIJO, TINY
from bomix.space import polytope
from bomix.space.programme import feasible, interior

if TYPE_CHECKING:
    from bomix.space.linear import Rows
    from bomix.space.polytope import Array

EXACT = 1e-12
"""How far a sum may miss its constraint where a projection has succeeded: a thousandth of what is promised, and as near
as multipliers of large distances are computed."""

_AT_HOME = 1e-13
"""Miss of a constraint up to which a point stays what it is: the rounding that projections themselves leave."""
_DONE = 3e-15
"""Residual at which to stop: the rounding of a sum of weights."""
_STEPS = 50
"""Newton steps at most; ten are the rule, and a face that holds no mixture uses them all."""
_HALVINGS = 40
"""Halvings of a step before it is given up: what is left of it, 1e-12, changes nothing."""
_RIDGE, _LEAST_RIDGE = 1.0, 1e-12
"""Largest and smallest number that is added to the diagonal of the curvature, in units of the residual and by itself:
the last steps are Newton's own, and constraints that hang together leave no singular matrix."""
_FIRM, _LOOSER, _LEAST_FIRM = 10.0, 0.3, 1e-3
"""What the ridge is multiplied by after a step that had to be shortened and after one that had not, and its least."""
_ROUNDING = 1e-14
"""By how much a dual may fall in a step, relative to it: the rounding of its sums."""
_NEARLY = 1e-3
"""Largest multiplier of a constraint with room that is led to zero by itself: those of a step that were counted on to
become negative would spoil it."""
_FAR, _GROWTH = 2.0, 4.0
"""Distance of a point from the simplex up to which a projection starts from nothing, and the factor by which further
points are approached: which bounds hold is then mostly known. What is found of them is projected once more, as
multipliers that are large take as many digits from the result."""


def project(points: Array, lower: Array, upper: Array, rows: Rows | None) -> Array:
    """Nearest mixtures of the polytope, which must hold one; see :func:`attempt`."""
    if rows is None:
        return polytope.project(points, lower, upper)
    return attempt(points, lower, upper, rows)[0]


def attempt(points: Array, lower: Array, upper: Array, rows: Rows) -> tuple[Array, np.ndarray]:
    """Project in the Euclidean norm wherever the bounds leave a mixture.

    Args:
        points: ``(...) x d``, finite.
        lower: Broadcasts to the points.
        upper: Broadcasts to the points; bounds may differ from point to point.
        rows: The constraints.

    Returns:
        ``(...) x d`` mixtures, and booleans of the shape ``(...)``: whether bounds, sum and constraints hold there.
        Where they do not, no mixture was found within these bounds.
    """
    given, low, high = np.broadcast_arrays(np.asarray(points, dtype=float), lower, upper)
    d = given.shape[-1]
    flat, lows, highs = (array.reshape(-1, d) for array in (given, low, high))
    if not len(flat):
        return np.empty(given.shape), np.ones(given.shape[:-1], dtype=bool)
    possible = (lows.sum(axis=1) <= 1.0 + polytope.ROUNDING) & (highs.sum(axis=1) >= 1.0 - polytope.ROUNDING)
    found = polytope.project(flat, lows, highs)
    at = np.flatnonzero(possible & ~rows.hold(found, tolerance=_AT_HOME))
    if len(at):
        found[at] = _newton(flat[at], lows[at], highs[at], found[at], rows)
        far = at[np.abs(flat[at] - found[at]).max(axis=1) > _FAR]
        if len(far):
            found[far] = _newton(found[far], lows[far], highs[far], found[far], rows)
    right = possible & _exact(found, rows)
    for row in np.flatnonzero(possible & ~right):
        if (slow := _slowly(flat[row], lows[row], highs[row], rows)) is not None:
            found[row], right[row] = slow, bool(_exact(slow, rows))
    return found.reshape(given.shape), right.reshape(given.shape[:-1])


def pulled_inside(points: Array, lower: Array, upper: Array, rows: Rows) -> Array:
    """``n x d`` points moved along straight lines towards the middle of the polytope, as far as they have to be.

    Not the nearest mixtures, but a hundred times as fast as a projection. Equalities are met first, by the nearest
    points that meet them.
    """
    inside = interior(tuple(lower.tolist()), tuple(upper.tolist()), rows)
    assert inside is not None, "spaces are checked to hold a mixture"
    matrix, values, _ = rows.stacked
    broken = ((points < lower) | (points > upper)).any(axis=1) | ~rows.hold(points)
    moved, free, centre = points[broken], inside.free, inside.centre
    moved[:, ~free] = centre[~free]
    equations = inside.equations(rows)
    off = (moved - centre)[:, free] @ equations.T
    moved[:, free] -= off @ np.linalg.pinv(equations.T)
    # Along the line to the middle each limit is met from some share on: the largest of these shares.
    loose = ~inside.flat
    gaps = np.concatenate([moved - upper, lower - moved, moved @ matrix[loose].T - values[loose]], axis=1)
    slack = np.concatenate([upper - centre, centre - lower, values[loose] - matrix[loose] @ centre])
    gaps[:, : 2 * len(lower)][:, ~np.tile(free, 2)] = 0.0
    share = np.where(gaps > 0.0, gaps / np.maximum(gaps + slack, TINY), 0.0).max(axis=1, keepdims=True)
    found = points.copy()
    found[broken] = np.clip(moved + share * (centre - moved), lower, upper)
    return found


def _exact(points: Array, rows: Rows) -> np.ndarray:
    """Which of ``(...) x d`` points within the bounds are mixtures that keep the constraints."""
    return np.asarray((np.abs(points.sum(axis=-1) - 1.0) <= EXACT) & rows.hold(points, tolerance=EXACT))


def _slowly(point: Array, lower: Array, upper: Array, rows: Rows) -> Array | None:
    """The projection of a point for which Newton's method took too long; None where there is nothing to project on.

    A sequential quadratic programme whose first model is exact comes so near that Newton's method ends it.
    """
    from scipy.optimize import minimize

    start = feasible(lower, upper, rows)
    if start is None:
        return None
    matrix, values, equalities = rows.stacked
    kinds = [("eq", matrix[:equalities], values[:equalities]), ("ineq", -matrix[equalities:], -values[equalities:])]
    found = minimize(
        lambda w: (0.5 * float(np.square(w - point).sum()), w - point),
        start,
        jac=True,
        method="SLSQP",
        bounds=np.stack([lower, upper], axis=1),
        constraints=[
            {"type": kind, "fun": lambda w, a=a, b=b: a @ w - b, "jac": lambda w, a=a: a}
            for kind, a, b in kinds
            if len(b)
        ],
        options={"maxiter": 100, "ftol": 1e-14},
    )
    near = found.x if np.isfinite(found.x).all() else start
    for each in (near, start):
        ended = _newton(each[None], lower[None], upper[None], np.clip(each, lower, upper)[None], rows)[0]
        if _exact(ended, rows):
            return np.asarray(ended)
    return None


def _newton(points: Array, lower: Array, upper: Array, plain: Array, rows: Rows) -> Array:
    """Projections of ``n x d`` points of which ``plain`` are those without constraints."""
    points = points - points.mean(axis=1, keepdims=True)
    scale = np.abs(points).max(axis=1)
    inside = (plain > lower) & (plain < upper)
    shift = np.where(inside, points - plain, 0.0).sum(axis=1) / np.maximum(inside.sum(axis=1), 1)
    y = np.zeros((len(points), len(rows.stacked[1])))
    y[:, 0] = np.where(inside.any(axis=1), shift, (points - plain).max(axis=1))
    radius = _FAR
    far = np.flatnonzero(scale > radius)
    if len(far):  # from near to far in the same direction: the multipliers grow with the distance
        y[far] *= (radius / scale[far])[:, None]
    best = plain.copy()
    while len(far):
        nearer = points[far] * (radius / scale[far])[:, None]
        best[far], y[far] = ascent(Dual.of_rows(nearer, lower[far], upper[far], rows), y[far])
        grown = np.minimum(scale[far] / radius, _GROWTH)
        y[far] *= grown[:, None]
        radius *= _GROWTH
        far = far[scale[far] > radius]
    return ascent(Dual.of_rows(points, lower, upper, rows), y)[0]


def ascent(dual: Dual, y: Array, *, steps: int = _STEPS) -> tuple[Array, Array]:
    """Newton's method on duals, from ``n x k`` multipliers.

    Args:
        dual: The duals of ``n`` problems.
        y: Where to begin; what must not be negative is not.
        steps: Steps at most.

    Returns:
        The ``n x d`` points passed that keep the constraints best, and the last multipliers.
    """
    signed, y, whole = dual.signed, y.copy(), dual
    scale = np.maximum(1.0, np.abs(dual.v).max(axis=1))
    best, least = np.clip(dual.v, dual.lower, dual.upper), np.full(len(y), np.inf)
    left, firm = np.arange(len(y)), np.full(len(y), 0.1)
    for _ in range(steps):
        dual = whole.of(left)
        w, slope = dual.at(y[left])
        residual = np.where(signed, np.abs(y[left] - np.maximum(y[left] + slope, 0.0)), np.abs(slope)).max(axis=1)
        nearer = residual < least[left]
        best[left[nearer]], least[left[nearer]] = w[nearer], residual[nearer]
        going = residual > _DONE * scale[left]
        if not going.any():
            break
        left = left[going]
        ridge = np.maximum(firm[left] * np.minimum(residual[going] / scale[left], 1.0), _LEAST_RIDGE)
        y[left], length = dual.of(going).step(y[left], w[going], slope[going], residual[going], ridge)
        firm[left] = np.clip(firm[left] * np.where(length < 0.5, _FIRM, _LOOSER), _LEAST_FIRM, _RIDGE)
    return best, y


@dataclass(frozen=True)
class Dual:
    """The duals of the projections of ``n`` points, or of what is to be minimised in their place.

    Attributes:
        v: ``n x d`` points.
        lower: ``n x d`` lower bounds.
        upper: ``n x d`` upper bounds.
        matrix: ``k x d`` coefficients of the constraints.
        values: ``k`` right-hand sides.
        signed: ``k`` booleans, which multipliers must not be negative.
    """

    v: Array
    lower: Array
    upper: Array
    matrix: Array
    values: Array
    signed: np.ndarray

    @classmethod
    def of_rows(cls, v: Array, lower: Array, upper: Array, rows: Rows) -> Self:
        """The duals under the constraints of a space; bounds are ``n x d``."""
        matrix, values, equalities = rows.stacked
        return cls(v, lower, upper, matrix, values, np.arange(len(values)) >= equalities)

    def of(self, which: np.ndarray) -> Self:
        """Those of some of the points."""
        return replace(self, v=self.v[which], lower=self.lower[which], upper=self.upper[which])

    def at(self, y: Array) -> tuple[Array, Array]:
        """The clipped points at ``n x k`` multipliers, and the slopes of the duals there."""
        w = np.clip(self.v - y @ self.matrix, self.lower, self.upper)
        return w, w @ self.matrix.T - self.values

    def height(self, y: Array, w: Array, slope: Array) -> Array:
        """The duals at multipliers of which ``w`` are the clipped points, ``n``."""
        return np.asarray(0.5 * np.square(w - self.v).sum(axis=1) + (y * slope).sum(axis=1))

    def give(self, w: Array) -> Array:
        """How much each of ``n x d`` weights gives way to the multipliers of its constraints; zero at a bound."""
        return ((w > self.lower) & (w < self.upper)).astype(float)

    def step(self, y: Array, w: Array, slope: Array, residual: Array, ridge: Array) -> tuple[Array, Array]:
        """Multipliers after a step of Newton's method, and the ``n`` shares of it that raised the duals enough."""
        held = self.signed & (y <= np.minimum(_NEARLY, residual)[:, None]) & (slope < 0.0)
        curvature = (self.matrix * self.give(w)[:, None]) @ self.matrix.T
        curvature *= ~held[:, :, None] & ~held[:, None]
        diagonal = np.arange(len(self.values))
        curvature[:, diagonal, diagonal] += np.where(held, 1.0, ridge[:, None])
        step = np.linalg.solve(curvature, slope[..., None])[..., 0]
        here, length, moved = self.height(y, w, slope), np.ones(len(y)), y.copy()
        waiting = np.arange(len(y))
        for _ in range(_HALVINGS):
            there = y[waiting] + length[waiting, None] * step[waiting]
            there = np.where(self.signed, np.maximum(there, 0.0), there)
            some = self.of(waiting)
            value = some.height(there, *some.at(there))
            promised = (slope[waiting] * (there - y[waiting])).sum(axis=1)
            rounding = _ROUNDING * np.maximum(1.0, np.abs(here[waiting]))
            moved[waiting] = there
            waiting = waiting[value < here[waiting] + ARMIJO * promised - rounding]
            if not len(waiting):
                break
            length[waiting] *= 0.5
        return moved, length
