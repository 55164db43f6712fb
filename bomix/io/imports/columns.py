"""Which columns of two tables stand for what: weights, losses, and the key that joins them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from bomix.errors import Fault, did_you_mean
from bomix.io.imports.scales import countless, scale_columns
from bomix.io.imports.selecting import named_step
from bomix.io.imports.trackers import STATES, is_tracker, tracker_key
from bomix.io.tables.columns import BOOKKEEPING, DOMAIN, ERRORS, KEYS, METRIC, UNNAMED, Role, find_columns, key_columns
from bomix.io.tables.reading import missing_columns
from bomix.io.tables.sums import Unit
from bomix.io.tables.table import Table
from bomix.scale import Scale

if TYPE_CHECKING:
    from bomix.problem import Problem

_SHOWN = 5
"""Names that a message lists before it counts the rest: a line or two of a terminal."""


@dataclass(frozen=True)
class Reading:
    """How tables are read.

    Attributes:
        key: Column that identifies a run in both tables; found by name where None.
        mapping: Column to domain or metric; ``weights.<name>`` and ``losses.<name>`` tell them apart.
        ignore_unknown: Leave out columns that stand for nothing in the study.
        allow_partial: Drop runs that have weights or losses and not both.
        scale: Parameters and tokens of the runs, as far as columns ``params`` and ``tokens`` do not say; None where
            they are unknown.
        scale_named: Whether that is a scale of the study, named for all: a row that tells of other sizes is refused.
        where: Column and value of the rows that are read, the others are left out; of several values of one column any.
        step: Which rows of a run count where a table has its checkpoints: ``last``, a number, a column of which the
            last counts, or ``column=number``. None refuses such a table.
        scale_from: ``params`` or ``tokens`` to the column that holds them, where it has another name.
        scale_names: Column that holds names of the study's scales.
        as_one: Take runs of several scales or models, and repeats of a mixture that are far apart, for comparable.
        prefix: Put before every key, where other runs have the same keys in another table.
        unit: What weights are written in; told by what the rows sum to where None.
        decimal_comma: Whether ``0,25`` is a quarter.
    """

    key: str | None = None
    mapping: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    ignore_unknown: bool = False
    allow_partial: bool = False
    scale: Scale | None = None
    scale_named: bool = False
    where: tuple[tuple[str, str], ...] = ()
    step: str | None = None
    scale_from: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    scale_names: str | None = None
    as_one: bool = False
    prefix: str = ""
    unit: Unit | None = None
    decimal_comma: bool = False


class ColumnSearch:
    """The search for the columns of two tables, or of one that has both weights and losses.

    Args:
        first: The table that has the weights.
        second: The table that has the losses; the same object where one table has both.
        problem: The study's domains and metrics.
        reading: How the tables are read.
        faults: A list to which whatever is wrong with the columns is added.
    """

    def __init__(self, first: Table, second: Table, problem: Problem, reading: Reading, faults: list[Fault]) -> None:
        self.first, self.second, self.problem, self.reading, self.faults = first, second, problem, reading, faults
        self.single = first is second
        self.notes: list[str] = []
        """What is left out, a line each."""
        self._mistaken: set[str] = set()
        """Columns that are mapped to what the study does not have, which is told once."""

    def find(self) -> tuple[dict[str, str], dict[str, str], tuple[str, str] | None]:
        """Find all columns.

        Returns:
            Domain to column of the first table, metric to column of the second, and the column of the key in each
            table; None for the keys where they are missing.
        """
        first, second, mapping = self.first, self.second, self.reading.mapping
        self._check_mapping()
        domain_names, metric_names = self.problem.space.domains, self.problem.metric_names
        domains = find_columns(first.columns, DOMAIN, domain_names, mapping, self.faults, where=str(first.path))
        metrics = find_columns(second.columns, METRIC, metric_names, mapping, self.faults, where=str(second.path))
        keys, errors = self._keys(), self.error_columns(metrics).values()
        self.faults += missing_columns(first, DOMAIN, domain_names, domains)
        if self.single:
            for column in sorted({*domains.values()} & {*metrics.values()}):
                what = f"column '{column}' may be a weight or a loss; map it to 'weights.<name>' or 'losses.<name>'"
                self.faults.append(Fault(str(first.path), what))
            self._unknown(first, [*domains.values(), *metrics.values(), *errors, *(keys or ())], (DOMAIN, METRIC))
        else:
            self._unknown(first, [*domains.values(), *(keys or ())[:1]], (DOMAIN,))
            self._unknown(second, [*metrics.values(), *errors, *(keys or ())[1:]], (METRIC,))
        lacking = [name for name in metric_names if name not in metrics]
        if not metrics:
            what = f"there is no column for any metric; the study has {listed(metric_names)}"
            self.faults.append(Fault(str(second.path), what))
        elif lacking:
            self.notes.append(f"no column for {listed(lacking)}: recorded as not measured")
        return domains, metrics, keys

    def error_columns(self, metrics: Mapping[str, str]) -> dict[str, str]:
        """Metric to the column of its standard errors, for those that have one: its own column's name and an ending."""
        taken = {*metrics.values(), *self.problem.space.domains}
        named = {name: [f"{column}{ending}" for ending in ERRORS] for name, column in metrics.items()}
        known = {*self.second.columns} - taken
        return {
            name: next(each for each in names if each in known) for name, names in named.items() if known & {*names}
        }

    def _check_mapping(self) -> None:
        """Mappings of columns that are not there, or to what the study does not have."""
        domains, metrics = self.problem.space.domains, self.problem.metric_names
        columns = (*self.first.columns, *self.second.columns)
        for column, name in self.reading.mapping.items():
            place = f"{column}={name}"
            if column not in columns:
                self.faults.append(Fault(place, f"no table has a column '{column}'{did_you_mean(column, columns)}"))
            as_domain, as_metric = DOMAIN.target(name, domains), METRIC.target(name, metrics)
            if as_domain is None and as_metric is None:
                self._mistaken.add(column)
                hint = did_you_mean(name, (*domains, *metrics))
                self.faults.append(Fault(place, f"the study has no domain or metric '{name}'{hint}"))
            elif self.single and as_domain is not None and as_metric is not None:
                what = f"'{name}' is a domain and a metric; write 'weights.{name}' or 'losses.{name}'"
                self.faults.append(Fault(place, what))

    def _keys(self) -> tuple[str, str] | None:
        """The key columns; None where they are missing, which a single table can do without."""
        key, tables = self.reading.key, ((self.first,) if self.single else (self.first, self.second))
        if key is not None:
            lacking = [table for table in tables if key not in table.columns]
            for table in lacking:
                what = f"there is no column '{key}' to join by{did_you_mean(key, table.columns)}"
                self.faults.append(Fault(str(table.path), what))
            return None if lacking else (key, key)
        found = key_columns(self.first.columns, self.second.columns)
        if found is None and self.single and (own := tracker_key(self.first.columns)) is not None:
            return own, own
        if found is None and not self.single and (found := self._unnamed_key()) is not None:
            return found
        if found is None and not self.single:
            known = ", ".join(name for group in KEYS for name in group)
            what = f"has no key column in common with {self.second.path} (looked for {known}); name it with --id"
            self.faults.append(Fault(str(self.first.path), what))
        return found

    def _unnamed_key(self) -> tuple[str, str] | None:
        """The unnamed index of both tables, where it tells more than the place of a row; None without one."""
        names = [next((name for name in UNNAMED if name in table.columns), None) for table in (self.first, self.second)]
        first, second = names
        if first is None or second is None:
            return None
        if any(cell != str(at) for at, cell in enumerate(self.first.cells_of(first))):
            self.notes.append("joined by the unnamed first column, pandas' index; --id COLUMN joins by another")
            return first, second
        what = "both tables have an unnamed index that counts 0, 1, 2, which may number other runs in each"
        self.faults.append(Fault(str(self.first.path), f"{what}; name a column with --id, or call it 'index' to join"))
        return first, second

    def _unknown(self, table: Table, taken: Sequence[str], roles: Sequence[Role]) -> None:
        """Add a fault, or a note where they may be left out, for columns that stand for nothing in the study.

        Args:
            table: The table that the columns are of.
            taken: Columns that were found to stand for something.
            roles: What the other columns might have stood for.
        """
        known = {*taken, *BOOKKEEPING, *self.scale_columns(table), *(column for column, _ in self.reading.where)}
        known |= self._mistaken | ({"scale"} if self.reading.scale_names is not None else set())
        known |= {*named_step(self.reading.step, table.columns)[:1], *STATES}
        strays = [column for column in table.columns if column not in known]
        if not strays:
            return
        if self.reading.ignore_unknown or is_tracker(table.columns):
            self.notes.append(f"{table.path}: left out {listed(strays)}")
            return
        names = [name for role in roles for name in self._names(role)]
        kinds = " or ".join(role.kind for role in roles)
        shown = ", ".join(f"'{column}'{_hint(column, names)}" for column in strays)
        what = f"columns that stand for no {kinds} of the study: {shown}; --map COLUMN=NAME or --ignore-unknown"
        self.faults.append(Fault(str(table.path), what))

    def scale_columns(self, table: Table) -> list[str]:
        """Columns of a table that tell of the scale of a run.

        Where unknown columns may be left out, one of these that holds no counts is unknown, too: nothing is half read.
        """
        names = (*self.problem.space.domains, *self.problem.metric_names)
        found = scale_columns(table, {*names, *self.reading.mapping})
        without = countless(table, found) if self.reading.ignore_unknown else []
        return [column for column in found if column not in without]

    def _names(self, role: Role) -> Sequence[str]:
        return self.problem.space.domains if role is DOMAIN else self.problem.metric_names


def _hint(column: str, names: Sequence[str]) -> str:
    hint = did_you_mean(column, names)
    return f" ({hint.removeprefix('; ')})" if hint else ""


def listed(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    shown = ", ".join(names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown
