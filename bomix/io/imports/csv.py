"""Runs made earlier, from tables of weights and losses that are joined by key, never by position."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bomix.errors import Fault, raise_faults
from bomix.io.imports.columns import ColumnSearch, Reading
from bomix.io.imports.runs import RunCollector, Runs
from bomix.io.imports.scales import row_scale
from bomix.io.tables.reading import (
    EMPTY_CELLS,
    Row,
    Table,
    read_table,
    row_shares,
    to_number,
)
from bomix.trial import Result

if TYPE_CHECKING:
    from bomix.problem import Problem

_WHOLE = re.compile(r"(\d+)\.0+")


def read_runs(weights: Path, losses: Path | None, problem: Problem, reading: Reading | None = None) -> Runs:
    """Read runs; everything is checked before anything is returned.

    Args:
        weights: CSV with a column for each domain.
        losses: CSV with a column for each metric that was measured; None where the first table has them too.
        problem: The study's domains and metrics.
        reading: How the tables are read; by default as :class:`Reading` says.

    Returns:
        The runs; a metric without a column, or with an empty cell, is named as not measured.

    Raises:
        FaultsError: Everything that is wrong, with file and line.
    """
    faults: list[Fault] = []
    first = read_table(weights, faults)
    single = losses is None or losses.absolute() == weights.absolute()
    second = first if single or losses is None else read_table(losses, faults)
    if first is not None and second is not None:
        join = _Join(first, second, problem, reading or Reading(), faults)
        found = join.read()
    raise_faults(faults, "the tables cannot be imported; nothing was recorded:")
    return found


class _Join:
    """The runs of two tables, or of one that has both weights and losses.

    Args:
        first: The table that has the weights.
        second: The table that has the losses; the same object where one table has both.
        problem: The study's domains and metrics.
        reading: How the tables are read.
        faults: A list to which whatever is wrong with columns and rows is added.
    """

    def __init__(self, first: Table, second: Table, problem: Problem, reading: Reading, faults: list[Fault]) -> None:
        self.first, self.second, self.problem, self.reading, self.faults = first, second, problem, reading, faults
        self.single = first is second
        self.columns = ColumnSearch(first, second, problem, reading, faults)
        # The partner of a row that could not be read is no stray.
        self.whole = not faults
        self.collector = RunCollector(problem, faults, allow_partial=reading.allow_partial)

    def read(self) -> Runs:
        """Everything that can be read; of no use where there are faults."""
        domains, metrics, keys = self.columns.find()
        if len(domains) < self.problem.space.dimension or not metrics or (keys is None and not self.single):
            return Runs((), ())
        places = self.first.positions(domains), self.second.positions(metrics)
        of_scale = [self.columns.scale_columns(table) for table in (self.first, self.second)]
        for key, weights_row, losses_row in self._pairs(keys):
            info = {"table": self.first.path.name, **({"run": key} if key else {})}
            told = list(zip((self.first, self.second), (weights_row, losses_row), of_scale, strict=True))
            weights = row_shares(self.first, weights_row, places[0], self.faults)
            losses = self._losses(losses_row, places[1])
            scale = None
            if any(loss is not None for loss in losses.values()):  # the scale of a stray matters to nobody
                scale = row_scale(told[:1] if self.single else told, self.reading.scale, self.faults)
            self.collector.add(
                weights,
                Result(losses, info=info),  # type: ignore[arg-type]  # the collector names the gaps
                scale,
                where=self.first.where(weights_row),
                losses_at=self.second.where(losses_row),
                key=key,
            )
        return self.collector.found(metrics, self.columns.notes, where=str(self.first.path))

    def _pairs(self, keys: tuple[str, str] | None) -> list[tuple[str, Row, Row]]:
        """Key and both rows of each run; strays are told or dropped."""
        if keys is None:
            return [("", row, row) for row in self.first.rows]
        weights = self._keyed(self.first, keys[0])
        if self.single:
            return [(key, row, row) for key, row in weights.items()]
        losses = self._keyed(self.second, keys[1])
        if weights and losses and not weights.keys() & losses.keys():
            first, second = next(iter(weights)), next(iter(losses))
            what = f"no key of column '{keys[0]}' stands in {self.second.path}: '{first}' here, '{second}' there"
            self.faults.append(Fault(str(self.first.path), f"{what}; another column may be meant (--id)"))
            return []
        if self.whole:
            for rows, others, table, lack in (
                (weights, losses, self.first, f"no losses in {self.second.path}"),
                (losses, weights, self.second, f"no weights in {self.first.path}"),
            ):
                for key, row in rows.items():
                    if key not in others:
                        self.collector.stray(f"{key} has {lack}", table.where(row))
        return [(key, row, losses[key]) for key, row in weights.items() if key in losses]

    def _keyed(self, table: Table, column: str) -> dict[str, Row]:
        """Key to row; a key that stands twice is a fault."""
        (position,) = table.positions({"key": column}).values()
        rows: dict[str, Row] = {}
        for row in table.rows:
            cell = row.cells[position]
            whole = _WHOLE.fullmatch(cell)
            key = whole[1] if whole else cell  # a whole number that passed through a column with gaps
            if not key:
                self.faults.append(Fault(table.where(row), f"the key '{column}' is empty"))
            elif key in rows:
                what = f"the key '{column}' is {key} again, as in line {rows[key].line}; every run needs its own"
                self.faults.append(Fault(table.where(row), what))
            else:
                rows[key] = row
        return rows

    def _losses(self, row: Row, positions: Mapping[str, int]) -> dict[str, float | None]:
        """Every metric of the study, None where it was not measured."""
        losses: dict[str, float | None] = dict.fromkeys(self.problem.metric_names)
        for name, position in positions.items():
            cell = row.cells[position]
            if cell.lower() in EMPTY_CELLS:
                continue
            losses[name] = to_number(cell)
            if losses[name] is None:
                what = f"the loss of metric '{name}' is '{cell}', not a finite number"
                self.faults.append(Fault(self.second.where(row), what))
        return losses
