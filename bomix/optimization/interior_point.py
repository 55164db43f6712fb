"""Newton's method behind a barrier: near a minimum over the simplex cut by a box, from anywhere inside.

A barrier keeps the weights off their bounds while its height falls, with a multiplier for each bound [Nocedal2006]_.
The Hessian is raised until it is positive definite, so that every step descends, whether the function is convex or not.

References:
    [Nocedal2006] Numerical optimization, chapter 19.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from bomix.numerics.constants import ARMIJO
from bomix.space import constrained, polytope
from bomix.space.programme import interior

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.optimization.relative_entropy import KLPenalty
    from bomix.space.linear import Rows
    from bomix.space.polytope import Array

Function = Callable[["Tensor"], "Tensor"]
"""Maps ``n x d`` weights to ``n`` values, each of its own row; lower is better."""

_POINT = 1e-12
"""Room between the bounds of a weight below which it counts as fixed; also what a Hessian is raised by at first."""
_HEIGHT, _WARM_HEIGHT, _LEAST_HEIGHT = 0.1, 1e-3, 1e-11
"""Heights of the barrier, in units of the slope: at a cold start, which it leads through the middle; at a start that is
near the minimum already, which it must not push away; and at the end, from where :mod:`.convex` finishes."""
_STEPS = 200
"""Newton steps at most; some tens are the rule."""
_TO_THE_WALL = 0.995
"""Share of the way to the nearest bound that a step may go: weights stay inside, and come near fast [Nocedal2006]_."""
_HALVINGS = 40
"""Halvings of a step before it is given up: what is left of it then, 1e-12, changes nothing."""
_ROUNDING = 1e-13
"""By how much the merit may rise in a step, relative to it: sums of many losses carry such errors, and a step that only
rounding forbids must not end the descent."""
_TINY, _HOPELESS = 1e-100, 1e100
"""Least slack of a bound, whose square is still a number; and by how much a Hessian is raised at most, since where that
does not help nothing will."""


def derivatives(function: Function, point: Array, *, curvature: bool = True) -> tuple[float, Array, Array]:
    """Value, ``d`` gradient and ``d x d`` Hessian, zero where that is not wanted.

    Every row of a batch of ``d`` copies gives one row of the Hessian, in a single pass.
    """
    d = len(point)
    with torch.enable_grad():
        X = torch.as_tensor(point).expand(d if curvature else 1, d).clone().requires_grad_()
        values = function(X)
        gradient, hessian = torch.zeros_like(X), torch.zeros_like(X)
        if values.requires_grad:
            (gradient,) = torch.autograd.grad(values.sum(), X, create_graph=curvature)
        if curvature and gradient.requires_grad:
            (second,) = torch.autograd.grad(gradient.diagonal().sum(), X, allow_unused=True)
            hessian = hessian if second is None else second
    H = hessian.numpy()
    return values[0].item(), gradient[0].detach().numpy().copy(), 0.5 * (H + H.T) if curvature else H


@dataclass(frozen=True)
class _FreeWeights:
    """Loss and penalty as a function of the weights that the bounds leave free, in units of its slope.

    Attributes:
        function: The loss.
        penalty: The second term.
        free: ``d`` booleans, which weights the bounds leave free.
        fixed: ``d`` weights; those that are not free keep these values.
        unit: Divisor of values, gradients and Hessians.
        slacks: Variables behind the free weights on which nothing depends: what constraints leave unused.
    """

    function: Function
    penalty: KLPenalty | None
    free: np.ndarray
    fixed: Array
    unit: float = 1.0
    slacks: int = 0

    def point(self, x: Array) -> Array:
        """All ``d`` weights."""
        point = self.fixed.copy()
        point[self.free] = x[: len(x) - self.slacks]
        return point

    def value(self, x: Array) -> float:
        point = self.point(x)
        with torch.no_grad():
            loss = float(self.function(torch.as_tensor(point).unsqueeze(0))[0])
        return (loss + (self.penalty.value(point) if self.penalty is not None else 0.0)) / self.unit

    def gradient_and_hessian(self, x: Array) -> tuple[Array, Array]:
        """Gradient and Hessian."""
        _, every_slope, every_hessian = derivatives(self.function, self.point(x))
        slope, hessian = every_slope[self.free], every_hessian[np.ix_(self.free, self.free)]
        if self.penalty is not None:
            w = x[: len(x) - self.slacks]
            slope = slope + self.penalty.strength * (np.log(w / self.penalty.prior[self.free]) + 1.0)
            hessian = hessian + np.diag(self.penalty.strength / w)
        if self.slacks:
            slope, hessian = np.pad(slope, (0, self.slacks)), np.pad(hessian, (0, self.slacks))
        return slope / self.unit, hessian / self.unit


def approach(
    function: Function,
    lower: Array,
    upper: Array,
    penalty: KLPenalty | None,
    start: Array | None,
    rows: Rows | None = None,
) -> Array:
    """A point near a minimum: about as far from its best place as the barrier is high at last.

    Args:
        function: The loss; twice differentiable.
        lower: ``d`` lower bounds, which sum to at most one.
        upper: ``d`` upper bounds, which sum to at least one.
        penalty: A second term; None for none.
        start: ``d`` weights near which to begin; None for the middle of the polytope.
        rows: Constraints; what each leaves unused is one more variable, which is not negative.

    Returns:
        ``d`` weights, whose sum is one up to rounding.
    """
    if rows is not None:
        return _approach_constrained(function, lower, upper, penalty, start, rows)
    low, high = polytope.tighten(lower, upper)
    free = high - low > _POINT
    if not free.any():
        return low
    middle = low + (high - low) * (1.0 - low.sum()) / (high - low).sum()
    x = (middle if start is None else 0.01 * middle + 0.99 * polytope.project(start, lower, upper))[free]
    return _descend(_FreeWeights(function, penalty, free, low), x, low[free], high[free], None, start is not None)


def _approach_constrained(
    function: Function, lower: Array, upper: Array, penalty: KLPenalty | None, start: Array | None, rows: Rows
) -> Array:
    """:func:`approach` under constraints."""
    inside = interior(tuple(lower.tolist()), tuple(upper.tolist()), rows)
    assert inside is not None, "spaces are checked to hold a mixture"
    free, middle = inside.free, inside.centre
    if not inside.dimension(rows):
        return middle
    matrix, values, _ = rows.stacked
    loose, open_ = ~inside.flat, np.eye(int((~inside.flat).sum()))
    w = middle if start is None else 0.01 * middle + 0.99 * constrained.project(start, lower, upper, rows)
    equations = np.block(
        [
            [matrix[inside.flat][:, free], np.zeros((int(inside.flat.sum()), len(open_)))],
            [matrix[loose][:, free], open_],
        ]
    )
    room = values[loose] - matrix[loose] @ w
    x, none = np.concatenate([w[free], np.maximum(room, _POINT)]), np.zeros(len(open_))
    most = np.abs(values[loose]) + np.abs(matrix[loose]).sum(axis=1) + 1.0  # no mixture leaves so much unused
    whole = _FreeWeights(function, penalty, free, middle, slacks=len(open_))
    return _descend(whole, x, np.append(lower[free], none), np.append(upper[free], most), equations, start is not None)


def _descend(whole: _FreeWeights, x: Array, low: Array, high: Array, equations: Array | None, warm: bool) -> Array:
    """All weights where the barrier's descent ends that begins at ``x``, between bounds and under equations."""
    slope, hessian = whole.gradient_and_hessian(x)
    unit = max(float(np.ptp(slope)), 1e-3 * float(np.abs(hessian).max()), _TINY)
    whole, slope, hessian = replace(whole, unit=unit), slope / unit, hessian / unit
    height = _WARM_HEIGHT if warm else _HEIGHT
    bounds = _BoundMultipliers.at(x, low, high, height, equations)
    for _ in range(_STEPS):
        while (near := bounds.error(x, slope, height) < 10.0 * height) and height > _LEAST_HEIGHT:
            height = max(_LEAST_HEIGHT, min(0.2 * height, height**1.5))
        if near or not np.isfinite(hessian).all():
            break
        step = bounds.direction(x, slope, hessian, height)
        length = _line_search(whole, bounds, x, step, float((slope + bounds.pressure(x, height)) @ step), height)
        if length == 0.0 and height <= _LEAST_HEIGHT:
            break
        if length == 0.0:  # rounding, or a kink: a lower barrier asks for another step
            height = max(_LEAST_HEIGHT, 0.1 * height)
            continue
        bounds, x = bounds.moved(x, step, length, height), x + length * step
        slope, hessian = whole.gradient_and_hessian(x)
    return whole.point(x)


