"""Rows that repeat each other: copies, which say nothing new, and repeats of a mixture that no noise explains."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from bomix.space.polytope import Array
from bomix.space.weights import SAME_MIXTURE, Weights

_WIDE = 0.05
"""Spread of repeats of a mixture, as a share of the metric's typical size, that no seed explains: seeds move a loss by
a hundredth, while half of the training, or a tenth of the parameters, moves it by a tenth and more."""
_SHARE_OF_SPREAD = 0.5
"""Share of the spread between mixtures that the spread of repeats must reach as well, or the mixtures say more."""
_SHIFT = 0.01
"""Difference of the first and the last repeat of each mixture, as a share of the metric's typical size, that is looked
at where all mixtures have it: checkpoints late in a training differ by little, but always to the same side."""
_SURE = 4.0
"""Standard errors that such a difference must have to be none of chance, over at least as many mixtures."""


class Run(NamedTuple):
    """What is compared of a run.

    Attributes:
        weights: Its mixture.
        losses: Metric to loss; those that were not measured are left out.
        other: What runs must have in common to be repeats beside the mixture, as the scale.
    """

    weights: Weights
    losses: Mapping[str, float]
    other: Hashable = None


class Spread(NamedTuple):
    """Repeats of mixtures whose losses are far from each other.

    Attributes:
        metric: The metric that shows it most.
        groups: Positions of the runs of each repeated mixture, in their order.
        widest: Two positions of one mixture, those that differ most in the metric.
    """

    metric: str
    groups: tuple[tuple[int, ...], ...]
    widest: tuple[int, int]


def far_from_each_other(runs: Sequence[Run], metrics: Sequence[str]) -> Spread | None:
    """The repeats of mixtures that can hardly be runs of one kind; None where noise may explain them.

    Args:
        runs: The runs, in the order of their table.
        metrics: The metrics to compare.
    """
    mixtures: dict[Hashable, list[int]] = {}
    digits = -math.floor(math.log10(SAME_MIXTURE))
    for position, run in enumerate(runs):
        mixture = tuple(round(run.weights[name], digits) for name in sorted(run.weights))
        mixtures.setdefault((mixture, run.other), []).append(position)
    groups = tuple(tuple(group) for group in mixtures.values() if len(group) > 1)
    if not groups:
        return None
    found: list[tuple[float, str]] = []
    for metric in metrics:
        values = np.array([run.losses.get(metric, math.nan) for run in runs])
        excess = _excess(values, groups, [values[group] for group in mixtures.values()])
        if excess > 1.0:
            found.append((excess, metric))
    if not found:
        return None
    metric = max(found)[1]
    values = np.array([run.losses.get(metric, math.nan) for run in runs])
    widest = max(groups, key=lambda group: _range(values[list(group)]))
    order = sorted(widest, key=lambda position: values[position] if not math.isnan(values[position]) else -math.inf)
    known = [position for position in order if not math.isnan(values[position])]
    return Spread(metric, groups, (known[0], known[-1]))


def distinguishing_columns(cells: Mapping[str, Sequence[str]], groups: Sequence[Sequence[int]]) -> list[str]:
    """Columns that tell the repeats of a mixture from each other, the one with the fewest values first.

    Args:
        cells: Column to the cell of each run.
        groups: Positions of the runs of each repeated mixture.
    """
    found = []
    for place, (column, values) in enumerate(cells.items()):
        separate = sum(len({values[at] for at in group}) == len(group) for group in groups)
        if separate == len(groups):
            found.append((len(set(values)), place, column))
    return [column for _, _, column in sorted(found)]


def _excess(values: Array, groups: Sequence[Sequence[int]], mixtures: Sequence[Array]) -> float:
    """How far beyond noise the repeats of one metric lie; above one they are more than that explains."""
    size = float(np.nanmedian(np.abs(values))) if not np.isnan(values).all() else 0.0
    known = [group[~np.isnan(group)] for group in (values[list(group)] for group in groups)]
    known = [group for group in known if len(group) > 1]
    if not known or size == 0.0:
        return 0.0
    squares = sum(float(np.square(group - group.mean()).sum()) for group in known)
    within = math.sqrt(squares / sum(len(group) - 1 for group in known))
    means = [float(np.nanmean(group)) for group in mixtures if not np.isnan(group).all()]
    between = float(np.std(means, ddof=1)) if len(means) > 2 else 0.0
    wide = within / max(_WIDE * size, _SHARE_OF_SPREAD * between)
    shifts = np.array([group[-1] - group[0] for group in known])
    if len(shifts) < _SURE or abs(shifts.mean()) <= _SURE * shifts.std(ddof=1) / math.sqrt(len(shifts)):
        return wide
    return max(wide, abs(float(shifts.mean())) / (_SHIFT * size))


def _range(values: Array) -> float:
    """Largest minus smallest of those that are known; -1 where fewer than two are."""
    known = values[~np.isnan(values)]
    return float(known.max() - known.min()) if len(known) > 1 else -1.0
