"""Where searches start: mixtures of the faces of a space, clouds about known ones, and a choice that is spread out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from bomix.space.mixture_space import MixtureSpace
    from bomix.space.polytope import Array

SPACED = 0.01
"""Starts differ by more than one percent of the tokens in some weight. Nearer ones mostly end in the same minimum and
waste a start; farther apart, two valleys side by side would share one."""

_ACTIVE = 3.0
"""Concentration of a sparse mixture, all domains together: about so many domains have nearly all of it. Optima of many
domains use a few, and lie near faces that points spread evenly over the space never come near."""


def sparse(space: MixtureSpace, count: int, rng: np.random.Generator) -> Array:
    """Mixtures near the faces of a space, ``count x d``: draws of a Dirichlet distribution with few large weights."""
    d = space.dimension
    return space.project(rng.dirichlet(np.full(d, min(1.0, _ACTIVE / d)), size=count))


def typical_change(points: Array) -> Array:
    """How much each of ``(...) x d`` weights moves in a cloud of width one.

    Noise is in proportion to the square root of a weight, as that of counts is: small weights move little, and those of
    zero by as much as an average one would.
    """
    return np.asarray(np.sqrt(points + 1.0 / points.shape[-1]))


def around(points: Array, space: MixtureSpace, widths: Array, rng: np.random.Generator) -> Array:
    """Mixtures of a space about given ones, further away the larger a weight is; see :func:`typical_change`.

    Args:
        points: ``n x d`` weights.
        space: The space onto which points are projected.
        widths: ``c`` standard deviations of the noise, in units of the typical change, one a cloud.
        rng: Source of the noise.

    Returns:
        ``(c n) x d`` weights, the points of the first width first.
    """
    scales = np.asarray(widths)[:, None, None]
    noise = rng.normal(size=(len(scales), *points.shape)) * scales * typical_change(points)
    return space.project((points + noise).reshape(-1, space.dimension))


def spaced(ranked: Array, count: int, *, min_distance: float = SPACED, others: Array | None = None) -> Array:
    """The first points that keep a distance from each other.

    Args:
        ranked: ``n x d`` points, the best first.
        count: Largest number of points to take.
        min_distance: Largest difference of a weight between two points must be above this.
        others: ``p x d`` points to keep the same distance from; None for none.

    Returns:
        Up to ``count x d`` of the points, in their order.
    """
    taken = list(others) if others is not None else []
    first = len(taken)
    for point in ranked:
        if len(taken) - first >= count:
            break
        if not taken or np.abs(np.array(taken) - point).max(axis=1).min() > min_distance:
            taken.append(point)
    return np.array(taken[first:]).reshape(-1, ranked.shape[1])
