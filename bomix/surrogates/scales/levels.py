"""The scales of runs as a chain: which is modelled by itself, and how far each is from the one before it.

Scales are ordered by their training FLOPs; those below the one that is modelled by itself come last, downwards.
Where params or tokens of one of them are unknown, all are compared by what is known of each; one whose sizes say
nothing of another is taken for a decade of FLOPs away. Of scales with the same sizes, whose recipes differ, the target
is last; the others are in the order of the recipes' names.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

import torch

from bomix.scale import Scale, comparable

if TYPE_CHECKING:
    from torch import Tensor

LEAST_DECADES = 0.25
"""Decades of FLOPs between two scales at least: two recipes of one size are not the same, nor are sizes that
hardly differ once they were trained anew."""
UNKNOWN_DECADES = 1.0
"""Decades that are assumed where sizes do not tell: proxies are as a rule one to three decades below the next scale."""
_TOLD = 2
"""Runs that the smallest scale may lack to have as many as the most numerous, as a factor: a scale of fewer is not what
the others are built on."""


class Level(NamedTuple):
    """One scale of the chain.

    Attributes:
        scale: The scale.
        decades: Decades of FLOPs from the one before it in the chain, negative where it is smaller; 0 for the first.
        rows: Positions of its runs.
    """

    scale: Scale
    decades: float
    rows: Tensor


def chain(scales: Sequence[Scale | None], target: Scale, measured: Tensor) -> list[Level]:
    """The scales of ``n`` runs and the target's, the one that is modelled by itself first.

    That is the smallest with runs, at least half as many as the scale up to the target that has most. Smaller ones end
    the chain, the largest of them first: their runs tell of their own scale, and as far as it goes of the others. A
    target below it follows it directly.

    Args:
        scales: Scale of each run; None, and what is the same as far as it is known, is the target's.
        target: The scale that is asked for.
        measured: ``n``, whether a run has any metric.
    """
    known = distinct([target, *(scale for scale in scales if scale is not None)])
    rows: dict[Scale, list[int]] = {scale: [] for scale in known}
    for row, scale in enumerate(scales):
        rows[named(scale, known)].append(row)
    position = positions(known, target)
    ordered = sorted(known, key=lambda scale: (position[scale], scale == target, str(scale.recipe or "")))
    count = {scale: int(measured[rows[scale]].sum()) if rows[scale] else 0 for scale in known}
    below = ordered[: ordered.index(target) + 1]
    most = max(count[scale] for scale in below)
    candidates = below if most else ordered
    most = most or max(count.values())
    first = next((scale for scale in candidates if count[scale] and _TOLD * count[scale] >= most), target)
    start = ordered.index(first)
    down, up = ordered[:start][::-1], ordered[start + 1 :]
    near = [target] if target in down else []
    found, before = [Level(first, 0.0, _index(rows[first]))], first
    for scale in [*near, *up, *(scale for scale in down if scale != target)]:
        decades = _between(position[scale] - position[before], down=ordered.index(scale) < ordered.index(before))
        found.append(Level(scale, decades, _index(rows[scale])))
        before = scale
    return found


def inserted(levels: Sequence[Level], scale: Scale) -> tuple[list[Level], int]:
    """The chain with a scale that has no runs, and its number in the chain.

    One below the first ends the chain, so that what is believed of the others stays as it is.

    Args:
        levels: The chain.
        scale: A scale that is not in it.
    """
    distance = _decades(levels[0].scale, scale)
    places = list(accumulate(level.decades for level in levels))
    number = end = len(levels)
    if distance >= 0.0:
        while end > 1 and places[end - 1] < 0.0:
            end -= 1
        number = next((i for i in range(1, end) if places[i] > distance), end)
    before, after = places[number - 1], list(levels[number:])
    new = Level(scale, _between(distance - before, down=distance < before), _index([]))
    if after:
        after[0] = after[0]._replace(decades=_between(places[number] - distance, down=places[number] < 0.0))
    return [*levels[:number], new, *after], number


def _between(decades: float, *, down: bool) -> float:
    """Decades from a scale to the next, none nearer than :data:`LEAST_DECADES`; negative to a smaller one."""
    return min(-LEAST_DECADES, decades) if down else max(LEAST_DECADES, decades)


def _decades(first: Scale, second: Scale) -> float:
    """Decades of FLOPs from a scale to another, as far as both are known; negative where the second is smaller."""
    pairs = ((first.params, second.params), (first.tokens, second.tokens))
    both = [math.log10(other / one) for one, other in pairs if one is not None and other is not None]
    return sum(both) if both else UNKNOWN_DECADES


def named(scale: Scale | None, known: Sequence[Scale]) -> Scale:
    """Which of the known scales a run's is: itself, or the first that is the same as far as both are known."""
    if scale is None:
        return known[0]
    return scale if scale in known else next(each for each in known if comparable(each, scale))


def distinct(scales: Sequence[Scale]) -> list[Scale]:
    """Scales without those that are the same as another as far as both are known, the first of each kept."""
    found: list[Scale] = []
    # One that is fully known is named before one that is not, whatever the order of the runs.
    fixed, others = scales[:1], sorted(set(scales[1:]), key=lambda scale: (scale.flops is None, str(scale)))
    for scale in [*fixed, *others]:
        if not any(comparable(scale, each) for each in found):
            found.append(scale)
    return found


def positions(scales: Sequence[Scale], target: Scale) -> dict[Scale, float]:
    """Decades of FLOPs of each scale, from an origin that they share."""
    sizes = [(scale.params, scale.tokens) for scale in scales]
    told = [axis for axis in range(2) if all(size[axis] is not None for size in sizes)]
    if told:
        return {s: sum(math.log10(size[axis] or 1) for axis in told) for s, size in zip(scales, sizes, strict=True)}
    partly = {s: sum(math.log10(count) for count in size if count) for s, size in zip(scales, sizes, strict=True)}
    ordered = sorted(scales, key=lambda scale: (partly[scale], scale == target, str(scale)))
    return {scale: UNKNOWN_DECADES * number for number, scale in enumerate(ordered)}


def _index(rows: Sequence[int]) -> Tensor:
    return torch.tensor(list(rows), dtype=torch.long)
