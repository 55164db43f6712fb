"""Runs made earlier, from tables of weights and losses that are joined by key, never by position."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bomix.errors import Fault, raise_faults
from bomix.io.imports.columns import ColumnSearch, Reading, listed
from bomix.io.imports.comparability import mixed, unnamed_columns
from bomix.io.imports.differences import DECIMALS, KEY, SEED, STEP
from bomix.io.imports.identity import is_seed
from bomix.io.imports.joining import Join
from bomix.io.imports.mapping import expanded
from bomix.io.imports.named_scales import SCALE, named_in, with_column_of_names, with_name_of_column
from bomix.io.imports.phased import as_tied, read_as
from bomix.io.imports.repeats import Run
from bomix.io.imports.runs import RunCollector, Runs
from bomix.io.imports.scales import row_scale
from bomix.io.imports.selecting import Pair, kept_rows, with_scale_names
from bomix.io.imports.trackers import finished, unpacked
from bomix.io.tables.reading import SHOWN, comma_faults, read_table, row_shares
from bomix.io.tables.sums import Divisors, divisors
from bomix.io.tables.table import EMPTY_CELLS, Table, decimals, to_measure
from bomix.trial import Result

if TYPE_CHECKING:
    from bomix.problem import Problem
    from bomix.scale import Scale


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
        FaultsError: Everything that is wrong, with file and line; also where rows are no runs that compare.
    """
    faults: list[Fault] = []
    reading = reading or Reading()
    first = read_table(weights, faults, decimal_comma=reading.decimal_comma)
    single = losses is None or losses.absolute() == weights.absolute()
    second = first if single or losses is None else read_table(losses, faults, decimal_comma=reading.decimal_comma)
    if first is not None and second is not None:
        found = runs_of(first, second, problem, reading, faults)
    raise_faults(faults, "the tables cannot be imported; nothing was recorded:", most=SHOWN)
    return found


def runs_of(first: Table, second: Table, problem: Problem, reading: Reading, faults: list[Fault]) -> Runs:
    """The runs of tables that were read, of whatever format; of no use where there are faults.

    Args:
        first: The table that has the weights.
        second: The table that has the losses; the same object where one table has both.
        problem: The study's domains and metrics.
        reading: How they are read.
        faults: A list to which whatever is wrong with columns and rows is added.
    """
    read = read_as(problem, (*unpacked(first).columns, *reading.mapping.values()))
    return as_tied(_Runs(first, second, read, reading, faults).read(), read, problem)


