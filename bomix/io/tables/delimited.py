"""Tables as text: columns divided by commas, semicolons, tabs or bars, the first line naming them."""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
import re
from collections.abc import Sequence
from pathlib import Path

from bomix.errors import Fault
from bomix.io.tables.table import WITH_COMMA, Row, Table, has_comma

_DIVIDERS = ",;\t|"
"""What may stand between columns, the usual one first."""
_LARGEST_CELL = 1_000_000
"""Characters of a cell: a number or a name is far shorter, and a file with one quote too many ends here."""
_WITH_POINT = re.compile(r"[+-]?\d*\.\d+(?:[eE][+-]?\d+)?%?")


def decoded(path: Path, raw: bytes, faults: list[Fault]) -> str | None:
    """The text of a file in UTF-8; None, with the line of the fault, where it is in none."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        faults.append(Fault(f"{path}:{line}", "is not UTF-8; save the table as CSV in that encoding"))
        return None


def read_delimited(path: Path, text: str, faults: list[Fault]) -> Table | None:
    """The table of a text whose first line names the columns.

    Args:
        path: The file, which faults name.
        text: What stands in it.
        faults: What is wrong is added here.

    Returns:
        The table without the rows that cannot be read; None where there is nothing to look at.
    """
    lines = _lines(path, text, _divider(text), faults)
    if not lines:
        faults.append(Fault(str(path), "is empty; the first line must name the columns"))
        return None
    header, *body = lines
    rows = [row for row in body if len(row.cells) == len(header.cells)]
    table = Table(path, header.cells, tuple(rows))
    check_names(table.columns, f"{path}:{header.line}", faults)
    for row in body:
        if (found := len(row.cells)) != len(table.columns):
            what = f"{found} cells, where the header names {len(table.columns)} columns"
            faults.append(Fault(table.where(row), what))
    if not body:
        faults.append(Fault(str(path), "has a header and no rows"))
    return table


def check_names(columns: Sequence[str], where: str, faults: list[Fault]) -> None:
    """A fault for each column that stands twice."""
    for name in sorted({name for name in columns if columns.count(name) > 1}):
        faults.append(Fault(where, f"column '{name}' stands twice; rename or remove one"))


def _divider(text: str) -> str:
    """What divides the first two lines into as many columns, and into most; a comma where nothing does."""
    lines = list(itertools.islice((line for line in io.StringIO(text) if line.strip()), 2))

    def columns(divider: str) -> tuple[bool, int]:
        first, *others = [len(next(csv.reader([line[:_LARGEST_CELL]], delimiter=divider), [])) for line in lines]
        return first > 1 and all(other == first for other in others), first

    return max(_DIVIDERS, key=columns) if lines else _DIVIDERS[0]


def _lines(path: Path, text: str, divider: str, faults: list[Fault]) -> list[Row]:
    """Every line that holds anything, as cells."""
    csv.field_size_limit(_LARGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=divider, strict=True)
    rows: list[Row] = []
    begins = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append(Row(begins, tuple(cell.strip() for cell in cells)))
            begins = reader.line_num + 1
    except csv.Error as error:
        faults.append(Fault(f"{path}:{begins}", f"is no CSV: {error}"))
    return rows


def with_points(table: Table, faults: list[Fault]) -> Table:
    """The table with points for decimal commas; a column that has both is a fault, as points may divide thousands."""
    for at, name in enumerate(table.columns):
        commas = any(has_comma(row.cells[at]) for row in table.rows)
        points = [row for row in table.rows if _WITH_POINT.fullmatch(row.cells[at])]
        if commas and points:
            what = f"column '{name}' has decimal commas, and '{points[0].cells[at]}' with a point; write one of them"
            faults.append(Fault(table.where(points[0]), what))
    rows = [Row(row.line, tuple(WITH_COMMA.sub(_point, cell) for cell in row.cells)) for row in table.rows]
    return dataclasses.replace(table, rows=tuple(rows))


def _point(found: re.Match[str]) -> str:
    """A number with a point, where the whole cell is one with a comma."""
    return f"{found[1]}.{found[2]}" if found[0] == found.string else found[0]
