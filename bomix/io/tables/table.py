"""A table as text: named columns, rows that know where they stand, and what a cell says."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

NOTHING = ("", "nan", "-nan", "na", "n/a", "null", "none", "-", "--", "#n/a", "#na", "<na>", "?")
"""How tables write that nobody wrote a number, in lower case."""
_DIVERGED = ("inf", "+inf", "-inf", "infinity", "+infinity", "-infinity")
EMPTY_CELLS = frozenset({*NOTHING, *_DIVERGED})
"""How tables write that there is no number, in lower case; from a loss that is not finite nothing can be learnt."""

WITH_COMMA = re.compile(r"([+-]?\d*),(\d+(?:[eE][+-]?\d+)?%?)")
"""A number with a decimal comma."""
PERCENT_UNITS = frozenset({"%", "percent", "percentage"})
"""Units of metrics whose whole is a hundred."""


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        line: Number of the line in the file where the row begins, from 1; of formats without lines, of the row.
        cells: Text of each column, without surrounding blanks.
    """

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table of a file, every cell as text, whatever the format.

    Attributes:
        path: The file.
        columns: Unique names, in the file's order.
        rows: In the file's order; empty lines are left out.
        counted: What stands before the number of a row where the format has no lines, ``row``.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    counted: str = ""

    def where(self, row: Row) -> str:
        """The place of a row for messages: ``weights.csv:7``, ``weights.parquet:row 7``."""
        return f"{self.path}:{self.counted}{' ' if self.counted else ''}{row.line}"

    def positions(self, columns: Mapping[str, str]) -> dict[str, int]:
        """Name to column becomes name to position in a row."""
        places = {column: position for position, column in enumerate(self.columns)}
        return {name: places[column] for name, column in columns.items()}

    def cells_of(self, column: str) -> list[str]:
        """The cells of a column, in the order of the rows."""
        at = self.columns.index(column)
        return [row.cells[at] for row in self.rows]


def to_number(text: str) -> float | None:
    """A finite number, or None where the text is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    # Python reads 1_000 as a thousand; in a table it is a slip.
    return value if math.isfinite(value) and "_" not in text else None


def to_share(text: str) -> float | None:
    """The share that a cell says, ``0.2`` or ``20%``; None where it says none."""
    if not text.endswith("%"):
        return to_number(text)
    value = to_number(text[:-1].rstrip())
    return None if value is None else value / 100.0


def to_measure(text: str, unit: str = "") -> float | None:
    """What a cell says of a metric: ``31%`` is 31 where its unit is percent, else 0.31; None where it is no number."""
    if text.endswith("%") and unit in PERCENT_UNITS:
        return to_number(text[:-1].rstrip())
    return to_share(text)


def has_comma(text: str) -> bool:
    """Whether a cell is a number with a decimal comma, ``0,25`` or ``12,5%``."""
    return WITH_COMMA.fullmatch(text) is not None


def decimals(cell: str) -> int | None:
    """Digits that a cell prints behind the point, ``2.5e-5`` being 0.000025; None where it holds no number."""
    if cell.endswith("%"):
        found = decimals(cell[:-1].rstrip())
        return None if found is None else found + 2
    if to_number(cell) is None:
        return None
    exponent = Decimal(cell).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else None


def as_text(value: object) -> str:
    """What a cell of a typed format says as text; nothing where it holds nothing.

    Numbers are written with all their digits, so that a table says the same in every format.
    """
    if value is None or value != value:  # not a number, of any library
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(float(value))
    return str(value).strip()
