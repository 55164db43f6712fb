"""The steps of a chain of scales, and what is expected of the levels of metrics."""

from __future__ import annotations

from collections.abc import Sequence
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
"""The same relative to how far the level has moved before, where larger scales were seen: a power law slows down."""


def steps_of(levels: Sequence[Level], targets: Tensor, mean: Tensor, height: Tensor) -> list[Step]:
    """The steps between the scales of a chain.

    Args:
        levels: The chain.
        targets: ``m x p`` metrics of the runs of all scales but the first, in units, in the order of the chain.
        mean: ``m x p`` means of the first scale at the same mixtures.
        height: ``m`` levels of the metrics at the first scale from zero, in units.
    """
    steps: list[Step] = []
    start, decades, total, drift = 0, 0.0, targets.new_zeros(len(targets)), targets.new_zeros(len(targets))
    for level in levels[1:]:
        rows = torch.arange(start, start + len(level.rows))
        start, decades = start + len(level.rows), decades + level.decades
        change = (targets - mean)[:, rows]
        count = (~change.isnan()).sum(dim=-1)
        seen = count > 0
        moved = change.nan_to_num(0.0).sum(dim=-1) / count.clamp_min(1) - total
        shift = torch.where(seen, moved, drift * level.decades)
        steps.append(Step(level.decades, rows, targets[:, rows], shift, _spread(seen, drift, level.decades, height)))
        total = total + shift
        # Back where the chain began there is no distance that a level could have moved over.
        if abs(decades) >= LEAST_DECADES:
            drift = torch.where(seen, total / decades, drift)
    return steps


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
