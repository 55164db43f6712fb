"""A study in one line, and as a notebook shows it."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING

from bomix.space.display import html_table, mixture
from bomix.trial import Status

if TYPE_CHECKING:
    from bomix.study.records import Records
    from bomix.trial import Record

_LATEST = 10
"""Trials that a notebook shows, the best ones."""


def study_line(records: Records) -> str:
    """``Study('runs/web': 3 domains, 2 metrics, 12 completed, 1 pending, best 2.9134)``."""
    where = "in memory" if records.folder is None else repr(str(records.folder))
    spec, history = records.spec, records.history
    counts = [
        f"{len(some)} {name}"
        for name, some in (("completed", history.completed), ("pending", history.pending), ("failed", history.failed))
        if some or name == "completed"
    ]
    metrics = len(records.problem.metrics)
    best = _best(records)
    lowest = f", best observed {_value(records, best[0]):.4f}" if best else ""
    sizes = f"{len(spec.domains)} domains, {metrics} metric{'' if metrics == 1 else 's'}"
    return f"Study({where}: {sizes}, {', '.join(counts)}{lowest})"


def study_html(records: Records) -> str:
    """The same line, and the best trials below it."""
    best = _best(records)
    head = f"<p>{html.escape(study_line(records))}</p>"
    if not best:
        return head
    rows = [
        (str(each.trial.id), each.trial.origin, f"{_value(records, each):.4f}", mixture(each.trial.weights))
        for each in best[:_LATEST]
    ]
    return head + html_table(("trial", "origin", "objective", "mixture"), rows)


def _best(records: Records) -> list[Record]:
    """The trials that have an objective, the lowest first."""
    known = [
        record
        for record in records.history.observations
        if record.status is Status.COMPLETED and not math.isnan(_value(records, record))
    ]
    return sorted(known, key=lambda record: _value(records, record))


def _value(records: Records, record: Record) -> float:
    return records.problem.value(record.result.losses)
