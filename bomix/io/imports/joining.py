"""The rows of two tables that are one run: joined by key, a checkpoint chosen, copies left out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable, Mapping

from bomix.errors import Fault
from bomix.io.imports.columns import ColumnSearch, listed
from bomix.io.imports.named_scales import SCALE
from bomix.io.imports.runs import RunCollector
from bomix.io.imports.scales import AXES
from bomix.io.imports.selecting import Cells, Pair, StepChoice, named_step
from bomix.io.tables.columns import MODELS, SEEDS, STEPS
from bomix.io.tables.table import Row, Table, to_number
from bomix.space.bounds import is_name

_WHOLE = re.compile(r"(-?\d+)\.0+")
LONGEST_KEY = 500
"""Characters of a key: names of runs and their paths have less."""
_MANY = 3
"""Keys that stand twice of which each has a message of its own: beyond, a column that tells them apart is the cause."""

_OWN_KEY = "; every run needs its own (--id names another column)"
"""Ends what is said of a key that stands twice, in one table or in both."""


class Join:
    """The runs of two tables, or of one that has both weights and losses.

    Args:
        search: The tables, how they are read, and the list of faults.
        collector: What is told of rows that have weights or losses and not both.
        domains: Domain to column of the first table.
        metrics: Metric to column of the second table.
        keys: The column of the key in each table; None where a single table has none.
        whole: Whether every row of both could be read.
    """

    def __init__(
        self,
        search: ColumnSearch,
        collector: RunCollector,
        domains: Mapping[str, str],
        metrics: Mapping[str, str],
        keys: tuple[str, str] | None,
        *,
        whole: bool,
    ) -> None:
        self.first, self.second, self.single = search.first, search.second, search.single
        self.reading, self.faults, self.notes, self.collector = search.reading, search.faults, search.notes, collector
        self.domains, self.metrics, self.keys, self.whole = domains, metrics, keys, whole
        self.cells = Cells(self.first, self.second)
        self.taken = {*domains.values(), *metrics.values(), *search.reading.mapping, *(keys or ())}
        self.seeds = self.cells.first_of(SEEDS, lambda name: name not in self.taken)
        axes = AXES if search.reading.scale_names is None else (SCALE, *AXES)
        self.axes = [name for name in axes if name in self.cells.columns and name not in self.taken]
        self.by_tokens = bool(search.problem.scales) and bool({SCALE, "tokens"} & {*self.axes})
        named = named_step(self.reading.step, self.cells.columns)
        found = self.cells.first_of(STEPS, lambda name: name not in self.taken)
        self.steps: str | None = named[0] if named else found
        self.which: str | None = named[1] if named else None

    def pairs(self) -> list[Pair]:
        """The rows of each run, one pair each; strays are told or dropped."""
        pairs = self._joined()
        if self.steps is not None and self.steps in self.cells.columns:
            before = len(self.faults)
            choice = StepChoice(self.steps, self.which, self._run_of(pairs))
            if self.which is None and self.by_tokens:
                # Checkpoints that have tokens of their own are runs of other scales.
                choice.check_order(pairs, self.cells, self.faults)
                return self._each_once(pairs)
            pairs = choice.pick(pairs, self.cells, self.faults, self.notes)
            if len(self.faults) > before:
                return pairs  # that rows of one run stand there several times needs no more words
        return self._each_once(pairs)

    def seed(self, pair: Pair) -> int | str:
        """The seed that a row tells; empty where it tells none."""
        cell = "" if self.seeds is None else self.cells.of(pair, self.seeds)
        plain = _whole(cell)
        return int(plain) if plain.isdigit() else plain

    def step(self, pair: Pair) -> float | None:
        """The step at which a run was measured; None where no column tells it as a number."""
        return None if self.steps is None else to_number(self.cells.of(pair, self.steps))

    def others(self) -> list[str]:
        """The columns that stand for no domain, no metric and no key, those of known names first."""
        known = [name for name in (*STEPS, *AXES, *MODELS, *SEEDS) if name in self.cells.columns]
        return [name for name in dict.fromkeys((*known, *self.cells.columns)) if name not in self.taken]

    def _joined(self) -> list[Pair]:
        if self.keys is None:
            return [Pair("", row, row) for row in self.first.rows]
        shared = [] if self.single else self._shared()
        weights = self._keyed(self.first, self.keys[0], shared)
        if self.single:
            return [Pair(key[0], row, row) for key, rows in weights.items() for row in rows]
        losses = self._keyed(self.second, self.keys[1], shared)
        if weights and losses and not weights.keys() & losses.keys():
            first, second = next(iter(weights)), next(iter(losses))
            what = f"no key of column '{self.keys[0]}' stands in {self.second.path}"
            what += f": '{first[0]}' here, '{second[0]}' there"
            self.faults.append(Fault(str(self.first.path), f"{what}; another column may be meant (--id)"))
            return []
        self._tell_strays(weights, losses)
        found = []
        for key, rows in weights.items():
            others = losses.get(key, [])
            if len(rows) > 1 and len(others) > 1:
                what = f"the key '{self.keys[0]}' is {key[0]} again, as in line {rows[0].line}, as it is in"
                what += f" {self.second.path}"
                self.faults.append(Fault(self.first.where(rows[1]), what + _OWN_KEY))
                continue
            found += [Pair(key[0], row, other) for row in rows for other in others]
        return found

    def _tell_strays(
        self, weights: Mapping[tuple[str, ...], list[Row]], losses: Mapping[tuple[str, ...], list[Row]]
    ) -> None:
        if not self.whole:
            return
        for rows, others, table, lack in (
            (weights, losses, self.first, f"no losses in {self.second.path}"),
            (losses, weights, self.second, f"no weights in {self.first.path}"),
        ):
            for key, own in rows.items():
                if key not in others:
                    self.collector.stray(f"{key[0]} has {lack}", table.where(own[0]))

    def _shared(self) -> list[str]:
        """Columns beside the key that both tables have and that tell runs of one key from each other."""
        named = () if self.reading.scale_names is None else (SCALE,)
        names = [*STEPS, *SEEDS, *MODELS, *AXES, *named, *(column for column, _ in self.reading.where)]
        both = {*self.first.columns} & {*self.second.columns}
        # What contradicts itself between the tables is told when the scale is read.
        return [name for name in names if name in both and name not in self.taken and name not in AXES]

    def _keyed(self, table: Table, column: str, shared: list[str]) -> dict[tuple[str, ...], list[Row]]:
        """Key, and what both tables tell beside it, to the rows that have it."""
        (position,) = table.positions({"key": column}).values()
        extra = [table.columns.index(name) for name in shared]
        rows: dict[tuple[str, ...], list[Row]] = {}
        for row in table.rows:
            key = _whole(row.cells[position])  # a whole number that passed through a column with gaps
            if not is_name(key) or len(key) > LONGEST_KEY:
                what = f"has {len(key):,} characters, {LONGEST_KEY} are the most" if is_name(key) else _no_key(key)
                self.faults.append(Fault(table.where(row), f"the key '{column}' {what}"))
                continue
            rows.setdefault((key, *(_whole(row.cells[at]) for at in extra)), []).append(row)
        return rows

    def _run_of(self, pairs: list[Pair]) -> Callable[[Pair], Hashable]:
        """From a row to what all checkpoints of a run have in common: its key where keys repeat, else its mixture."""
        repeated = any(count > 1 for count in Counter(pair.key for pair in pairs).values())
        by_key = self.keys is not None and repeated
        extra = [name for name in (self.seeds, *MODELS, "params") if name and name in self.others()]
        weights = [self.first.columns.index(column) for column in self.domains.values()]

        def run(pair: Pair) -> Hashable:
            what = pair.key if by_key else tuple(pair.first.cells[at] for at in weights)
            return what, *(self.cells.of(pair, name) for name in extra)

        return run

    def _each_once(self, pairs: list[Pair]) -> list[Pair]:
        """The rows without copies of others; a key that stands twice with other numbers is a fault."""
        extra = [name for name in (self.seeds, *self.axes, *MODELS) if name and name in self.others()]
        kept: dict[Hashable, Pair] = {}
        copies: list[str] = []
        clashes: list[tuple[Pair, Pair]] = []
        for pair in pairs:
            told = tuple(self.cells.of(pair, name) for name in extra)
            content = self._numbers(pair)
            identity: Hashable = (pair.key, told) if self.keys is not None else (content, told)
            earlier = kept.setdefault(identity, pair)
            if earlier is pair:
                continue
            if self._numbers(earlier) == content:
                copies.append(f"{self._place(pair, earlier)} (as line {self._line(earlier, pair)})")
            else:
                clashes.append((pair, earlier))
        if copies:
            self.notes.append(f"left out {len(copies)} rows that are copies of others: {listed(copies)}")
        self._tell_clashes(clashes)
        self._tell_equal(list(kept.values()))
        return list(kept.values())

    def _tell_clashes(self, clashes: list[tuple[Pair, Pair]]) -> None:
        """Faults for keys that stand twice; a single one where a column tells the rows of many of them apart."""
        told = [{name for name in self.others() if self._differ(name, *clash)} for clash in clashes]
        common = [name for name in self.others() if told and all(name in names for names in told)]
        cure = _OWN_KEY
        if common:
            some = self.cells.of(clashes[0][0], common[0])
            cure += f"; '{common[0]}' tells them apart: --where {common[0]}={some}, or --step {common[0]} for the last"
        many = len(clashes) > _MANY and bool(common)
        for pair, earlier in clashes[:1] if many else clashes:
            assert self.keys is not None, "only rows with a key are of one run for that alone"
            what = f"the key '{self.keys[0]}' is {pair.key} again, as in line {self._line(earlier, pair)}"
            what += f", and so for {len(clashes) - 1} more rows" if many else ""
            self.faults.append(Fault(self._place(pair, earlier), what + cure, kind="key twice"))

    def _differ(self, name: str, pair: Pair, earlier: Pair) -> bool:
        return self.cells.of(pair, name) != self.cells.of(earlier, name)

    def _tell_equal(self, pairs: list[Pair]) -> None:
        """Add a note on runs with keys of their own and the same numbers; all of them are kept."""
        first: dict[Hashable, Pair] = {}
        equal = []
        for pair in pairs if self.keys is not None else ():
            earlier = first.setdefault((self._numbers(pair), self.seed(pair)), pair)
            if earlier is not pair:
                equal.append(f"{pair.key} as {earlier.key}")
        if equal:
            self.notes.append(f"{len(equal)} runs have the same numbers as another one, and are kept: {listed(equal)}")

    def _numbers(self, pair: Pair) -> tuple[Hashable, ...]:
        """The weights and losses of a row as numbers, or as the text that is none."""
        cells = [pair.first.cells[self.first.columns.index(column)] for column in self.domains.values()]
        cells += [pair.second.cells[self.second.columns.index(column)] for column in self.metrics.values()]
        return tuple(cell if (value := to_number(cell)) is None else value for cell in cells)

    def _place(self, pair: Pair, earlier: Pair) -> str:
        """File and line of the row of a pair that is another than that of an earlier one."""
        table, row = (self.second, pair.second) if pair.first is earlier.first else (self.first, pair.first)
        return table.where(row)

    def _line(self, earlier: Pair, pair: Pair) -> int:
        return earlier.second.line if pair.first is earlier.first else earlier.first.line


def _no_key(cell: str) -> str:
    return "is empty" if not cell else f"is {cell[:LONGEST_KEY]!r}, which has control characters"


def _whole(cell: str) -> str:
    """A cell, a whole number without the decimals that a column with gaps gave it."""
    found = _WHOLE.fullmatch(cell)
    return found[1] if found else cell
