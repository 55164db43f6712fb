"""Which columns of a table are weights, where no study says its domains: those whose rows sum to one whole."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence

import numpy as np

from bomix.io.imports.mapping import ANY, matches
from bomix.io.tables.columns import DOMAIN, Role
from bomix.io.tables.sums import PERCENT, Unit
from bomix.io.tables.table import EMPTY_CELLS, Table, to_share
from bomix.space.polytope import Array
from bomix.trial import SUM_TOLERANCE

_LAST_DIVIDER = re.compile(r"^(.*[._/ ])[^._/ ]+$")
_EXACT = 1e-9
"""Difference of two sums that adding in another order leaves."""
_WIDEST = 400
"""Columns of numbers among which neighbours are tried that sum to a whole: of more, a pattern says it."""


def weight_columns(
    table: Table, free: Sequence[str], mapping: Mapping[str, str], unit: Unit | None, *, alone: bool
) -> dict[str, str]:
    """Find the columns of the weights.

    In this order: those that are mapped to ``weights.<name>``; those of a known layout; in a table of weights alone all
    columns of numbers, or all that are not the same in every row; those whose names begin the same; the longest row of
    neighbours. Rows of all but the first must sum to one or a hundred. Where none do, a table of weights alone may have
    columns whose rows sum to any number that is the same for all; those that never change, as of devices, are none.

    Args:
        table: A table that has weights.
        free: Its columns that stand for nothing else.
        mapping: Column or pattern to name or pattern, as the user says it.
        unit: What weights are written in, where it was said; counts need not sum to anything.
        alone: Whether the table has nothing but weights that is a number.

    Returns:
        Column to name of the domain; empty where no columns can be told.
    """
    if told := mapped_columns(DOMAIN, mapping, free):
        return told
    shares = {name: found for name in free if (found := _shares(table, name)) is not None}
    layout = named_by_layout(DOMAIN, list(shares))
    if len(layout) > 1 and _whole([shares[name] for name in layout], unit, alone=alone):
        return layout
    groups = sorted(_by_prefix(list(shares)).values(), key=len, reverse=True)
    changing = [name for name, cells in shares.items() if len(cells) == 1 or np.ptp(cells) > 0.0]
    for names in [*([list(shares), changing] if alone else []), *groups]:
        if len(names) > 1 and _whole([shares[name] for name in names], unit):
            return _without_prefix(names)
    if neighbours := _neighbours(shares):
        return dict(zip(neighbours, neighbours, strict=True))
    for names in [changing, *groups] if alone else []:
        if len(names) > 1 and _whole([shares[name] for name in names], unit, alone=True):
            return _without_prefix(names)
    return {}


def mapped_columns(role: Role, mapping: Mapping[str, str], columns: Sequence[str]) -> dict[str, str]:
    """The columns that a mapping says to be of a role, ``weights.<name>`` or ``losses.<name>``, each to its name."""
    found: dict[str, str] = {}
    for column, target in mapping.items():
        name = target.removeprefix(f"{role.prefix}.")
        if name == target:
            continue
        if column in columns:
            found[column] = name
        elif ANY in column:
            fitting = matches(column, [each for each in columns if each not in mapping])
            found |= {each: name.replace(ANY, text) for each, text in fitting.items()}
    return found


def named_by_layout(role: Role, columns: Sequence[str]) -> dict[str, str]:
    """The columns of the known layout that most of them have, each to the name in it."""
    found = [
        {column: match[1] for column in columns if (match := pattern.fullmatch(column))} for pattern in role.patterns
    ]
    best = max(found, key=len)
    return best if len({*best.values()}) == len(best) else {}


def _shares(table: Table, column: str) -> Array | None:
    """The cells of a column as shares; None where one of them is none, or negative."""
    cells = [to_share(cell) for cell in table.cells_of(column)]
    known = [cell for cell in cells if cell is not None and cell >= 0.0]
    return np.array(known) if known and len(known) == len(cells) else None


def _whole(shares: Sequence[Array], unit: Unit | None, *, alone: bool = False) -> bool:
    """Whether rows of some columns sum to one or a hundred; in a table of weights alone, all to one number."""
    if unit == "parts":
        return True
    sums = np.sum(shares, axis=0)
    middle = float(np.median(sums))
    constant = middle > 0.0 and bool(np.all(np.abs(sums - middle) <= SUM_TOLERANCE * middle))
    known = any(abs(middle - whole) <= SUM_TOLERANCE * whole for whole in (1.0, PERCENT))
    return constant and (known or (alone and len(sums) > 1))


def _by_prefix(columns: Sequence[str]) -> dict[str, list[str]]:
    """Columns by what their names begin with, up to the last divider."""
    groups: dict[str, list[str]] = {}
    for column in columns:
        if found := _LAST_DIVIDER.match(column):
            groups.setdefault(found[1], []).append(column)
    return groups


def _without_prefix(columns: Sequence[str]) -> dict[str, str]:
    """Names without what all of them begin with, up to a divider."""
    prefixes = {found[1] for column in columns if (found := _LAST_DIVIDER.match(column))}
    if len(prefixes) == 1 and all(_LAST_DIVIDER.match(column) for column in columns):
        (prefix,) = prefixes
        return {column: column.removeprefix(prefix) for column in columns}
    return dict(zip(columns, columns, strict=True))


def _neighbours(shares: Mapping[str, Array]) -> list[str]:
    """The neighbouring columns whose rows are nearest to one, or to a hundred; the most of them where several are."""
    names = list(shares)[:_WIDEST]
    if len(names) < 2:
        return []
    totals = np.vstack([np.zeros_like(shares[names[0]]), np.cumsum([shares[name] for name in names], axis=0)])
    best: tuple[float, int, int] = (SUM_TOLERANCE + _EXACT, 0, 0)
    for length, start in itertools.product(range(len(names), 1, -1), range(len(names))):
        if start + length > len(names):
            continue
        sums = totals[start + length] - totals[start]
        missed = min(float(np.max(np.abs(sums / whole - 1.0))) for whole in (1.0, PERCENT))
        if missed < best[0] - _EXACT:
            best = (missed, start, length)
    return names[best[1] : best[1] + best[2]]


def is_measured(table: Table, column: str) -> bool:
    """Whether a column holds numbers, and else only what says that there is none."""
    cells = table.cells_of(column)
    numbers = [to_share(cell) for cell in cells if cell.lower() not in EMPTY_CELLS]
    return any(cell is not None and math.isfinite(cell) for cell in numbers) and None not in numbers
