"""Spaces in which a weight is zero or at least something: a face on which that is settled, and the minimum there.

"Zero or at least" takes the space to pieces. Which of these weights are zero is read off the nearest mixture that is
allowed; with that settled, what is left is a polytope.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from bomix.optimization.convex import Minimum
    from bomix.space.mixture_space import MixtureSpace
    from bomix.space.polytope import Array

    OverPolytope = Callable[[Array, Array, Array], Minimum]
    """Maps ``d`` lower bounds, ``d`` upper bounds and a start of ``d`` weights within them to the minimum there."""


def face_of(space: MixtureSpace, point: Array) -> tuple[Array, Array]:
    """Bounds of the mixtures in which the weights that may be "zero or at least" are zero where those of a point are.

    Args:
        space: Bounds, "zero or at least" included.
        point: ``d`` weights that the space allows.

    Returns:
        ``d`` lower and ``d`` upper bounds. A weight that has no such condition keeps the bounds of the space.
    """
    on, least = point > 0.0, np.array(space.at_least)
    lower = np.where(on, np.maximum(space.lower_array, least), space.lower_array)
    return lower, np.where(on | (least == 0.0), space.upper_array, 0.0)


def on_nearest_face(space: MixtureSpace, found: Minimum, minimise: OverPolytope) -> Minimum:
    """The minimum over the face on which the nearest allowed mixture lies; see :func:`face_of`.

    Args:
        space: Bounds, "zero or at least" included.
        found: The minimum over the polytope that holds all of the space.
        minimise: Minimises over a polytope.

    Returns:
        The minimum on the face; what was found where every weight may have any value within its bounds.
    """
    if not any(space.at_least):
        return found
    nearest = space.snap(found.point, threshold=0.0)
    return minimise(*face_of(space, nearest), nearest)
