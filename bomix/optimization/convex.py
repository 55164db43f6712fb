"""Minima of smooth functions over the simplex cut by a box, to the last digits, with a certificate.

What is minimised is ``loss(w) + strength * KL(w || prior)``, the second term where it is asked for. Newton's method
behind a barrier comes near. What is left is an equation: ``w`` is best exactly where it is the best point of the
polytope under the loss's own slope, ``w = M(loss'(w))``, with ``M`` a projection, Euclidean without the second term and
entropic with it. Newton's method on that equation names the bounds that hold, and meets them to the bit. Where the loss
is convex, :attr:`Minimum.gap` bounds what is left to gain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bomix.numerics.constants import TINY
from bomix.optimization.interior_point import approach, derivatives
from bomix.space import constrained, polytope
from bomix.space.programme import solve

if TYPE_CHECKING:
    from bomix.optimization.interior_point import Function
    from bomix.optimization.relative_entropy import KLPenalty
    from bomix.space.linear import Rows
    from bomix.space.polytope import Array

_ACTIVE = 1e-10
"""Room of a constraint below which it is taken to hold a minimum: what a projection leaves of it is a hundredth."""
_IDLE = 10
"""Steps in a row that do not halve the residual, after which rounding is taken to be all that is left: Newton's method
squares it where bounds are settled, and needs a few steps to settle them."""
_DONE = 1e-15
"""Residual at which to stop: weights are then best to the last digit."""
_DONE_CONSTRAINED = 1e-12
"""The same under constraints, of which projections themselves leave a tenth of it."""
_WORSE = 1e-9
"""By how much the value may rise above that of the start, relative to it: a smaller residual is otherwise what makes a
point better, and elsewhere than at a minimum it may be small too."""


class Minimum(NamedTuple):
    """Where a minimisation ended.

    Attributes:
        point: ``d`` weights, of the polytope, its bounds met to the bit.
        value: The loss there, its penalty included; lower is better.
        residual: Largest difference of a weight from its best choice under the loss's slope: zero where the
            conditions of Karush, Kuhn and Tucker hold.
        gap: No point of the polytope has a value lower by more than this, where the loss is convex.
    """

    point: Array
    value: float
    residual: float
    gap: float


def minimise(
    function: Function,
    lower: Array,
    upper: Array,
    *,
    penalty: KLPenalty | None = None,
    start: Array | None = None,
    rows: Rows | None = None,
) -> Minimum:
    """The minimum of a convex function, or the one next to the start of another.

    Args:
        function: Twice differentiable.
        lower: ``d`` lower bounds, which sum to at most one.
        upper: ``d`` upper bounds, which sum to at least one.
        penalty: The second term; None for none.
        start: ``d`` weights near which to begin; the middle of the polytope by default.
        rows: Linear constraints.
    """
    rough = constrained.project(approach(function, lower, upper, penalty, start, rows), lower, upper, rows)
    return _polished(function, rough, lower, upper, penalty, rows)


def certify(
    function: Function,
    point: Array,
    lower: Array,
    upper: Array,
    *,
    penalty: KLPenalty | None = None,
    rows: Rows | None = None,
) -> Minimum:
    """The value, the residual and the gap of ``d`` weights of the polytope; other arguments as in :func:`minimise`."""
    value, slope, _ = derivatives(function, point, curvature=False)
    if penalty is None:
        target = constrained.project(point - slope, lower, upper, rows)
        gap = float(slope @ (point - _vertex(slope, lower, upper, rows)))
    else:
        target = penalty.nearest(slope, lower, upper, rows)
        value += penalty.value(point)
        gap = float(slope @ (point - target)) + penalty.value(point) - penalty.value(target)
    return Minimum(point, value, float(np.abs(point - target).max()), gap)


def _polished(
    function: Function, rough: Array, lower: Array, upper: Array, penalty: KLPenalty | None, rows: Rows | None
) -> Minimum:
    """Newton's method on ``w = M(loss'(w))``; the best of the points that it passes."""
    best = certify(function, rough, lower, upper, penalty=penalty, rows=rows)
    allowed, idle, w = best.value + _WORSE * max(1.0, abs(best.value)), 0, rough
    done = _DONE if rows is None else _DONE_CONSTRAINED
    while best.residual > done and idle < _IDLE:
        idle += 1
        _, slope, hessian = derivatives(function, w)
        target, jacobian = _projected(w, slope, hessian, lower, upper, penalty, rows)
        for point in (target, w):
            found = certify(function, point, lower, upper, penalty=penalty, rows=rows)
            if found.residual < best.residual and found.value <= allowed:
                idle = 0 if found.residual < 0.5 * best.residual else idle
                best = found
        if not np.isfinite(jacobian).all():
            break
        w = constrained.project(w + np.linalg.lstsq(jacobian, target - w, rcond=1e-14)[0], lower, upper, rows)
    return best


def _projected(
    w: Array,
    slope: Array,
    hessian: Array,
    lower: Array,
    upper: Array,
    penalty: KLPenalty | None,
    rows: Rows | None,
) -> tuple[Array, Array]:
    """``M(w)`` and the Jacobian of ``w - M(w)``."""
    if rows is not None:
        return _projected_constrained(w, slope, hessian, lower, upper, penalty, rows)
    eye = np.eye(len(w))
    if penalty is None:
        length = _step_length(slope, hessian)
        target = polytope.project(w - length * slope, lower, upper)
        free = ((target > lower) & (target < upper)).astype(float)
        change = np.diag(free) - np.outer(free, free) / max(free.sum(), 1.0)
        return target, eye - change @ (eye - length * hessian)
    target = penalty.nearest(slope, lower, upper)
    share = target * ((target > lower) & (target < upper) & (penalty.prior > 0.0))
    change = np.diag(share) - np.outer(share, share) / max(share.sum(), TINY)
    return target, eye + change @ hessian / penalty.strength


def _step_length(slope: Array, hessian: Array) -> float:
    """Length of a step of projected gradient: the largest curvature allows no longer one, nor do steep slopes."""
    return 1.0 / max(float(np.abs(hessian).sum(axis=1).max()), 1e-3 * float(np.ptp(slope)), TINY)


def _projected_constrained(
    w: Array,
    slope: Array,
    hessian: Array,
    lower: Array,
    upper: Array,
    penalty: KLPenalty | None,
    rows: Rows,
) -> tuple[Array, Array]:
    """:func:`_projected` where constraints hold sums together besides the whole."""
    matrix, values, equalities = rows.stacked
    length = 1.0
    if penalty is None:
        length = _step_length(slope, hessian)
        target = constrained.project(w - length * slope, lower, upper, rows)
        moved = ((target > lower) & (target < upper)).astype(float)
    else:
        target = penalty.nearest(slope, lower, upper, rows)
        moved = target * ((target > lower) & (target < upper) & (penalty.prior > 0.0))
    held = (np.arange(len(values)) < equalities) | (matrix @ target >= values - _ACTIVE)
    pulled = matrix[held] * moved
    change = np.diag(moved) - pulled.T @ np.linalg.pinv(pulled @ matrix[held].T, rcond=1e-12) @ pulled
    eye = np.eye(len(w))
    if penalty is None:
        return target, eye - change @ (eye - length * hessian)
    return target, eye + change @ hessian / penalty.strength


def _vertex(slope: Array, lower: Array, upper: Array, rows: Rows | None) -> Array:
    """Minimiser of ``slope . v`` over the polytope: the cheapest weights are filled first."""
    if rows is not None:
        found = solve(slope, lower, upper, rows)
        assert found is not None, "spaces are checked to hold a mixture"
        return found
    order = np.argsort(slope, kind="stable")
    room = np.clip(1.0 - lower.sum() - np.cumsum(np.append(0.0, (upper - lower)[order][:-1])), 0.0, None)
    point = lower.copy()
    point[order] += np.minimum(room, (upper - lower)[order])
    return point
