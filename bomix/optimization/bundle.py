"""Minima of functions with kinks, the worst of several losses say, over the simplex cut by a box.

Newton's method halts at a kink. Here every slope met is kept as a plane that the function does not fall below where it
is convex; a linear programme finds the lowest point of all planes within a trust region, which grows where the planes
predict the function and shrinks where they do not [Lemarechal1978]_. What the planes lack is added by the next point.

References:
    [Lemarechal1978] Nonsmooth optimization and descent methods.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bomix.optimization.interior_point import derivatives
from bomix.space import constrained

if TYPE_CHECKING:
    from bomix.optimization.interior_point import Function
    from bomix.space.linear import Rows
    from bomix.space.polytope import Array

_RADIUS, _LEAST_RADIUS = 0.1, 1e-10
"""Largest change of a weight in the first step, from which a few steps cross the space or close in; and that below
which rounding decides."""
_GOOD, _VERY_GOOD = 0.1, 0.7
"""Shares of the predicted gain above which a step is taken, and above which the planes are trusted twice as far."""
_KEPT = 300
"""Planes that are kept, the last ones: as many as steps by default, so that none is lost, and linear programmes stay
small where more steps are asked for."""


def minimise(
    function: Function,
    lower: Array,
    upper: Array,
    start: Array,
    *,
    tolerance: float = 1e-9,
    steps: int = 300,
    rows: Rows | None = None,
) -> Array:
    """A point at least as low as the start; the minimum to the tolerance where the function is convex.

    Args:
        function: ``n x d`` weights to ``n`` values, with a slope almost everywhere.
        lower: ``d`` lower bounds.
        upper: ``d`` upper bounds.
        start: ``d`` weights of the polytope.
        tolerance: Predicted gain at which to stop.
        steps: Linear programmes at most.
        rows: Linear constraints.
    """
    centre, radius = start, _RADIUS
    best, slope, _ = derivatives(function, centre, curvature=False)
    heights, slopes = np.array([best - slope @ centre]), slope[None]
    for _ in range(steps):
        low, high = np.maximum(lower, centre - radius), np.minimum(upper, centre + radius)
        found = _lowest_of_planes(heights, slopes, low, high, rows)
        if found is None or not np.isfinite(found[1]):
            break
        point, promised = constrained.project(found[0], lower, upper, rows), found[1]
        if best - promised < tolerance:
            break
        value, slope, _ = derivatives(function, point, curvature=False)
        heights, slopes = np.append(heights, value - slope @ point)[-_KEPT:], np.vstack([slopes, slope])[-_KEPT:]
        share = (best - value) / (best - promised)
        if share > _GOOD:
            centre, best = point, value
        radius = min(1.0, radius * (2.0 if share > _VERY_GOOD else 1.0 if share > -1.0 else 0.5))
        if radius < _LEAST_RADIUS:
            break
    return centre


def _lowest_of_planes(
    heights: Array, slopes: Array, low: Array, high: Array, rows: Rows | None
) -> tuple[Array, float] | None:
    """The mixture within bounds at which the highest plane is lowest, and how high that is."""
    from scipy.optimize import linprog

    planes, d = slopes.shape
    above, limits = np.hstack([slopes, -np.ones((planes, 1))]), -heights
    equal, sums = np.append(np.ones(d), 0.0)[None], np.ones(1)
    if rows is not None:
        matrix, values, equalities = rows.stacked
        matrix = np.hstack([matrix, np.zeros((len(values), 1))])
        above, limits = np.vstack([above, matrix[equalities:]]), np.append(limits, values[equalities:])
        equal, sums = matrix[:equalities], values[:equalities]
    found = linprog(
        np.append(np.zeros(d), 1.0),
        A_ub=above,
        b_ub=limits,
        A_eq=equal,
        b_eq=sums,
        bounds=[*zip(low, high, strict=True), (None, None)],
        method="highs",
    )
    return None if found.x is None else (found.x[:d], float(found.x[d]))
