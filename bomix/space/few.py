"""Spaces of which bounds leave a handful of mixtures: what they are, one by one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from bomix.space.blame import said, why_single
from bomix.space.constrained import project
from bomix.space.polytope import ROUNDING, Array
from bomix.space.programme import interior

if TYPE_CHECKING:
    from bomix.space.mixture_space import MixtureSpace

MOST = 200
"""Mixtures that are counted one by one: a search of more behaves like one of a whole space."""
_STEPS = 20_000
"""Choices of which weights are zero that are looked at before a space is taken for large: a tenth of a second."""


@lru_cache(maxsize=16)
def few_mixtures(space: MixtureSpace) -> tuple[tuple[float, ...], ...] | None:
    """All mixtures of a space, each a row of weights, the first domains largest first; None where there are many.

    There are few where the bounds meet the sum of one from below or above, so that a single mixture is left, or where
    "zero or at least" leaves single mixtures whichever weights are zero; with constraints, where they do.
    """
    found: dict[tuple[float, ...], tuple[float, ...]] = {}
    for steps, face in enumerate(_faces(space)):
        if steps > _STEPS:
            return None
        if face is None:
            continue
        floor, upper = face
        if space.rows is not None:
            inside = interior(tuple(floor.tolist()), tuple(upper.tolist()), space.rows)
            if inside is None:
                continue
            single = not inside.dimension(space.rows)
        else:
            free = (upper > floor).sum()
            single = free <= 1 or floor.sum() >= 1.0 - ROUNDING or upper.sum() <= 1.0 + ROUNDING
        if not single or len(found) >= MOST:
            return None
        even = np.where(upper > 0.0, 1.0 / max(1, (upper > 0.0).sum()), 0.0)
        point = project(even, floor, upper, space.rows)
        found.setdefault(tuple(np.round(point, 9).tolist()), tuple(point.tolist()))
    return tuple(found.values())


def single_by(space: MixtureSpace) -> str:
    """What leaves a space, in which no weight is "zero or at least", a single mixture; in words."""
    given = (space.lower_array, space.upper_array, space.domains, space.constraints)
    return said(why_single(*given), *given)


def _faces(space: MixtureSpace) -> Iterator[tuple[Array, Array] | None]:
    """Lower and upper bounds for each choice of which "at least" hold, those that hold more first.

    Between them None, so that whoever reads them can stop.
    """
    lower, upper, least = space.lower_array, space.upper_array, np.array(space.at_least)
    choices = np.flatnonzero((least > lower) & (lower <= 0.0))
    base = np.where(np.isin(np.arange(len(lower)), choices), 0.0, np.maximum(lower, least))
    stack: list[tuple[int, Array, Array]] = [(0, base, upper.copy())]
    while stack:
        depth, floor, most = stack.pop()
        if floor.sum() > 1.0 + ROUNDING or most.sum() < 1.0 - ROUNDING:
            yield None
        elif depth == len(choices):
            yield floor, most
        else:
            at = choices[depth]
            off, on = most.copy(), floor.copy()
            off[at], on[at] = 0.0, least[at]
            stack += [(depth + 1, floor, off), (depth + 1, on, most)]
            yield None