class _Runs:
    """The runs of two tables, or of one that has both weights and losses.

    Args:
        first: The table that has the weights.
        second: The table that has the losses; the same object where one table has both.
        problem: The study's domains and metrics.
        reading: How the tables are read.
        faults: A list to which whatever is wrong with columns and rows is added.
    """

    def __init__(self, first: Table, second: Table, problem: Problem, reading: Reading, faults: list[Fault]) -> None:
        single = first is second
        first = unpacked(first)
        second = first if single else unpacked(second)
        reading = with_column_of_names(reading, problem, (first, second))
        known = (*problem.space.domains, *problem.metric_names)
        mapping = expanded(reading.mapping, (*first.columns, *second.columns), known, faults)
        reading = dataclasses.replace(reading, mapping=mapping)
        self.problem, self.reading, self.faults = problem, reading, faults
        self.units = {metric.name: metric.unit for metric in problem.metrics}
        self.notes: list[str] = []
        # The partner of a row that could not be read is no stray.
        self.whole = not faults
        names = [each.name for each in problem.scales]
        faults += unnamed_columns(reading, (*first.columns, *second.columns), scales=names)
        self.first = self._selected(first)
        self.second = self.first if single else self._selected(second)
        self.single = single
        self.columns = ColumnSearch(self.first, self.second, problem, reading, faults)
        self.collector = RunCollector(problem, faults, allow_partial=reading.allow_partial)
        self.gaps: dict[str, Counter[str]] = {}
        self.seeds: list[int | str] = []

    def _selected(self, table: Table) -> Table:
        """The rows that were chosen, the columns of the scale under their own names."""
        kept = {*self.reading.mapping, *(column for column, _ in self.reading.where)}
        rows = kept_rows(finished(table, kept, self.notes), self.reading.where, self.faults, self.notes)
        return with_scale_names(with_name_of_column(rows, self.reading), self.reading.scale_from, self.faults)

    def read(self) -> Runs:
        """Everything that can be read; of no use where there are faults."""
        domains, metrics, keys = self.columns.find()
        if len(domains) < self.problem.space.dimension or not metrics or (keys is None and not self.single):
            return Runs((), ())
        together = [*domains.values(), *metrics.values()]
        if found := (
            comma_faults(self.first, together)
            if self.single
            else comma_faults(self.first, domains.values()) + comma_faults(self.second, metrics.values())
        ):
            self.faults += found
            return Runs((), ())
        join = Join(self.columns, self.collector, domains, metrics, keys, whole=self.whole)
        pairs = join.pairs()
        self.seeds = [join.seed(pair) for pair in pairs]
        at = self.first.positions(domains), self.second.positions(metrics)
        divided = divisors(self.first, at[0], self.reading.unit, self.faults, self.notes)
        printed = self._printed(domains, metrics, divided)
        errors = self.second.positions(self.columns.error_columns(metrics))
        of_scale = [self.columns.scale_columns(table) for table in (self.first, self.second)]
        told_runs: list[tuple[Pair, Run]] = []
        for pair in pairs:
            told = list(zip((self.first, self.second), (pair.first, pair.second), of_scale, strict=True))
            whole = divided.of.get(pair.first.line, 1.0)
            weights = row_shares(self.first, pair.first, at[0], self.faults, whole=whole)
            before = len(self.faults)
            losses = self._losses(pair, at[1])
            broken = len(self.faults) > before
            scale = None
            if any(loss is not None for loss in losses.values()):  # the scale of a stray matters to nobody
                named = self._named(join, pair) or (self.reading.scale if self.reading.scale_named else None)
                default = self.reading.scale if named is None else named
                scale = row_scale(told[:1] if self.single else told, default, self.faults)
                if named is not None and scale != named:
                    what = f"the run is of '{self.problem.scale_name(named)}' ({named}) by its name, and of {scale}"
                    self.faults.append(Fault(self.second.where(pair.second), f"{what}; leave one of them out"))
            if weights is not None:
                known = {name: loss for name, loss in losses.items() if loss is not None}
                told_runs.append((pair, Run(weights, known, scale)))
            self.collector.add(
                weights,
                Result(losses, self._errors(pair, errors, losses), info=self._info(join, pair, printed)),  # type: ignore[arg-type]  # gaps are named there
                scale,
                where=self.first.where(pair.first),
                losses_at=self.second.where(pair.second),
                key=pair.key,
                told=broken,
            )
        if not self.faults and not self.reading.as_one:
            self.faults += mixed(join, told_runs, tuple(metrics), own=self.problem.scale)
        notes = [*self.columns.notes, *self.notes, *self._gap_notes(), *self._seed_notes()]
        return self.collector.found(metrics, notes, where=str(self.first.path))

    def _named(self, join: Join, pair: Pair) -> Scale | None:
        """The scale that a run names; None where no column does."""
        if self.reading.scale_names is None:
            return None
        return named_in(join.cells.of(pair, SCALE), pair.second, self.second, self.problem, self.faults)

    def _info(self, join: Join, pair: Pair, printed: Mapping[str, Any]) -> dict[str, Any]:
        """What is kept of a run beside its losses: the table, and all that says which run it is."""
        told = {KEY: self.reading.prefix + pair.key if pair.key else "", SEED: join.seed(pair), STEP: join.step(pair)}
        known = {name: value for name, value in told.items() if value not in ("", None)}
        return {"table": self.first.path.name, **known, DECIMALS: printed}

    def _seed_notes(self) -> list[str]:
        """A note on seeds that no record can hold; none where there are no such seeds."""
        wrong = [str(seed) for seed in self.seeds if seed != "" and not is_seed(seed)]
        if not wrong:
            return []
        said = f"{len(wrong)} runs have a seed that is no whole number from 0 below 2^63 ({listed(wrong)})"
        return [f"{said}: recorded with the study's own"]

    def _printed(self, domains: Mapping[str, str], metrics: Mapping[str, str], divided: Divisors) -> dict[str, Any]:
        """Digits behind the point that the weights, all together, and each metric are printed with."""
        weights = self.first.positions(domains).values()
        losses = self.second.positions(metrics)
        shares = [decimals(row.cells[at]) or 0 for row in self.first.rows for at in weights]
        return {
            "weights": max(shares, default=0) + divided.decimals,
            "losses": {
                name: max((decimals(row.cells[at]) or 0 for row in self.second.rows), default=0)
                for name, at in losses.items()
            },
        }

    def _losses(self, pair: Pair, positions: Mapping[str, int]) -> dict[str, float | None]:
        """Every metric of the study, None where it was not measured."""
        losses: dict[str, float | None] = dict.fromkeys(self.problem.metric_names)
        gaps: dict[str, str] = {}
        for name, position in positions.items():
            cell = pair.second.cells[position]
            if cell.lower() in EMPTY_CELLS:
                gaps[name] = cell
                continue
            losses[name] = to_measure(cell, self.units[name])
            if losses[name] is None:
                what = f"the loss of metric '{name}' is '{cell}', not a finite number"
                self.faults.append(Fault(self.second.where(pair.second), what))
        for name, cell in gaps.items() if any(loss is not None for loss in losses.values()) else ():
            self.gaps.setdefault(name, Counter())[cell] += 1
        return losses

    def _errors(self, pair: Pair, positions: Mapping[str, int], losses: Mapping[str, float | None]) -> dict[str, float]:
        """The standard errors of the metrics that were measured, as far as columns tell them."""
        found: dict[str, float] = {}
        for name, position in positions.items():
            cell = pair.second.cells[position]
            if losses.get(name) is None or cell.lower() in EMPTY_CELLS:
                continue
            if (error := to_measure(cell, self.units[name])) is None or error < 0.0:
                what = f"the standard error of metric '{name}' is '{cell}', not a number from 0"
                self.faults.append(Fault(self.second.where(pair.second), what))
            else:
                found[name] = error
        return found

    def _gap_notes(self) -> list[str]:
        """How many cells of each metric hold no number, and what they hold."""
        return [
            f"{name}: not measured in {sum(cells.values())} runs ("
            + ", ".join(f"{count} {repr(cell) if cell else 'empty'}" for cell, count in cells.most_common())
            + ")"
            for name, cells in self.gaps.items()
        ]
