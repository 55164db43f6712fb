"""Minima over the simplex cut by a box, of functions of which only slopes are to be had.

Each step minimises a quadratic model over the polytope, with the slope of the function and a curvature from differences
of slopes: its own, or that of something like it that is cheaper. Where the function is convex, the planes that touch it
bound how much is left to gain [Jaggi2013]_.

References:
    [Jaggi2013] Revisiting Frank-Wolfe: projection-free sparse convex optimization.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from bomix.numerics.constants import ARMIJO, TINY
from bomix.optimization import convex
from bomix.optimization.interior_point import derivatives
from bomix.space import constrained, polytope
from bomix.space.programme import interior

if TYPE_CHECKING:
    from bomix.optimization.convex import Minimum
    from bomix.optimization.interior_point import Function
    from bomix.space.linear import Rows
    from bomix.space.polytope import Array

Curvature = Callable[["Array"], "Array"]
"""Maps ``d`` weights to a ``d x d`` matrix, positive semi-definite, near the Hessian there."""

_ROUNDING = 1e-14
"""By how much the value may rise in a step, relative to it: its own rounding, so that the last digits are still
reached."""
_HALVINGS = 30
"""Halvings of a step before it is given up: what is left of it then, 1e-9, no slope from differences can judge."""
_PATIENCE = 4
"""Steps in a row that bring nothing, after which the search ends; the curvature is raised tenfold after each that
fails."""
_MOVE, _LEAST_MOVED = 1e-4, 0.1
"""Change of a weight in the differences of slopes, as a share of it, and the weight that is the least for that: between
what longer ones lose to higher derivatives and shorter ones to rounding."""
_RIDGE = 1e-9
"""Raises the diagonal of every curvature, as a share of its largest entry: the model then has one minimum."""
_RAISED = 1e-3
"""The same after a step that failed, times ten after each further one: the model then keeps nearer."""


class _Place(NamedTuple):
    """Where a descent stands: ``d`` weights, the value and the ``d`` slopes there."""

    point: Array
    value: float
    slope: Array


def minimise(
    function: Function,
    lower: Array,
    upper: Array,
    *,
    start: Array,
    curvature: Curvature | None = None,
    tolerance: float = 1e-10,
    steps: int = 100,
    rows: Rows | None = None,
) -> Minimum:
    """The minimum of a convex function, or the one next to the start of another.

    Args:
        function: Has slopes; it may be infinite where weights are zero.
        lower: ``d`` lower bounds, which sum to at most one.
        upper: ``d`` upper bounds, which sum to at least one.
        start: ``d`` weights near which to begin.
        curvature: Curvature of the function, or of something like it; from differences of its own slopes by default.
        tolerance: The gap at which to stop.
        steps: At most.
        rows: Linear constraints.

    Returns:
        The best point met. Its gap is to the best of the bounds that were met, and holds where the function is convex.
    """
    here = _finite_start(function, start, lower, upper, rows)
    found = _certified(here, lower, upper, rows)
    curvature = curvature_of(function) if curvature is None else curvature
    bound, raised, idle = found.value - found.gap, 0.0, 0
    for _ in range(steps):
        if found.value - bound <= tolerance or idle >= _PATIENCE:
            break
        there = _step(function, here, _raised(curvature(here.point), raised), lower, upper, rows)
        if there is None:
            idle, raised = idle + 1, max(10.0 * raised, _RAISED)
            continue
        raised = 0.1 * raised if raised > _RAISED else 0.0
        here, reached = there, _certified(there, lower, upper, rows)
        bound = max(bound, reached.value - reached.gap)
        idle = 0 if reached.value < found.value or reached.residual < 0.5 * found.residual else idle + 1
        found = reached if reached.value <= found.value else found
    return found._replace(gap=max(0.0, found.value - bound))


def curvature_of(function: Function) -> Curvature:
    """The Hessian from differences of slopes, all in one batch; what is not positive is cut off.

    Weights are moved off the simplex by a little, upwards.
    """

    def curvature(point: Array) -> Array:
        lengths = _MOVE * np.maximum(point, _LEAST_MOVED)
        points = np.concatenate([point[None], point + np.diag(lengths)])
        with torch.enable_grad():
            X = torch.as_tensor(points).requires_grad_()
            (slopes,) = torch.autograd.grad(function(X).sum(), X)
        matrix = (slopes[1:] - slopes[0]).numpy() / lengths[:, None]
        values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
        return np.asarray((vectors * np.maximum(values, 0.0)) @ vectors.T)

    return curvature


def _finite_start(function: Function, start: Array, lower: Array, upper: Array, rows: Rows | None) -> _Place:
    """The start, or what lies between it and the middle of the polytope where it has no value."""
    if rows is None:
        low, high = polytope.tighten(lower, upper)
        room = high - low
        middle = low + room * (1.0 - low.sum()) / max(float(room.sum()), TINY)
    else:
        inside = interior(tuple(lower.tolist()), tuple(upper.tolist()), rows)
        assert inside is not None, "spaces are checked to hold a mixture"
        middle = inside.centre
    point = constrained.project(start, lower, upper, rows)
    for share in (0.0, 1e-6, 1e-3, 0.1, 1.0):
        place = _at(function, constrained.project((1.0 - share) * point + share * middle, lower, upper, rows))
        if np.isfinite(place.value) and np.isfinite(place.slope).all():
            break
    return place


def _at(function: Function, point: Array) -> _Place:
    value, slope, _ = derivatives(function, point, curvature=False)
    return _Place(point, value, slope)


def _certified(place: _Place, lower: Array, upper: Array, rows: Rows | None) -> Minimum:
    """How good a place is: what :func:`convex.certify` says of the plane that touches the function there."""
    slope = torch.as_tensor(place.slope)
    return convex.certify(lambda X: X @ slope, place.point, lower, upper, rows=rows)._replace(value=place.value)


def _raised(matrix: Array, raised: float) -> Array:
    """The matrix with its diagonal raised, so that a model has one minimum and keeps near."""
    size = max(float(np.abs(matrix).max()), TINY)
    return matrix + (_RIDGE + raised) * size * np.eye(len(matrix))


def _step(
    function: Function, here: _Place, matrix: Array, lower: Array, upper: Array, rows: Rows | None
) -> _Place | None:
    """Towards the minimum of the quadratic model, as far as the function falls; None where it does not."""
    slope, curved, at = (torch.as_tensor(array) for array in (here.slope, matrix, here.point))

    def model(X: torch.Tensor) -> torch.Tensor:
        step = X - at
        return step @ slope + 0.5 * ((step @ curved) * step).sum(dim=-1)

    direction = convex.minimise(model, lower, upper, start=here.point, rows=rows).point - here.point
    descent, length = float(here.slope @ direction), 1.0
    if not descent < 0.0:
        return None
    for _ in range(_HALVINGS):
        there = _at(function, constrained.project(here.point + length * direction, lower, upper, rows))
        allowed = here.value + ARMIJO * length * descent + _ROUNDING * max(1.0, abs(here.value))
        if there.value <= allowed and np.isfinite(there.slope).all():
            return there
        length *= 0.5
    return None
