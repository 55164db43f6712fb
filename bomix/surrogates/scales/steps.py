"""The steps of a chain of scales, and what is expected of the levels of metrics."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import torch

from bomix.surrogates.scales.levels import LEAST_DECADES
from bomix.surrogates.scales.links import Step

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.surrogates.scales.levels import Level

_WIDE = 10.0
"""Standard deviation of the level of a scale with runs, in units: they tell it, and nothing else has to."""
_UNSEEN = 2.0
"""Standard deviation of the level of a scale without runs, in units for the root of a decade: from 1M to 60M
parameters, RegMix's losses fell by one to two units a decade."""
_FALL = 0.15
"""The same relative to the level itself, and at least: losses fall by tenths of nats a decade however little they vary
between the mixtures of a space."""
_DRIFT = 0.5
"""The same relative to how far the level has moved before, or moves up to the next scale with runs: a power law slows
down."""


def steps_of(levels: Sequence[Level], targets: Tensor, mean: Tensor, height: Tensor) -> list[Step]:
    """The steps between the scales of a chain.

    A scale without runs between two that have some is expected on the line from one to the other; one beyond all of
    them, where that line would go on.

    Args:
        levels: The chain.
        targets: ``m x p`` metrics of the runs of all scales but the first, in units, in the order of the chain.
        mean: ``m x p`` means of the first scale at the same mixtures.
        height: ``m`` levels of the metrics at the first scale from zero, in units.
    """
    steps: list[Step] = []
    ends = [0, *accumulate(len(level.rows) for level in levels[1:])]
    rows = [torch.arange(start, end) for start, end in pairwise(ends)]
    moved = [_moved(targets - mean, each) for each in rows]
    places = [*accumulate(level.decades for level in levels[1:])]
    before, total, drift = 0.0, targets.new_zeros(len(targets)), targets.new_zeros(len(targets))
    for number, level in enumerate(levels[1:]):
        decades, seen = level.decades, ~moved[number].isnan()
        ahead = _ahead(moved[number + 1 :], places[number + 1 :], total, before)
        course = torch.where(ahead.isnan(), drift, ahead)
        shift = torch.where(seen, moved[number] - total, course * decades)
        spread = _spread(seen, course, decades, height)
        steps.append(Step(decades, rows[number], targets[:, rows[number]], shift, spread))
        total, before = total + shift, places[number]
        # Back where the chain began there is no distance that a level could have moved over.
        if abs(before) >= LEAST_DECADES:
            drift = torch.where(seen, total / before, drift)
    return steps


def _moved(change: Tensor, rows: Tensor) -> Tensor:
    """How far the levels ``m`` of some runs lie from those of the first scale; NaN of metrics that none of them has."""
    change = change[:, rows]
    count = (~change.isnan()).sum(dim=-1)
    return torch.where(count > 0, change.nan_to_num(0.0).sum(dim=-1) / count.clamp_min(1), torch.nan)


def _ahead(moved: Sequence[Tensor], places: Sequence[float], total: Tensor, before: float) -> Tensor:
    """Changes ``m`` of levels for a decade towards the next scales of the chain that tell them, NaN where none.

    Args:
        moved: How far the levels of each of these scales have moved, ``m`` with NaN.
        places: Decades of each from the first scale.
        total: How far levels have moved up to the scale before.
        before: Decades of that one.
    """
    found = torch.full_like(total, torch.nan)
    for there, place in zip(reversed(moved), reversed(places), strict=True):
        if abs(place - before) >= LEAST_DECADES:
            found = torch.where(there.isnan(), found, (there - total) / (place - before))
    return found


def with_step(steps: Sequence[Step], levels: Sequence[Level], number: int, height: Tensor) -> list[Step]:
    """Steps of a chain into which a scale without runs was put.

    Args:
        steps: The steps before.
        levels: The chain with the new scale.
        number: Its number.
        height: ``m`` levels of the metrics at the first scale from zero, in units.
    """
    m = len(height)
    before, after = list(steps[: number - 1]), list(steps[number - 1 :])
    decades, nothing = levels[number].decades, torch.zeros(0, dtype=torch.long)
    near = (after or before[-1:])[:1]
    drift = near[0].shift / near[0].decades if near else torch.zeros(m, dtype=torch.float64)
    unseen = torch.zeros(m, dtype=torch.bool)
    new = Step(
        decades,
        nothing,
        torch.zeros(m, 0, dtype=torch.float64),
        drift * decades,
        _spread(unseen, drift, decades, height),
    )
    if after:
        left = levels[number + 1].decades
        after[0] = after[0]._replace(decades=left, shift=drift * left)
    return [*before, new, *after]


def _spread(seen: Tensor, drift: Tensor, decades: float, height: Tensor) -> Tensor:
    """Standard deviations ``m`` of the levels of a scale."""
    known = drift != 0.0
    distance = abs(decades)
    unseen = torch.where(
        known, _DRIFT * drift.abs() * distance, (_FALL * height.abs()).clamp_min(_UNSEEN) * distance**0.5
    )
    return torch.where(seen, _WIDE, unseen)
