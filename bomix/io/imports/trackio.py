"""Runs of trackio: a project's SQLite file, read by Python's own library."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from bomix.errors import Fault
from bomix.io.imports.offline import OfflineRun, table_of_runs
from bomix.io.tables.table import Table

_NO_NUMBERS = frozenset({"NaN", "Infinity", "-Infinity"})
"""How it writes numbers that are none: as text."""


def read_trackio(path: Path, faults: list[Fault]) -> Table | None:
    """The runs of a project as a table.

    Args:
        path: The file ``<project>.db``, or the folder of the only project.
        faults: What keeps it from being read is added here.

    Returns:
        The table of :func:`bomix.io.imports.offline.table_of_runs`; None where there is no run.
    """
    found = sorted(path.glob("*.db")) if path.is_dir() else [path]
    if len(found) != 1:
        shown = ", ".join(each.name for each in found) or "none"
        faults.append(Fault(str(path), f"has {len(found)} files of projects ({shown}); name one, {path}/NAME.db"))
        return None
    try:
        # Read only, so that a project that is being written to stays as it is.
        with closing(sqlite3.connect(f"{found[0].absolute().as_uri()}?mode=ro", uri=True)) as database:
            runs = _runs(database)
    except (sqlite3.Error, ValueError, RecursionError) as error:
        faults.append(Fault(str(found[0]), f"is no project of trackio that can be read: {error}"))
        return None
    if not runs:
        faults.append(Fault(str(found[0]), "holds no run"))
        return None
    return table_of_runs(found[0], runs)


def _runs(database: sqlite3.Connection) -> list[OfflineRun]:
    columns = {row[1] for row in database.execute("PRAGMA table_info(metrics)")}
    key = "run_id" if "run_id" in columns else "run_name"  # older versions know names alone
    configs = {run: json.loads(config) for run, config in database.execute(f"SELECT {key}, config FROM configs")}
    names: dict[str, str] = {}
    summaries: dict[str, dict[str, Any]] = {}
    steps: dict[str, float] = {}
    rows = database.execute(f"SELECT {key}, run_name, step, metrics FROM metrics ORDER BY step, id")
    for run, name, step, metrics in rows:
        names[run] = name
        steps[run] = float(step)
        values = {metric: None if value in _NO_NUMBERS else value for metric, value in _plain(metrics).items()}
        summaries.setdefault(run, {}).update(values)
    settings = {run: {n: v for n, v in config.items() if not n.startswith("_")} for run, config in configs.items()}
    return [OfflineRun(run, name, settings.get(run, {}), summaries[run], steps[run]) for run, name in names.items()]


def _plain(metrics: Any) -> dict[str, Any]:
    """The measurements of a step; lists and tables among them are no numbers."""
    return {
        name: value if not isinstance(value, (dict, list)) else None
        for name, value in dict(json.loads(metrics)).items()
    }
