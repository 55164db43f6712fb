"""Which rows of a table are runs that can be compared: of one checkpoint each, of one model, of what was chosen."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import NamedTuple

from bomix.config.build import number
from bomix.errors import Fault
from bomix.io.imports.scales import counted
from bomix.io.tables.columns import STEPS
from bomix.io.tables.table import EMPTY_CELLS, Row, Table

LAST = "last"
_SHOWN = 6
"""Values of a column that a message lists before it counts the rest: a line or two of a terminal."""
_LAST_NUMBER = re.compile(r"(\d+)\D*$")


class Pair(NamedTuple):
    """The row of a run's weights and the row of its losses, which are the same in a single table.

    Attributes:
        key: What joined them; empty where the table has no key.
        first: Row of the weights.
        second: Row of the losses.
    """

    key: str
    first: Row
    second: Row


class Cells:
    """Cells of named columns: those of the losses' table where it has the column, else those of the weights'.

    Args:
        first: The table that has the weights.
        second: The table that has the losses; the same object where one table has both.
    """

    def __init__(self, first: Table, second: Table) -> None:
        self.first, self.second = first, second
        self._first, self._second = ({name: at for at, name in enumerate(table.columns)} for table in (first, second))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of both tables, each once."""
        return tuple(dict.fromkeys((*self.second.columns, *self.first.columns)))

    def of(self, pair: Pair, column: str) -> str:
        """The cell of a run; empty where no table has the column."""
        if (at := self._second.get(column)) is not None:
            return pair.second.cells[at]
        return "" if (at := self._first.get(column)) is None else pair.first.cells[at]

    def first_of(self, names: Sequence[str], free: Callable[[str], bool]) -> str | None:
        """The first of some columns that a table has and that stands for nothing else; None without one."""
        return next((name for name in names if name in self.columns and free(name)), None)


def with_scale_names(table: Table, scale_from: Mapping[str, str], faults: list[Fault]) -> Table:
    """A table in which the columns that were said to hold parameters or tokens are called so.

    Args:
        table: A table.
        scale_from: ``params`` or ``tokens`` to the column that holds them.
        faults: A list to which columns are added that hold no counts, or that would take the place of another.
    """
    columns = list(table.columns)
    for axis, name in scale_from.items():
        if name not in columns or name == axis:
            continue
        at = columns.index(name)
        stray = next(
            (
                row
                for row in table.rows
                if row.cells[at].lower() not in EMPTY_CELLS and counted(axis, row.cells[at]) is None
            ),
            None,
        )
        if axis in columns:
            faults.append(Fault(str(table.path), f"has '{name}' and '{axis}' for the {axis} of a run; rename one"))
        elif stray is not None:
            what = f"column '{name}' holds '{stray.cells[at]}', which is no number of {axis}"
            faults.append(Fault(table.where(stray), f"{what}; --where {name}={stray.cells[at]} takes one of several"))
        else:
            columns[at] = axis
    return dataclasses.replace(table, columns=tuple(columns))


def kept_rows(table: Table, where: Sequence[tuple[str, str]], faults: list[Fault], notes: list[str]) -> Table:
    """The rows of a table that were chosen, by the columns that it has.

    Args:
        table: A table.
        where: Column and value; of several values of one column any.
        faults: A list to which choices are added that leave nothing.
        notes: A list to which it is added how many rows were left out.
    """
    wanted: dict[str, list[str]] = {}
    for column, value in where:
        if column in table.columns:
            wanted.setdefault(column, []).append(value)
    rows = table.rows
    for column, values in wanted.items():
        at = table.columns.index(column)
        left = tuple(row for row in rows if any(_equal(row.cells[at], value) for value in values))
        if not left and rows:
            known = shown(Counter(row.cells[at] for row in rows))
            faults.append(Fault(str(table.path), f"no row has {column}={' or '.join(values)}; there are {known}"))
            return table
        rows = left
    if wanted and len(rows) < len(table.rows):
        notes.append(f"{table.path}: left out {len(table.rows) - len(rows)} rows by --where, kept {len(rows)}")
    return dataclasses.replace(table, rows=rows)


def named_step(step: str | None, columns: Sequence[str]) -> tuple[str, str] | tuple[()]:
    """The column of the steps and which of them counts, as ``--step`` says it.

    Returns:
        Column and ``last`` or a number; empty where ``step`` is None, or no column is meant.
    """
    if step is None:
        return ()
    if step in columns:
        return step, LAST
    column, divider, which = step.rpartition("=")
    if divider:
        return column, which
    if step == LAST or step[:1].isdigit():
        found = next((name for name in STEPS if name in columns), None)
        return () if found is None else (found, step)
    return step, LAST


