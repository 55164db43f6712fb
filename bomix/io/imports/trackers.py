"""Tables that trackers of experiments export: W&B's table of runs and what its API gives, MLflow's table of runs.

Their rows have a state, of which only the runs that finished are read; they hold every setting and every measurement
of a run, most of which is neither a weight nor a loss; and settings may stand in one cell as a mapping.
"""

from __future__ import annotations

import ast
import dataclasses
import json
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from bomix.errors import Fault
from bomix.io.imports.selecting import shown
from bomix.io.tables.columns import KEYS
from bomix.io.tables.records import flattened
from bomix.io.tables.table import EMPTY_CELLS, Row, Table, as_text

STATES = ("State", "state", "status")
"""Columns that tell whether a run finished."""
_FINISHED = frozenset({"finished", "completed", "complete", "success", "succeeded", "done"})
_UNFINISHED = frozenset(
    {"running", "crashed", "failed", "failure", "killed", "preempted", "preempting", "pending", "scheduled", "queued"}
    | {"canceled", "cancelled", "timeout", "node_fail", "out_of_memory", "boot_fail", "deadline", "revoked", "stopped"}
    | {"suspended", "requeued", "aborted", "error", "errored", "interrupted", "starting", "submitted", "waiting"}
)
_KEYS = ("ID", "Name", "name")
"""Columns that identify a run of W&B, the best first: names may repeat."""
_NO_LITERAL = re.compile(r"(?<![\w'\"])-?(?:nan|inf|NaN|Infinity)(?![\w'\"])")


def is_tracker(columns: Collection[str]) -> bool:
    """Whether the columns are those of a tracker's table of runs."""
    names = {*columns}
    wandb = {"Name", "State"} <= names or ({"name"} <= names and any(name.startswith("summary.") for name in names))
    return wandb or ({"run_id", "status"} <= names and any(name.startswith(("params.", "metrics.")) for name in names))


def tracker_key(columns: Sequence[str]) -> str | None:
    """The column that identifies a run where it is one that only trackers call so; None where there is none."""
    if not is_tracker(columns) or "run_id" in columns:
        return None
    return next((name for name in _KEYS if name in columns), None)


def run_key(table: Table, given: str | None, faults: list[Fault]) -> str | None:
    """The column of the keys of a table that others are matched to; None, with a fault, where it has none.

    Args:
        table: A table.
        given: The column that was named; None where none was.
        faults: A list to which it is added that there is none.
    """
    if given is not None and given in table.columns:
        return given
    known = [name for group in KEYS for name in group if name in table.columns]
    found = known[0] if known else tracker_key(table.columns)
    if given is None and found is not None:
        return found
    what = "has no column of keys that say which results are whose" if given is None else f"has no column '{given}'"
    faults.append(Fault(str(table.path), f"{what}; name one with --id"))
    return None


def finished(table: Table, kept: Collection[str], notes: list[str]) -> Table:
    """The rows of runs that finished, where a column tells the state of each; an unknown state is not finished.

    Args:
        table: A table.
        kept: Columns that stand for something else, or of which rows were chosen already.
        notes: A list to which it is added how many rows were left out, by state.
    """
    column = next((name for name in STATES if name in table.columns and name not in kept), None)
    if column is None:
        return table
    cells = [cell.lower() for cell in table.cells_of(column)]
    known = {cell for cell in cells if cell not in EMPTY_CELLS}
    if not known & (_FINISHED | _UNFINISHED):
        return table  # states of something else, as of a country
    rows = tuple(row for row, cell in zip(table.rows, cells, strict=True) if cell in _FINISHED)
    if len(rows) < len(table.rows):
        others = Counter(cell for cell in cells if cell not in _FINISHED)
        what = f"left out {len(table.rows) - len(rows)} rows whose {column} is not finished: {shown(others)}"
        notes.append(f"{table.path}: {what}; --where {column}=... takes others")
    return dataclasses.replace(table, rows=rows)


def unpacked(table: Table) -> Table:
    """The table with a column for each entry of cells that hold mappings, ``summary.loss`` for ``{'loss': 2.1}``."""
    packed = {name: found for name in table.columns if (found := _mappings(table.cells_of(name))) is not None}
    if not packed:
        return table
    columns: dict[str, list[str]] = {}
    for name in table.columns:
        if name not in packed:
            columns[name] = table.cells_of(name)
            continue
        for key in dict.fromkeys(key for each in packed[name] for key in each):
            columns[f"{name}.{key}"] = [as_text(each.get(key)) for each in packed[name]]
    rows = [Row(row.line, cells) for row, cells in zip(table.rows, zip(*columns.values(), strict=True), strict=True)]
    return dataclasses.replace(table, columns=tuple(columns), rows=tuple(rows))


def _mappings(cells: Sequence[str]) -> list[Mapping[str, Any]] | None:
    """What cells hold where each that holds anything is a mapping; None where one is none."""
    if not any(cells) or not all(cell.startswith("{") and cell.endswith("}") for cell in cells if cell):
        return None
    found = [_mapping(cell) if cell else {} for cell in cells]
    if not all(isinstance(each, Mapping) for each in found):
        return None
    return [flattened(each) for each in found if isinstance(each, Mapping)]


def _mapping(cell: str) -> Any:
    """A cell as JSON, or as Python prints a dictionary; None where it is neither."""
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(_NO_LITERAL.sub("None", cell))
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
