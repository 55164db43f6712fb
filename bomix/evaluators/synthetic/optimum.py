"""The minimum over the simplex of a smooth function, with a certificate where the function is convex.

A barrier keeps the weights positive; Newton's method on the barrier's Karush-Kuhn-Tucker system follows it down
[Boyd2004]_. For a convex function the gap of [Jaggi2013]_, the largest decrease that the tangent plane promises
anywhere on the simplex, bounds how far a value is from the minimum.

References:
    [Boyd2004] Convex optimization, chapter 11.
    [Jaggi2013] Revisiting Frank-Wolfe: projection-free sparse convex optimization.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bomix.numerics.constants import TINY
from bomix.space.polytope import Array

ValueAndGradient = Callable[[Array], tuple[Array, Array]]
"""Maps ``n x d`` mixtures to ``n`` values and ``n x d`` gradients."""

_STEP = 1e-6
"""Change of a weight in the differences that make the Hessian: between what a larger one loses to higher derivatives
and a smaller one to rounding of gradients."""
_SHRINK = 0.2
"""Factor by which the barrier falls: Newton's method needs a few steps each time, and some twenty falls in all."""
_LAST_BARRIER = 1e-14
"""Height of the barrier at which to stop: it holds the value off the minimum by about ``d`` times as much."""
_NEWTON_STEPS = 30
"""Steps at most at one height of the barrier; a few are the rule, and what is not reached then rounding forbids."""
_NEGLIGIBLE = 1e-7
"""Weights below it are held up by the barrier alone, or as good as that: zero is tried instead."""
_AWAY = 0.01
"""Share of the uniform mixture that is added to a start: the barrier has no value at a weight of zero."""
_LOCAL_BARRIER = 1e-4
"""Height of the barrier, over the number of domains, that leaves a start in its valley: it pushes less than losses
do."""
_SPACING = 0.3
"""Sum of the differences of weights between two starts: nearer ones most likely lie in one valley."""

STARTS = 64
"""Local minimisations where there may be several valleys: what a user compares regrets with must not be missed."""
FEW_STARTS = 8
"""The same of a scale below the target, as what is searched for there decides nothing, and of a law in epochs with
deviations, which bends in one valley."""
_POINTS = 20_000
"""Mixtures of each of three spreads among which starts are chosen: all are evaluated at once, and once for a
function."""


def minimum(function: ValueAndGradient, start: Array, *, local: bool = False) -> tuple[Array, float]:
    """A minimum over the simplex, the minimum where the function is convex.

    Args:
        function: Twice differentiable on the simplex and slightly (1e-6) around it.
        start: ``d`` array, a mixture.
        local: Stay in the valley of the start; else the barrier leads through the middle of the simplex.

    Returns:
        ``d`` weights with exact zeros, and the value.
    """
    d = len(start)
    weights = (1.0 - _AWAY) * start + _AWAY / d
    barrier = (_LOCAL_BARRIER if local else 0.1) / d
    while barrier > _LAST_BARRIER:
        weights = _centre(function, weights, barrier)
        barrier *= _SHRINK
    return _cleaned(function, weights)


def best_of_minima(function: ValueAndGradient, points: Array, *, starts: int) -> tuple[Array, float]:
    """The best of the minima in whose valleys some of many points lie.

    Half of the starts are the best points that are not next to one another; as the best points may all lie in one
    valley, the other half are the first points, whatever their values.

    Args:
        function: Smooth as :func:`minimum` needs it, perhaps with several minima.
        points: ``n x d`` mixtures in random order.
        starts: Number of local minimisations, each from one of the points.
    """
    order = np.argsort(function(points)[0], kind="stable")
    taken: list[Array] = []
    for point in points[order]:
        if len(taken) == starts // 2:
            break
        if all(np.abs(point - other).sum() > _SPACING for other in taken):
            taken.append(point)
    taken += list(points[: starts - len(taken)])
    return min((minimum(function, point, local=True) for point in taken), key=lambda found: found[1])


def best_known(function: ValueAndGradient, d: int, *, starts: int) -> tuple[Array, float]:
    """The best of minima from many mixtures of ``d`` domains, sparse and even ones, corners and the uniform one."""
    rng = np.random.default_rng(0)
    spread = [rng.dirichlet(np.full(d, strength), _POINTS) for strength in (0.1, 0.3, 1.0)]
    points = np.concatenate([*spread, np.eye(d), np.full((1, d), 1.0 / d)])
    return best_of_minima(function, rng.permutation(points), starts=starts)


def gap(function: ValueAndGradient, weights: Array) -> float:
    """How far a value is above the minimum at most, for a convex function [Jaggi2013]_.

    Zero exactly where the Karush-Kuhn-Tucker conditions hold: slopes are equal among domains with weight and no
    smaller among the others.
    """
    gradient = function(weights[None])[1][0]
    return float(gradient @ weights - gradient.min())


def _centre(function: ValueAndGradient, weights: Array, barrier: float) -> Array:
    """Minimum of ``function - barrier * sum log w``, Newton's method from ``weights``."""
    for _ in range(_NEWTON_STEPS):
        value, gradient = (each[0] for each in function(weights[None]))
        slope = gradient - barrier / weights
        step = _newton_step(_hessian(function, weights) + np.diag(barrier / weights**2), slope)
        decrease = -float(slope @ step)
        if decrease <= 1e-3 * barrier:
            break
        shrinks = step < 0.0
        size = min(1.0, 0.99 * float((weights[shrinks] / -step[shrinks]).min(initial=np.inf)))
        here = value - barrier * np.log(weights).sum()
        sizes = size * 0.5 ** np.arange(30.0)
        tried = weights + sizes[:, None] * step
        values = function(tried)[0] - barrier * np.log(tried).sum(axis=1)
        better = np.flatnonzero(values <= here - 1e-4 * sizes * decrease)
        if not len(better):
            break  # rounding is all that is left
        weights = tried[better[0]] / tried[better[0]].sum()
    return weights


def _newton_step(hessian: Array, slope: Array) -> Array:
    """The step to the minimum of the quadratic model among steps that sum to zero; downhill whatever the curvature."""
    d = len(slope)
    scale = 1.0 / np.sqrt(np.maximum(np.diag(hessian), TINY))
    values, vectors = np.linalg.eigh(scale[:, None] * hessian * scale)
    values = np.maximum(np.abs(values), 1e-12)
    inverse = scale[:, None] * ((vectors / values) @ vectors.T) * scale
    toward, along = inverse @ slope, inverse @ np.ones(d)
    step = -(toward - along * (toward.sum() / along.sum()))
    return np.asarray(step)


def _hessian(function: ValueAndGradient, weights: Array) -> Array:
    """Second derivatives by central differences of the gradient, symmetric ``d x d``."""
    d = len(weights)
    moves = _STEP * np.eye(d)
    gradients = function(np.concatenate([weights + moves, weights - moves]))[1]
    hessian = (gradients[:d] - gradients[d:]) / (2.0 * _STEP)
    return np.asarray(0.5 * (hessian + hessian.T))


def _cleaned(function: ValueAndGradient, weights: Array) -> tuple[Array, float]:
    """The same with exact zeros for weights that only the barrier holds up, where that is no worse."""
    best, value = weights, float(function(weights[None])[0][0])
    zeroed = np.where(weights < _NEGLIGIBLE, 0.0, weights)
    zeroed = zeroed / zeroed.sum()
    zeroed_value = float(function(zeroed[None])[0][0])
    if zeroed_value <= value + 1e-12:
        best, value = zeroed, zeroed_value
    return best, value