@dataclasses.dataclass(frozen=True)
class StepChoice:
    """Which rows of each run count, where there is one for each of its checkpoints.

    Attributes:
        column: The column of the steps.
        which: ``last`` or a number; None where nobody said.
        run_of: From a pair to what the rows of one run have in common.
    """

    column: str
    which: str | None
    run_of: Callable[[Pair], Hashable]

    def pick(self, pairs: Sequence[Pair], cells: Cells, faults: list[Fault], notes: list[str]) -> list[Pair]:
        """The rows that count; a fault where it is not said which do and there are several steps."""
        steps: dict[int, float] = {}
        for index, pair in enumerate(pairs):
            step = _step_number(cell := cells.of(pair, self.column))
            if step is None and cell.lower() not in EMPTY_CELLS:
                what = f"the step '{cell}' of column '{self.column}' holds no number"
                faults.append(Fault(cells.second.where(pair.second), what))
            steps[index] = -1.0 if step is None else step
        values = Counter(steps.values())
        if len(values) < 2 and self.which in (None, LAST):
            return list(pairs)
        if self.which is None:
            what = (
                f"column '{self.column}' has {len(values)} values ({_listed(values)}), so rows are checkpoints of runs"
            )
            cure = f"--step last takes the last of each run, --step {max(values):g} those of that step"
            faults.append(Fault(str(cells.second.path), f"{what}; {cure}"))
            return list(pairs)
        return self._last(pairs, steps, notes) if self.which == LAST else self._at(pairs, steps, cells, faults, notes)

    def check_order(self, pairs: Sequence[Pair], cells: Cells, faults: list[Fault]) -> None:
        """Faults where the tokens of a run do not rise with its steps: such rows are no checkpoints in their order."""
        runs: dict[Hashable, list[tuple[float, float, Pair]]] = {}
        for pair in pairs:
            step, tokens = _step_number(cells.of(pair, self.column)), counted("tokens", cells.of(pair, "tokens"))
            if step is not None and tokens is not None:
                runs.setdefault(self.run_of(pair), []).append((step, tokens, pair))
        for found in runs.values():
            found.sort(key=lambda each: each[0])
            for (step, tokens, _), (later, more, pair) in itertools.pairwise(found):
                if later > step and more <= tokens:
                    what = f"the run has {tokens:g} tokens at step {step:g} and {more:g} at step {later:g}"
                    cure = f"tokens rise from checkpoint to checkpoint; mend one, or take one row with --step {later:g}"
                    faults.append(Fault(cells.second.where(pair.second), f"{what}; {cure}"))

    def _last(self, pairs: Sequence[Pair], steps: Mapping[int, float], notes: list[str]) -> list[Pair]:
        latest: dict[Hashable, float] = {}
        for index, pair in enumerate(pairs):
            run = self.run_of(pair)
            latest[run] = max(latest.get(run, -1.0), steps[index])
        kept = [pair for index, pair in enumerate(pairs) if steps[index] == latest[self.run_of(pair)]]
        ends = Counter(latest.values())
        notes.append(
            f"kept the last '{self.column}' of each run, {len(kept)} of {len(pairs)} rows: {_listed(ends)}"
            + ("; the runs end at different steps, whose losses may not compare" if len(ends) > 1 else "")
        )
        return kept

    def _at(
        self,
        pairs: Sequence[Pair],
        steps: Mapping[int, float],
        cells: Cells,
        faults: list[Fault],
        notes: list[str],
    ) -> list[Pair]:
        wanted = _step_number(self.which or "")
        kept = [pair for index, pair in enumerate(pairs) if steps[index] == wanted]
        if not kept:
            known = _listed(Counter(steps.values()))
            faults.append(Fault(str(cells.second.path), f"no row has {self.column}={self.which}; there are {known}"))
        runs = len({self.run_of(pair) for pair in pairs} - {self.run_of(pair) for pair in kept})
        without = f"; {runs} runs have no row there and are left out" if runs else ""
        notes.append(f"kept {len(kept)} of {len(pairs)} rows, those with {self.column}={self.which}{without}")
        return kept


def shown(counts: Mapping[str, int]) -> str:
    """The first values of a column with the rows that have each."""
    listed = [f"{value or 'nothing'} ({count} rows)" for value, count in list(counts.items())[:_SHOWN]]
    rest = len(counts) - len(listed)
    return ", ".join(listed) + (f" and {rest} more" if rest else "")


def _listed(steps: Mapping[float, int]) -> str:
    ordered = {("" if step < 0 else f"{step:g}"): steps[step] for step in sorted(steps)}
    return shown(ordered)


def _step_number(text: str) -> float | None:
    """The step that a cell says: ``4000``, ``4k``, ``step-4000``; None where it says none."""
    try:
        return number(text)
    except ValueError:
        found = _LAST_NUMBER.search(text)
        return None if found is None else float(found[1])


def _equal(cell: str, value: str) -> bool:
    """Whether a cell is a value: the same text, or the same number."""
    if cell == value:
        return True
    try:
        return number(cell) == number(value)
    except ValueError:
        return False
