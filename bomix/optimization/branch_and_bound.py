"""The global minimum of a convex function over a space of mixtures, "zero or at least" included, and how sure that is.

A weight that may be zero or large, and nothing between, makes the space no longer convex. It is split in two there,
zero or not, and each part bounded by its convex hull, until no part can hold a better mixture [Land1960]_.

References:
    [Land1960] An automatic method of solving discrete programming problems.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from bomix.optimization import sequential_quadratic
from bomix.optimization.faces import on_nearest_face
from bomix.space import polytope
from bomix.space.programme import feasible

if TYPE_CHECKING:
    from bomix.optimization.convex import Minimum
    from bomix.optimization.interior_point import Function
    from bomix.space.linear import Rows
    from bomix.space.mixture_space import MixtureSpace
    from bomix.space.polytope import Array

TOLERANCE = 1e-9
"""What may be left to gain at the minimum, where the arithmetic allows."""

_PARTS = 200
"""Parts that are bounded at most: each is a minimisation, and what is left unsure then stands in the gap."""


@dataclass(frozen=True)
class _Part:
    """A part of the space, in which some weights that may be zero are settled.

    Attributes:
        space: The whole.
        on: ``d`` booleans, weights that are at least what they must be.
        off: ``d`` booleans, weights that are zero.
    """

    space: MixtureSpace
    on: np.ndarray
    off: np.ndarray

    @property
    def bounds(self) -> tuple[Array, Array]:
        """Lower and upper bounds, ``d`` each, of the part's convex hull."""
        floor = np.maximum(self.space.lower_array, np.array(self.space.at_least))
        lower = np.where(self.on, floor, self.space.lower_array)
        return lower, np.where(self.off, 0.0, self.space.upper_array)

    @property
    def empty(self) -> bool:
        lower, upper = self.bounds
        if lower.sum() > 1.0 + polytope.ROUNDING or upper.sum() < 1.0 - polytope.ROUNDING or (lower > upper).any():
            return True
        return self.space.rows is not None and feasible(lower, upper, self.space.rows) is None

    def shortfall(self, point: Array) -> Array:
        """By how much each weight is from zero and from what it must be, whichever is nearer."""
        wanted = np.array(self.space.at_least)
        return np.where(self.on | self.off, 0.0, np.clip(np.minimum(point, wanted - point), 0.0, None))

    def split(self, index: int) -> list[_Part]:
        """The two parts in which a weight is settled, as far as they hold a mixture."""
        chosen = np.arange(self.space.dimension) == index
        parts = [replace(self, on=self.on | chosen), replace(self, off=self.off | chosen)]
        return [part for part in parts if not part.empty]


def minimise(
    function: Function, space: MixtureSpace, *, like: Function | None = None, threshold: float = 1e-9
) -> Minimum:
    """The mixture of least value.

    Args:
        function: Convex, with slopes.
        space: The mixtures that are allowed.
        like: A cheaper convex function near it, for the start and the curvature; None takes the function itself.
        threshold: Weights below it count as zero.

    Returns:
        No mixture of the space has a value lower than the minimum's by more than its gap.
    """
    whole = _Part(space, np.zeros(space.dimension, dtype=bool), np.zeros(space.dimension, dtype=bool))
    solved = partial(_solved, function, like, rows=space.rows)
    first = solved(*whole.bounds)
    best = on_nearest_face(space, first, lambda low, high, _: solved(low, high, start=first.point))
    closed, count = np.inf, 1
    waiting = [(first.value - first.gap, 0, whole, first)]
    while waiting and count < _PARTS and waiting[0][0] < best.value - TOLERANCE:
        bound, _, part, found = heapq.heappop(waiting)
        shortfall = part.shortfall(found.point)
        if shortfall.max(initial=0.0) <= threshold:
            best, closed = min(best, found, key=lambda each: each.value), min(closed, bound)
            continue
        for child in part.split(int(shortfall.argmax())):
            below = solved(*child.bounds, start=found.point)
            heapq.heappush(waiting, (max(bound, below.value - below.gap), count, child, below))
            count += 1
    bound = min([closed, *(entry[0] for entry in waiting)])
    return best._replace(gap=max(0.0, best.value - bound))


def _solved(
    function: Function,
    like: Function | None,
    lower: Array,
    upper: Array,
    *,
    start: Array | None = None,
    rows: Rows | None = None,
) -> Minimum:
    """The minimum over a polytope, from that of the function that is like it."""
    like = function if like is None else like
    curvature = sequential_quadratic.curvature_of(like)
    if start is None:
        middle = np.full(len(lower), 1.0 / len(lower))
        start = middle if like is function else _descended(like, curvature, lower, upper, middle, rows).point
    return _descended(function, curvature, lower, upper, start, rows)


def _descended(
    function: Function,
    curvature: sequential_quadratic.Curvature,
    lower: Array,
    upper: Array,
    start: Array,
    rows: Rows | None,
) -> Minimum:
    return sequential_quadratic.minimise(
        function, lower, upper, start=start, curvature=curvature, tolerance=0.1 * TOLERANCE, rows=rows
    )
