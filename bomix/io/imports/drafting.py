"""What a study of runs that are there already consists of, as far as their tables say it.

The study file that is written of it is the user's to change. What the tables leave open is no fault of theirs: it is
said in the notes, with the option that decides it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from bomix.errors import Fault, raise_faults
from bomix.io.imports.columns import Reading, listed
from bomix.io.imports.measures import LOSSES, MEASURES, TRAINING, DraftMetric, guesses, metric_of, words_of
from bomix.io.imports.named_scales import lines_to_add
from bomix.io.imports.scales import AXES, counted
from bomix.io.imports.selecting import kept_rows, named_step
from bomix.io.imports.trackers import STATES, finished, is_tracker, unpacked
from bomix.io.imports.weight_columns import is_measured, mapped_columns, weight_columns
from bomix.io.tables.columns import BOOKKEEPING, DOMAIN, ERRORS, METRIC, Role, find_columns
from bomix.io.tables.reading import comma_faults
from bomix.io.tables.table import EMPTY_CELLS, Table
from bomix.scale import Scale

_NOISE = frozenset(
    {"train", "the", "pile", "metric", "metrics", "val", "valid", "validation", "eval", "test", "loss", "losses"}
    | {"weight", "weights", "ratio", "ratios", "share", "mix", "mixture", "params", "config", "summary", "ppl", "bpb"}
    | {"perplexity", "set", "data", "of", "on"}
)
"""Words in names of columns that say nothing of a domain."""
_SPREADS = (*ERRORS, "_err", "_error", "_std", "_se")
"""What follows the name of a metric's column in that of how far it is off; those beside :data:`ERRORS` are not read."""
_LAYOUT_WORDS = frozenset({"summary", "metrics", "val", "valid", "validation", "eval", "test"})
"""Words of layouts, which are no name of what a column measures."""
_MOST_SCALES = 8
"""Scales of runs that are written into a study file: more sizes are those of checkpoints, as a rule."""


@dataclass(frozen=True)
class Draft:
    """What a study of runs that are there consists of.

    Attributes:
        domains: Name to column.
        metrics: Name to metric.
        own: Metric to the domain that is its own by its name.
        scales: The lines of a study file that name its scales; empty where there are not several.
        largest: The name of the largest of them.
        mapping: Columns that are not found by their names in the study, each to what it is.
        ignores: Whether columns are left out that an import would ask about.
        notes: What was left out or guessed, a line each.
    """

    domains: Mapping[str, str]
    metrics: Mapping[str, DraftMetric]
    own: Mapping[str, str] = field(default_factory=dict)
    scales: str = ""
    largest: str = ""
    mapping: Mapping[str, str] = field(default_factory=dict)
    ignores: bool = False
    notes: tuple[str, ...] = ()


def draft(
    first: Table, second: Table | None, reading: Reading, *, higher: Mapping[str, bool | None] | None = None
) -> Draft:
    """What a study of the runs of some tables consists of.

    Args:
        first: The table that has the weights.
        second: The table that has what was measured; None where the first has that too.
        reading: How the tables are read; only its mapping, rows, key, unit and columns of scales matter.
        higher: Column to whether higher is better, where who measured it says so.

    Raises:
        FaultsError: Domains or metrics cannot be told.
    """
    faults: list[Fault] = []
    notes: list[str] = []
    first = _read(first, reading, faults, notes)
    second = None if second is None else _read(second, reading, faults, notes)
    raise_faults(faults)
    if not first.rows:
        raise_faults([Fault(str(first.path), "no run is left that finished; --where STATE=... takes others")])
    domains = _domains(first, reading, alone=second is not None)
    measured = first if second is None else second
    taken = domains if second is None else {}
    free = [name for name in _free(measured, reading) if name not in taken]
    names = {name: column for column, name in domains.items()}
    metrics = _metrics(measured, free, reading, [] if second is None else list(names))
    left = [name for name in free if name not in metrics and not _is_error(name, free)]
    if left:
        notes.append(f"{measured.path}: left out {listed(left)}; --map COLUMN=losses.NAME makes a metric of one")
    rest = [name for name in _free(first, reading) if second is not None and name not in domains]
    if rest:
        notes.append(f"{first.path}: left out {listed(rest)}")
    ignores = bool(left and not is_tracker(measured.columns)) or bool(rest and not is_tracker(first.columns))
    found = {name: metric_of(measured, column, higher or {}, list(names)) for column, name in metrics.items()}
    notes += guesses(measured, found, higher or {}, list(names))
    scales, largest = _scales([each for each in (first, second) if each is not None], reading, notes)
    own = own_domains(found, names)
    mapping = _to_map(first, measured, names, found)
    return Draft(names, found, own, scales, largest, mapping, ignores, tuple(notes))


