"""Minima of smooth functions over the simplex cut by a box, to the last digits, with a certificate.

What is minimised is ``loss(w) + strength * KL(w || prior)``, the second term where it is asked for. A barrier keeps
Newton's method off the bounds while its height falls [Nocedal2006]_; the Hessian is raised until it is positive
definite, so that every step descends whether the loss is convex or not. What is left is an equation: ``w`` is best
exactly where it is the best point of the polytope under the loss's own slope, ``w = M(loss'(w))``, with ``M`` a
projection, Euclidean without the second term and entropic with it. Newton's method on that equation names the bounds
that hold, and meets them to the bit. Where the loss is convex, :attr:`Minimum.gap` bounds what is left to gain.

References:
    [Nocedal2006] Numerical optimization, chapter 19.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from bomix import polytope

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.polytope import Array

Function = Callable[["Tensor"], "Tensor"]
"""Maps ``n x d`` weights to ``n`` values, each of its own row; lower is better."""

_POINT = 1e-12
_HEIGHT, _WARM_HEIGHT, _LEAST_HEIGHT = 0.1, 1e-3, 1e-11
_STEPS, _IDLE = 200, 10
_TO_THE_WALL = 0.995
_ARMIJO = 1e-4
_HALVINGS = 40
_ROUNDING = 1e-13
_DONE = 1e-15
_WORSE = 1e-9
_TINY = 1e-300


class Minimum(NamedTuple):
    """Where a minimisation ended.

    Attributes:
        point: ``d`` weights, of the polytope, its bounds met to the bit.
        value: Of the function there, its pull included.
        residual: How far the weights are from their best choice under the loss's slope: zero where the conditions of
            Karush, Kuhn and Tucker hold.
        gap: No point of the polytope has a value lower by more than this, where the loss is convex.
    """

    point: Array
    value: float
    residual: float
    gap: float


@dataclass(frozen=True)
class Pull:
    """``strength * sum_i w_i log(w_i / prior_i)``, towards a prior.

    Attributes:
        prior: ``d`` shares; a weight whose share is zero must be fixed by its bounds, and does not count.
        strength: Above zero, in the unit of the loss.
    """

    prior: Array
    strength: float

    def value(self, point: Array) -> float:
        """The term at ``d`` weights."""
        used = (self.prior > 0.0) & (point > 0.0)
        return float(self.strength * (point[used] * np.log(point[used] / self.prior[used])).sum())

    def nearest(self, slope: Array, lower: Array, upper: Array) -> Array:
        """Minimiser of ``slope . v`` and the term over the polytope: ``clip(prior exp(t - slope / strength))``."""
        free = self.prior > 0.0
        best = lower.copy()
        tilted = np.log(self.prior[free]) - (slope[free] - slope[free].min()) / self.strength
        best[free] = _entropic(tilted, lower[free], upper[free], 1.0 - float(lower[~free].sum()))
        return polytope.project(best, lower, upper)


def minimise(
    function: Function, lower: Array, upper: Array, *, pull: Pull | None = None, start: Array | None = None
) -> Minimum:
    """The minimum of a convex function, or the one next to the start of another.

    Args:
        function: Twice differentiable.
        lower: ``d`` lower bounds, which sum to at most one.
        upper: ``d`` upper bounds, which sum to at least one.
        pull: The second term.
        start: ``d`` weights near which to begin; the middle of the polytope by default.
    """
    rough = polytope.project(_descend(function, lower, upper, pull, start), lower, upper)
    return _polished(function, rough, lower, upper, pull)


def certify(function: Function, point: Array, lower: Array, upper: Array, *, pull: Pull | None = None) -> Minimum:
    """How good a point of the polytope is; arguments as of :func:`minimise`."""
    value, slope, _ = derivatives(function, point, curvature=False)
    if pull is None:
        target = polytope.project(point - slope, lower, upper)
        gap = float(slope @ (point - _vertex(slope, lower, upper)))
    else:
        target = pull.nearest(slope, lower, upper)
        value += pull.value(point)
        gap = float(slope @ (point - target)) + pull.value(point) - pull.value(target)
    return Minimum(point, value, float(np.abs(point - target).max()), gap)


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
class _Free:
    """The whole as a function of the weights that the bounds leave any choice, in units of its slope.

    Attributes:
        function: The loss.
        pull: The second term.
        free: Which weights.
        fixed: ``d`` weights, of which those that are not free stand.
        unit: What values are divided by.
    """

    function: Function
    pull: Pull | None
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
        return (loss + (self.pull.value(point) if self.pull is not None else 0.0)) / self.unit

    def curved(self, x: Array) -> tuple[Array, Array]:
        """Gradient and Hessian."""
        _, every_slope, every_hessian = derivatives(self.function, self.point(x))
        slope, hessian = every_slope[self.free], every_hessian[np.ix_(self.free, self.free)]
        if self.pull is not None:
            slope = slope + self.pull.strength * (np.log(x / self.pull.prior[self.free]) + 1.0)
            hessian = hessian + np.diag(self.pull.strength / x)
        return slope / self.unit, hessian / self.unit


def _descend(function: Function, lower: Array, upper: Array, pull: Pull | None, start: Array | None) -> Array:
    """A point about as far from its best place as the barrier is high at last."""
    low, high = polytope.tighten(lower, upper)
    free = high - low > _POINT
    if not free.any():
        return low
    middle = low + (high - low) * (1.0 - low.sum()) / (high - low).sum()
    x = (middle if start is None else 0.01 * middle + 0.99 * polytope.project(start, lower, upper))[free]
    whole = _Free(function, pull, free, low)
    slope, hessian = whole.curved(x)
    unit = max(float(np.ptp(slope)), 1e-3 * float(np.abs(hessian).max()), _TINY)
    whole, slope, hessian = replace(whole, unit=unit), slope / unit, hessian / unit
    height = _HEIGHT if start is None else _WARM_HEIGHT
    walls = _Walls.at(x, low[free], high[free], height)
    for _ in range(_STEPS):
        while (near := walls.error(x, slope, height) < 10.0 * height) and height > _LEAST_HEIGHT:
            height = max(_LEAST_HEIGHT, min(0.2 * height, height**1.5))
        if near or not np.isfinite(hessian).all():
            break
        step = walls.direction(x, slope, hessian, height)
        length = _line_search(whole, walls, x, step, float((slope + walls.pressure(x, height)) @ step), height)
        if length == 0.0 and height <= _LEAST_HEIGHT:
            break
        if length == 0.0:  # rounding, or a kink: a lower barrier asks for another step
            height = max(_LEAST_HEIGHT, 0.1 * height)
            continue
        walls, x = walls.moved(x, step, length, height), x + length * step
        slope, hessian = whole.curved(x)
    return whole.point(x)


@dataclass(frozen=True)
class _Walls:
    """The bounds of the weights that are free, and the multipliers that stand for them."""

    lower: Array
    upper: Array
    below: Array
    above: Array

    @classmethod
    def at(cls, x: Array, lower: Array, upper: Array, height: float) -> _Walls:
        """Multipliers that a barrier of this height has."""
        return cls(lower, upper, height / (x - lower), height / (upper - x))

    def barrier(self, w: Array, height: float) -> float:
        return -height * float(np.log(w - self.lower).sum() + np.log(self.upper - w).sum())

    def pressure(self, w: Array, height: float) -> Array:
        """Gradient of the barrier."""
        return height / (self.upper - w) - height / (w - self.lower)

    def error(self, w: Array, gradient: Array, height: float) -> float:
        """How far the conditions are from being met, bounds held at a distance by the barrier."""
        slope = gradient - self.below + self.above
        slack = np.concatenate([self.below * (w - self.lower), self.above * (self.upper - w)]) - height
        size = max(1.0, float(np.abs(gradient).max()) * 1e-2)
        return max(0.5 * float(np.ptp(slope)) / size, float(np.abs(slack).max()))

    def direction(self, w: Array, gradient: Array, hessian: Array, height: float) -> Array:
        """A Newton step that descends and keeps the sum."""
        bounds = np.diag(self.below / (w - self.lower) + self.above / (self.upper - w))
        slope = gradient + self.pressure(w, height)
        matrix, raised = hessian + bounds, 0.0
        while (factor := _cholesky(matrix + raised * np.eye(len(w)))) is None:
            raised = max(10.0 * raised, 1e-6 * float(np.abs(hessian).max()), _POINT)
        newton, even = np.linalg.solve(factor.T, np.linalg.solve(factor, np.stack([-slope, np.ones_like(w)], axis=1))).T
        step: Array = newton - even * (newton.sum() / even.sum())
        return step

    def longest(self, w: Array, step: Array) -> float:
        """How far to go at most."""
        down = np.where(step < 0.0, (w - self.lower) / np.maximum(-step, _TINY), np.inf)
        up = np.where(step > 0.0, (self.upper - w) / np.maximum(step, _TINY), np.inf)
        return min(1.0, _TO_THE_WALL * float(min(down.min(), up.min())))

    def moved(self, w: Array, step: Array, length: float, height: float) -> _Walls:
        """Multipliers after a step, kept near those of the barrier."""
        found = []
        for sign, slack, old in ((1.0, w - self.lower, self.below), (-1.0, self.upper - w, self.above)):
            change = height / slack - old - sign * old / slack * step
            most = np.where(change < 0.0, old / np.maximum(-change, _TINY), np.inf).min()
            new = old + min(1.0, _TO_THE_WALL * float(most)) * change
            central = height / (slack + sign * length * step)
            found.append(np.clip(new, 1e-10 * central, 1e10 * central))
        return _Walls(self.lower, self.upper, *found)


def _cholesky(matrix: Array) -> Array | None:
    """The factor of a positive definite matrix; None for another."""
    try:
        return np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return None


def _line_search(whole: _Free, walls: _Walls, x: Array, step: Array, slope: float, height: float) -> float:
    """How far to go for a sufficient descent of function and barrier; zero where there is none."""

    def merit(at: Array) -> float:
        return whole.value(at) + walls.barrier(at, height)

    here, length = merit(x), walls.longest(x, step)
    for _ in range(_HALVINGS):
        if merit(x + length * step) <= here + _ARMIJO * length * slope + _ROUNDING * max(1.0, abs(here)):
            return length
        length *= 0.5
    return 0.0


def _polished(function: Function, rough: Array, lower: Array, upper: Array, pull: Pull | None) -> Minimum:
    """Newton's method on ``w = M(loss'(w))``; the best of the points that it passes."""
    best = certify(function, rough, lower, upper, pull=pull)
    allowed, idle, w = best.value + _WORSE * max(1.0, abs(best.value)), 0, rough
    while best.residual > _DONE and idle < _IDLE:
        idle += 1
        _, slope, hessian = derivatives(function, w)
        target, jacobian = _projected(w, slope, hessian, lower, upper, pull)
        for point in (target, w):
            found = certify(function, point, lower, upper, pull=pull)
            if found.residual < best.residual and found.value <= allowed:
                idle = 0 if found.residual < 0.5 * best.residual else idle
                best = found
        if not np.isfinite(jacobian).all():
            break
        w = polytope.project(w + np.linalg.lstsq(jacobian, target - w, rcond=1e-14)[0], lower, upper)
    return best


def _projected(
    w: Array, slope: Array, hessian: Array, lower: Array, upper: Array, pull: Pull | None
) -> tuple[Array, Array]:
    """``M(w)`` and the Jacobian of ``w - M(w)``."""
    eye = np.eye(len(w))
    if pull is None:
        length = 1.0 / max(float(np.abs(hessian).sum(axis=1).max()), 1e-3 * float(np.ptp(slope)), _TINY)
        target = polytope.project(w - length * slope, lower, upper)
        free = ((target > lower) & (target < upper)).astype(float)
        change = np.diag(free) - np.outer(free, free) / max(free.sum(), 1.0)
        return target, eye - change @ (eye - length * hessian)
    target = pull.nearest(slope, lower, upper)
    share = target * ((target > lower) & (target < upper) & (pull.prior > 0.0))
    change = np.diag(share) - np.outer(share, share) / max(share.sum(), _TINY)
    return target, eye + change @ hessian / pull.strength


def _vertex(slope: Array, lower: Array, upper: Array) -> Array:
    """Minimiser of ``slope . v`` over the polytope: the cheapest weights are filled first."""
    order = np.argsort(slope, kind="stable")
    room = np.clip(1.0 - lower.sum() - np.cumsum(np.append(0.0, (upper - lower)[order][:-1])), 0.0, None)
    point = lower.copy()
    point[order] += np.minimum(room, (upper - lower)[order])
    return point


def _entropic(tilted: Array, lower: Array, upper: Array, total: float) -> Array:
    """``clip(exp(tilted + t), lower, upper)`` with the ``t`` that makes it sum to ``total``."""
    with np.errstate(divide="ignore", over="ignore"):
        enters, leaves = np.log(lower) - tilted, np.log(upper) - tilted
        knots = np.sort(np.concatenate([enters, leaves]))
        knots = knots[np.isfinite(knots)]
        sums = np.clip(np.exp(tilted + knots[:, None]), lower, upper).sum(axis=1)
        piece = int(np.searchsorted(sums, total, side="right")) - 1
        at = knots[piece] if piece >= 0 else -np.inf
        free = (enters <= at) & (leaves > at)
        if not free.any():
            return np.clip(np.exp(tilted + at), lower, upper)
        rest = total - float(np.where(leaves <= at, upper, lower)[~free].sum())
        top = tilted[free].max()
        shift = np.log(max(rest, 0.0)) - top - np.log(np.exp(tilted[free] - top).sum())
        return np.clip(np.exp(tilted + shift), lower, upper)
