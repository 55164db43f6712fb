"""Values that no run can have measured: kept in the record, and not learnt from.

A unit that slipped, a counter in the place of a loss or a marker for "no value" (-1e308, 1e300) is finite, so that it
is recorded, and one of them is enough to flatten what all other runs say, or to make every fit fail. A run that merely
went badly is another matter: it happened, what it says of its mixture is worth knowing, and
:func:`bomix.surrogates.data.dataset.winsorised` sees to it that it does not flatten the others.

A value is quarantined where one of these holds:

* It lies outside the range that is stated for its metric.
* Its square overflows (:data:`_TOO_LARGE`).
* At least five runs have the metric, and it is more than :data:`_SPREADS` times as far from their median as four
  fifths of them are, and more than :data:`_MEDIANS` medians away. Losses of honest runs keep within a few hundred
  spreads: a run that diverged ends at the logarithm of its vocabulary (11 where the others have 3), and a loss at a
  vertex rises by a few nats. A perplexity is judged by its logarithm. A metric with two stated ends is not judged so:
  whoever says what is possible is believed.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bomix.problem import PERPLEXITY
from bomix.trial import Failure, Record

if TYPE_CHECKING:
    from bomix.history import History
    from bomix.problem import Metric, Problem

_TOO_LARGE = 1e150
"""Size beyond which a value is quarantined whatever the others are: the largest square that a float holds is that of
1.3e154, and sums of squares need room."""
_LEAST_RUNS = 5
"""Runs below which none is compared with the others: fewer do not say what is usual."""
_FAR = 0.8
"""Share of the runs that say what is usual: a fifth of them may be absurd."""
_SPREADS = 1e6
"""How many times as far as the usual runs an absurd value is: a thousand times what the steepest vertex reaches."""
_MEDIANS = 1e3
"""How many medians an absurd value is away at least: runs that repeat one mixture without noise have no spread."""


@dataclasses.dataclass(frozen=True)
class Quarantined:
    """A value that is not learnt from.

    Attributes:
        trial: The id of its trial.
        metric: The name of its metric.
        value: What was reported.
        why: What is wrong with it, in words.
    """

    trial: int
    metric: str
    value: float
    why: str

    @property
    def cure(self) -> str:
        """What may be done about it other than to withdraw the trial."""
        if abs(self.value) > _TOO_LARGE:
            return "if it is right, report the metric in another unit"
        return (
            f"state a range that holds it (metrics: {{{self.metric}: {{range: [smallest, largest]}}}}), if it is right"
        )

    def __str__(self) -> str:
        return (
            f"trial {self.trial}: metric '{self.metric}' is {self.value:g}, {self.why}; it stays in the record and is "
            f"not learnt from; withdraw the trial, or, {self.cure}"
        )


def quarantined(problem: Problem, history: History) -> tuple[Quarantined, ...]:
    """What of the record is not learnt from, by metric and trial; empty as a rule.

    Args:
        problem: The metrics with their units and ranges.
        history: The record; runs of a scale that is none of the study's are learnt from in no case. Runs are compared
            with those of their own scale.
    """
    groups: list[Sequence[Record]] = [history.observations]
    if history.scales:
        groups = [[r for r in history.informative if history.counted_as(r) == scale] for scale in history.scales]
    found = []
    for records in groups:
        losses = [record.result.losses for record in records]
        for metric in problem.metrics:
            values = np.array([each.get(metric.name, math.nan) for each in losses])
            found += [
                Quarantined(records[row].trial.id, metric.name, float(values[row]), why)
                for row, why in _absurd(values, metric).items()
            ]
    return tuple(found)


def without(history: History, found: Sequence[Quarantined]) -> History:
    """The record without values that are quarantined; a trial of which nothing is left counts as failed.

    Args:
        history: The record.
        found: What is quarantined in it.
    """
    if not found:
        return history
    metrics: dict[int, list[str]] = {}
    for each in found:
        metrics.setdefault(each.trial, []).append(each.metric)
    return dataclasses.replace(
        history,
        records=tuple(
            _left(record, metrics[record.trial.id]) if record.trial.id in metrics else record
            for record in history.records
        ),
    )


def learnt(problem: Problem, history: History) -> History:
    """The record without what is quarantined in it."""
    return without(history, quarantined(problem, history))


def _absurd(values: np.ndarray, metric: Metric) -> Mapping[int, str]:
    """Row to what is wrong with its value, of ``n`` values of a metric, NaN where it was not measured."""
    low, high = metric.limits
    found: dict[int, str] = {}
    if metric.range is not None:
        outside = (values < low) | (values > high)
        found |= dict.fromkeys(np.flatnonzero(outside).tolist(), f"outside its stated range [{low:g}, {high:g}]")
    large = np.abs(values) > _TOO_LARGE
    found = dict.fromkeys(np.flatnonzero(large).tolist(), "too large to be computed with") | found
    stated = metric.range is not None and math.isfinite(low) and math.isfinite(high)
    usual = np.where(large, math.nan, values)
    if metric.limits == PERPLEXITY:
        usual = np.log(np.where(usual > 0.0, usual, math.nan))
    known = usual[np.isfinite(usual)]
    if stated or len(known) < _LEAST_RUNS:
        return found
    middle = float(np.median(known))
    spread = float(np.quantile(np.abs(known - middle), _FAR, method="lower"))
    limit = max(_SPREADS * spread, _MEDIANS * abs(middle)) or math.inf
    what = f"out of all proportion to the other runs (median {float(np.nanmedian(values)):.4g})"
    far = np.abs(usual - middle) > limit
    return dict.fromkeys(np.flatnonzero(far).tolist(), what) | found


def _left(record: Record, metrics: Sequence[str]) -> Record:
    """A record without some metrics; failed where none is left."""
    losses = {name: loss for name, loss in record.result.losses.items() if name not in metrics}
    if not losses:
        return Record(record.trial, Failure("none of its values can be learnt from"))
    unmeasured = (*record.result.unmeasured, *metrics)
    return Record(record.trial, dataclasses.replace(record.result, losses=losses, unmeasured=unmeasured))