@dataclass(frozen=True)
class _BoundMultipliers:
    """The bounds of the weights that are free, and the multipliers that stand for them."""

    lower: Array
    upper: Array
    below: Array
    above: Array
    equations: Array | None = None  # ``e x n`` coefficients of sums that a step keeps; None for the plain sum alone

    @classmethod
    def at(
        cls, x: Array, lower: Array, upper: Array, height: float, equations: Array | None = None
    ) -> _BoundMultipliers:
        """Multipliers that a barrier of this height has."""
        return cls(lower, upper, height / (x - lower), height / (upper - x), equations)

    def slacks(self, w: Array) -> tuple[Array, Array]:
        """Distances to the lower and the upper bounds; never zero, whatever rounding does."""
        return np.maximum(w - self.lower, _TINY), np.maximum(self.upper - w, _TINY)

    def barrier(self, w: Array, height: float) -> float:
        return -height * float(np.log(self.slacks(w)).sum())

    def pressure(self, w: Array, height: float) -> Array:
        """Gradient of the barrier."""
        under, over = self.slacks(w)
        return height / over - height / under

    def error(self, w: Array, gradient: Array, height: float) -> float:
        """The largest violation of the optimality conditions of the barrier problem of this height."""
        under, over = self.slacks(w)
        slope = gradient - self.below + self.above
        loose = np.concatenate([self.below * under, self.above * over]) - height
        size = max(1.0, float(np.abs(gradient).max()) * 1e-2)
        left = 0.5 * float(np.ptp(slope)) if self.equations is None else _off_span(slope, self.equations)
        return max(left / size, float(np.abs(loose).max()))

    def direction(self, w: Array, gradient: Array, hessian: Array, height: float) -> Array:
        """A Newton step that descends and keeps the sum."""
        under, over = self.slacks(w)
        matrix, raised = hessian + np.diag(self.below / under + self.above / over), 0.0
        while (factor := _cholesky(matrix + raised * np.eye(len(w)))) is None:
            raised = max(10.0 * raised, 1e-6 * float(np.abs(hessian).max()), _POINT)
            if raised > _HOPELESS:
                return np.zeros_like(w)
        slope = gradient + self.pressure(w, height)
        if self.equations is not None:
            sides = np.column_stack([-slope, self.equations.T])
            newton, kept = np.split(np.linalg.solve(factor.T, np.linalg.solve(factor, sides)), [1], axis=1)
            shares = np.linalg.lstsq(self.equations @ kept, self.equations @ newton, rcond=1e-13)[0]
            found: Array = (newton - kept @ shares)[:, 0]
            return found
        newton, even = np.linalg.solve(factor.T, np.linalg.solve(factor, np.stack([-slope, np.ones_like(w)], axis=1))).T
        step: Array = newton - even * (newton.sum() / even.sum())
        return step

    def longest(self, w: Array, step: Array) -> float:
        """The longest share of a step, at most one, that keeps the weights inside."""
        under, over = self.slacks(w)
        down = np.where(step < 0.0, under / np.maximum(-step, _TINY), np.inf)
        up = np.where(step > 0.0, over / np.maximum(step, _TINY), np.inf)
        return min(1.0, _TO_THE_WALL * float(min(down.min(), up.min())))

    def moved(self, w: Array, step: Array, length: float, height: float) -> _BoundMultipliers:
        """Multipliers after a step, kept near those of the barrier."""
        found = []
        under, over = self.slacks(w)
        for sign, slack, old in ((1.0, under, self.below), (-1.0, over, self.above)):
            change = height / slack - old - sign * old / slack * step
            most = np.where(change < 0.0, old / np.maximum(-change, _TINY), np.inf).min()
            new = old + min(1.0, _TO_THE_WALL * float(most)) * change
            central = height / (slack + sign * length * step)
            found.append(np.clip(new, 1e-10 * central, 1e10 * central))
        return replace(self, below=found[0], above=found[1])


def _off_span(slope: Array, equations: Array) -> float:
    """By how much a slope differs from all sums of equations: what no multiplier of theirs explains."""
    return float(np.abs(slope - equations.T @ np.linalg.lstsq(equations.T, slope, rcond=None)[0]).max())


def _cholesky(matrix: Array) -> Array | None:
    """The factor of a positive definite matrix; None for another."""
    try:
        return np.asarray(np.linalg.cholesky(matrix))
    except np.linalg.LinAlgError:
        return None


def _line_search(
    whole: _FreeWeights, bounds: _BoundMultipliers, x: Array, step: Array, slope: float, height: float
) -> float:
    """The share of a step for a sufficient descent of function and barrier; zero where there is none."""

    def merit(at: Array) -> float:
        return whole.value(at) + bounds.barrier(at, height)

    here, length = merit(x), bounds.longest(x, step)
    for _ in range(_HALVINGS):
        if merit(x + length * step) <= here + ARMIJO * length * slope + _ROUNDING * max(1.0, abs(here)):
            return length
        length *= 0.5
    return 0.0