def _domains(table: Table, reading: Reading, *, alone: bool) -> dict[str, str]:
    """Column to domain.

    Raises:
        FaultsError: None can be told, or their cells have decimal commas.
    """
    found = weight_columns(table, _free(table, reading), reading.mapping, reading.unit, alone=alone)
    raise_faults(comma_faults(table, found or _free(table, reading)))
    if not found:
        what = "no columns whose rows sum to 1 or 100; say which are weights, --map 'PREFIX*=weights.*'"
        raise_faults([Fault(str(table.path), f"{what}, and add --rescale where they are counts")])
    return found


def _metrics(table: Table, free: Sequence[str], reading: Reading, domains: Sequence[str]) -> dict[str, str]:
    """Column to metric; arguments as of :func:`_metric_columns`.

    Raises:
        FaultsError: None can be told, or their cells have decimal commas.
    """
    numbers = [name for name in free if name in reading.mapping or words_of(name) & MEASURES or name in domains]
    found = _metric_columns(table, free, reading, domains)
    raise_faults(comma_faults(table, [*numbers, *(found or free)]))
    if not found:
        what = "no column of losses or scores can be told; say which they are, --map 'PREFIX*=losses.*'"
        raise_faults([Fault(str(table.path), what)])
    return found


def own_domains(metrics: Mapping[str, DraftMetric], domains: Mapping[str, str]) -> dict[str, str]:
    """Metric to the domain that it is named after, by names or by what is left of the names of their columns."""
    cores: dict[str, list[str]] = {}
    for name, column in domains.items():
        for core in {_core(name), _core(column)} - {""}:
            cores.setdefault(core, []).append(name)
    found = {}
    for name, metric in metrics.items():
        if name in domains:
            found[name] = name
            continue
        fits = cores.get(_core(name)) or cores.get(_core(metric.column)) or []
        if len(fits) == 1:
            found[name] = fits[0]
    return found


def _core(name: str) -> str:
    words = [word.lower() for word in re.findall(r"[a-zA-Z]+|\d+", name)]
    return "".join(word for word in words if word not in _NOISE)


def _read(table: Table, reading: Reading, faults: list[Fault], notes: list[str]) -> Table:
    """The rows that an import would read."""
    table = unpacked(table)
    chosen = {column for column, _ in reading.where}
    return kept_rows(finished(table, {*reading.mapping, *chosen}, notes), reading.where, faults, notes)


def _free(table: Table, reading: Reading) -> list[str]:
    """Columns that may be weights or losses."""
    taken = {*BOOKKEEPING, *STATES, *AXES, *reading.scale_from.values(), *(name for name, _ in reading.where)}
    taken |= {*named_step(reading.step, table.columns)[:1], reading.key or ""}
    return [name for name in table.columns if name not in taken or name in reading.mapping]


