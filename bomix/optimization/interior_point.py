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
from bomix.space import polytope

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.optimization.relative_entropy import KLPenalty
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
    """

    function: Function
    penalty: KLPenalty | None
    free: np.ndarray
    fixed: Array
    unit: float = 1.0

    def point(self, x: Array) -> Array:
        """All ``d`` weights."""
        point = self.fixed.copy()
        point[self.free] = x
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
            slope = slope + self.penalty.strength * (np.log(x / self.penalty.prior[self.free]) + 1.0)
            hessian = hessian + np.diag(self.penalty.strength / x)
        return slope / self.unit, hessian / self.unit


def approach(function: Function, lower: Array, upper: Array, penalty: KLPenalty | None, start: Array | None) -> Array:
    """A point near a minimum: about as far from its best place as the barrier is high at last.

    Args:
        function: The loss; twice differentiable.
        lower: ``d`` lower bounds, which sum to at most one.
        upper: ``d`` upper bounds, which sum to at least one.
        penalty: A second term; None for none.
        start: ``d`` weights near which to begin; None for the middle of the polytope.

    Returns:
        ``d`` weights, whose sum is one up to rounding.
    """
    low, high = polytope.tighten(lower, upper)
    free = high - low > _POINT
    if not free.any():
        return low
    middle = low + (high - low) * (1.0 - low.sum()) / (high - low).sum()
    x = (middle if start is None else 0.01 * middle + 0.99 * polytope.project(start, lower, upper))[free]
    whole = _FreeWeights(function, penalty, free, low)
    slope, hessian = whole.gradient_and_hessian(x)
    unit = max(float(np.ptp(slope)), 1e-3 * float(np.abs(hessian).max()), _TINY)
    whole, slope, hessian = replace(whole, unit=unit), slope / unit, hessian / unit
    height = _HEIGHT if start is None else _WARM_HEIGHT
    bounds = _BoundMultipliers.at(x, low[free], high[free], height)
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

    @classmethod
    def at(cls, x: Array, lower: Array, upper: Array, height: float) -> _BoundMultipliers:
        """Multipliers that a barrier of this height has."""
        return cls(lower, upper, height / (x - lower), height / (upper - x))

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
        return max(0.5 * float(np.ptp(slope)) / size, float(np.abs(loose).max()))

    def direction(self, w: Array, gradient: Array, hessian: Array, height: float) -> Array:
        """A Newton step that descends and keeps the sum."""
        under, over = self.slacks(w)
        matrix, raised = hessian + np.diag(self.below / under + self.above / over), 0.0
        while (factor := _cholesky(matrix + raised * np.eye(len(w)))) is None:
            raised = max(10.0 * raised, 1e-6 * float(np.abs(hessian).max()), _POINT)
            if raised > _HOPELESS:
                return np.zeros_like(w)
        slope = gradient + self.pressure(w, height)
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
        return _BoundMultipliers(self.lower, self.upper, *found)


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
