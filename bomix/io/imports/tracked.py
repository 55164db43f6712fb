"""Runs that a tracker keeps on this machine: their mixtures among its settings, or in a table of their own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from bomix.errors import Fault, raise_faults
from bomix.io.imports.columns import Reading, listed
from bomix.io.imports.csv import runs_of
from bomix.io.imports.runs import Runs
from bomix.io.imports.tensorboard import read_tensorboard
from bomix.io.imports.trackers import run_key, unpacked
from bomix.io.imports.trackio import read_trackio
from bomix.io.imports.wandb import read_wandb
from bomix.io.tables.reading import SHOWN, read_table
from bomix.io.tables.table import Table

if TYPE_CHECKING:
    from bomix.problem import Problem

TrackerReader: TypeAlias = Callable[[Path, list[Fault]], Table | None]
"""From a place and a list of faults to the table of its runs; None where there is none."""

TRACKERS: Mapping[str, TrackerReader] = MappingProxyType(
    {"wandb": read_wandb, "trackio": read_trackio, "tensorboard": read_tensorboard}
)
"""Name of a tracker, which is its option, to what reads its files."""
_NAMES = ("run_id", "Name")
"""Columns of a tracker's table that a table of mixtures may have its keys from."""


def read_tracked(
    tracker: str, place: Path, weights: Path | None, problem: Problem, reading: Reading | None = None
) -> Runs:
    """Read the runs that a tracker keeps.

    Args:
        tracker: One of :data:`TRACKERS`.
        place: Its folder or file.
        weights: A table of the mixtures; None where they are settings of the runs.
        problem: The study's domains and metrics.
        reading: How columns are read; those of the tracker that stand for nothing are left out.

    Raises:
        FaultsError: Everything that is wrong.
    """
    faults: list[Fault] = []
    reading = reading or Reading()
    first, second = tracked_tables(tracker, place, weights, reading, faults)
    if first is not None and second is not None:
        found = runs_of(first, second, problem, reading, faults)
    raise_faults(faults, "the runs cannot be imported; nothing was recorded:", most=SHOWN)
    return found


def tracked_tables(
    tracker: str, place: Path, weights: Path | None, reading: Reading, faults: list[Fault]
) -> tuple[Table | None, Table | None]:
    """The table of the mixtures and that of the measurements, the same one where the tracker has both.

    Args:
        tracker: One of :data:`TRACKERS`.
        place: Its folder or file.
        weights: A table of the mixtures; None where they are settings of the runs.
        reading: Names the column of the keys.
        faults: What keeps them from being read is added here.
    """
    second = TRACKERS[tracker](place, faults)
    if weights is None or second is None:
        return second, second
    first = read_table(weights, faults, decimal_comma=reading.decimal_comma)
    if first is None or (key := run_key(first, reading.key, faults)) is None:
        return None, None
    first = unpacked(first)
    keys = {*first.cells_of(key)}
    fits = {name: len(keys & {*second.cells_of(name)}) for name in _NAMES}
    own = max(fits, key=lambda name: fits[name])
    if not fits[own]:
        what = f"no key of column '{key}' is the id or the name of a run in {place} ({listed(second.cells_of(own))})"
        faults.append(Fault(str(weights), f"{what}; another column may be meant (--id)"))
        return None, None
    renamed = (key if name == own else name for name in second.columns)
    return first, dataclasses.replace(second, columns=tuple(renamed))