def _metric_columns(table: Table, free: Sequence[str], reading: Reading, domains: Sequence[str]) -> dict[str, str]:
    """Column to name of what was measured.

    Args:
        table: The table.
        free: Its columns that stand for nothing else.
        reading: What the user says of columns.
        domains: The domains, in a table of measurements alone: one that is called so is the loss on it.
    """
    if told := mapped_columns(METRIC, reading.mapping, free):
        return told
    numbers = [name for name in free if is_measured(table, name) and not _is_error(name, free, _SPREADS)]
    # The loss of the batches that a run trained on compares with no other run's, which trained on others.
    numbers = [name for name in numbers if not words_of(name) & TRAINING] or numbers
    chosen = _layout_names([name for name in numbers if words_of(name) & LOSSES])
    measures = [name for name in numbers if words_of(name) & MEASURES or name in domains]
    chosen |= {name: name for name in measures if name not in chosen}
    if not chosen and not is_tracker(table.columns):
        chosen = dict(zip(numbers, numbers, strict=True))
    often = Counter(chosen.values())
    return {name: chosen[name] if often[chosen[name]] == 1 else name for name in table.columns if name in chosen}


def _layout_names(columns: Sequence[str]) -> dict[str, str]:
    """Columns of known layouts to the names in them, each by its first layout; their own names where these repeat."""
    found = {}
    for column in columns:
        matches = [match[1] for pattern in METRIC.patterns if (match := pattern.fullmatch(column))]
        names = [name for name in matches if not words_of(name) or words_of(name) - _LAYOUT_WORDS]
        found[column] = names[0] if names else column
    often = Counter(found.values())
    return {column: name if often[name] == 1 else column for column, name in found.items()}


def _is_error(name: str, columns: Collection[str], endings: Sequence[str] = ERRORS) -> bool:
    return any(name.endswith(ending) and name.removesuffix(ending) in columns for ending in endings)


def _scales(tables: Sequence[Table], reading: Reading, notes: list[str]) -> tuple[str, str]:
    """The lines that name the scales of the runs, where there are several, and the name of the largest."""
    columns = {axis: reading.scale_from.get(axis, axis) for axis in AXES}
    table = next((each for each in tables if {*columns.values()} & {*each.columns}), None)
    if table is None:
        return "", ""
    known = {axis: table.cells_of(column) for axis, column in columns.items() if column in table.columns}
    counts = zip(*([_count(axis, cell) for cell in cells] for axis, cells in known.items()), strict=True)
    rows = [dict(zip(known, each, strict=True)) for each in counts]
    scales = {Scale(**each) for each in rows if any(each.values())}
    if len(scales) < 2:
        return "", ""
    if len(scales) > _MOST_SCALES:
        what = f"the runs are of {len(scales)} sizes, too many to name: name those that count as scales in the file"
        notes.append(f"{table.path}: {what}")
        return "", ""
    lines = lines_to_add(scales)
    largest = lines.rsplit("\n", 1)[-1].strip().partition(":")[0]
    notes.append(f"the runs are of {len(scales)} scales; the study decides about the largest, '{largest}'")
    return lines, largest


def _count(axis: str, cell: str) -> int | None:
    count = None if cell.lower() in EMPTY_CELLS else counted(axis, cell)
    return None if count is None else int(count)


def _to_map(
    first: Table, second: Table, domains: Mapping[str, str], metrics: Mapping[str, DraftMetric]
) -> dict[str, str]:
    """Columns that an import of the study would not find by its names, each to what it is."""
    found: dict[str, str] = {}
    chosen = {name: metric.column for name, metric in metrics.items()}
    for role, table, wanted in ((DOMAIN, first, domains), (METRIC, second, chosen)):
        found |= _unfound(role, table, wanted)
    return found


def _unfound(role: Role, table: Table, wanted: Mapping[str, str]) -> dict[str, str]:
    faults: list[Fault] = []
    there = find_columns(table.columns, role, list(wanted), {}, faults, where="")
    if not faults and there == dict(wanted):
        return {}
    return {column: f"{role.prefix}.{name}" for name, column in wanted.items()}
