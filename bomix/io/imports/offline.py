"""Runs that a tracker has written to this machine, as one table: a row for each, its settings and last measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bomix.io.tables.columns import SEEDS
from bomix.io.tables.records import flattened
from bomix.io.tables.table import Row, Table, as_text

FINISHED, UNFINISHED = "finished", "crashed"
"""States of a run that ended well, and of any other."""


@dataclass(frozen=True)
class OfflineRun:
    """A run as a tracker keeps it.

    Attributes:
        key: What identifies it among those of the tracker.
        name: Its name, which others may have as well.
        config: Its settings.
        summary: Name of a measurement to the last value.
        step: The step of the last measurement; None where there is none.
        state: Whether it finished; empty where the tracker does not say.
    """

    key: str
    name: str
    config: Mapping[str, Any] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    step: float | None = None
    state: str = ""


def table_of_runs(path: Path, runs: Sequence[OfflineRun]) -> Table:
    """The table of some runs: ``run_id``, ``Name``, ``State``, ``_step``, ``config.<setting>``, ``summary.<metric>``.

    A seed among the settings stands in a column of its own name as well, where imports look for it.

    Args:
        path: Where they are, which messages name.
        runs: The runs, in the order of their rows.
    """
    records = [
        {
            "run_id": run.key,
            "Name": run.name,
            "State": run.state,
            "_step": run.step,
            **{name: run.config[name] for name in SEEDS if name in run.config},
            **{f"config.{name}": value for name, value in flattened(run.config).items()},
            **{f"summary.{name}": value for name, value in flattened(run.summary).items()},
        }
        for run in runs
    ]
    columns = tuple(dict.fromkeys(name for record in records for name in record))
    rows = [Row(at, tuple(as_text(each.get(name)) for name in columns)) for at, each in enumerate(records, 1)]
    return Table(path, columns, tuple(rows), "run")
