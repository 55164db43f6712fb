"""Tables of mixtures and losses in CSV files: rows with their line numbers, columns found by name.

Whatever is wrong is told together, each fault with its file and line, so that a table is mended in one go.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from bomix.errors import Fault, did_you_mean, raise_faults
from bomix.io.store import files
from bomix.io.tables.columns import DOMAIN, Role, find_columns
from bomix.space.weights import Weights, normalized
from bomix.trial import SUM_TOLERANCE

if TYPE_CHECKING:
    from bomix.space.mixture_space import MixtureSpace

_NOTHING = ("", "nan", "-nan", "na", "n/a", "null", "none", "-", "--", "#n/a", "#na", "<na>", "?")
_DIVERGED = ("inf", "+inf", "-inf", "infinity", "+infinity", "-infinity")
EMPTY_CELLS = frozenset({*_NOTHING, *_DIVERGED})
"""How tables write that there is no number, in lower case; from a loss that is not finite nothing can be learnt."""

_DIVIDERS = {";": "semicolons", "\t": "tabs", "|": "bars"}
"""What stands between the columns of tables that are no CSV, and its name."""
_LARGEST_TABLE = 512 * 2**20
"""Bytes of a table: a hundred thousand runs of a hundred domains and metrics have a third of it."""
_LARGEST_CELL = 1_000_000
"""Characters of a cell: a number or a name is far shorter, and a file with one quote too many ends here."""


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        line: Number of the line in the file where the row begins, from 1.
        cells: Text of each column, without surrounding blanks.
    """

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A CSV file.

    Attributes:
        path: The file.
        columns: Unique names, as the first line has them.
        rows: In the file's order; empty lines are left out.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def where(self, row: Row) -> str:
        """The place of a row for messages: ``weights.csv:7``."""
        return f"{self.path}:{row.line}"

    def positions(self, columns: Mapping[str, str]) -> dict[str, int]:
        """Name to column becomes name to position in a row."""
        places = {column: position for position, column in enumerate(self.columns)}
        return {name: places[column] for name, column in columns.items()}


@dataclass(frozen=True)
class Mixtures:
    """The mixtures of a table.

    Attributes:
        table: The file as it is, every column kept.
        weights: A mixture for each row, in the same order; each sums to one.
    """

    table: Table
    weights: tuple[Weights, ...]


def read_mixtures(path: str | Path, space: MixtureSpace, *, mapping: Mapping[str, str] | None = None) -> Mixtures:
    """Read a table with a column for each domain; further columns are kept and not looked at.

    Args:
        path: A CSV file with a header.
        space: The domains, which must have a column each; the bounds of the space need not hold.
        mapping: Column to domain, for columns of other names.

    Returns:
        The mixtures in the order of the rows, sums within 1 % of one set right.

    Raises:
        FaultsError: Everything that is wrong, with file and line.
    """
    faults: list[Fault] = []
    title = f"{path} is no table of mixtures:"
    table = read_table(Path(path), faults)
    if table is None:
        raise_faults(faults, title)
        raise AssertionError("a table that is not there has a fault")
    columns = find_columns(table.columns, DOMAIN, space.domains, mapping or {}, faults, where=str(path))
    faults += missing_columns(table, DOMAIN, space.domains, columns)
    doubled = len(set(table.columns)) < len(table.columns)
    if doubled or len(columns) < space.dimension:
        raise_faults(faults, title)
    positions = table.positions(columns)
    weights = [row_weights(table, row, positions, space, faults) for row in table.rows]
    raise_faults(faults, title)
    return Mixtures(table, tuple(weights))


def read_table(path: Path, faults: list[Fault]) -> Table | None:
    """Read a CSV file in UTF-8 whose first line names the columns.

    Args:
        path: The file.
        faults: What is wrong is added here.

    Returns:
        The table without the rows that cannot be read; None where there is nothing to look at.
    """
    try:
        raw = files.bytes_of(path, _LARGEST_TABLE, pipes=True)
    except OSError as error:
        faults.append(Fault(str(path), f"cannot be read: {error.strerror or error}"))
        return None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        faults.append(Fault(f"{path}:{line}", "is not UTF-8; save the table as CSV in that encoding"))
        return None
    lines = _lines(path, text, faults)
    if not lines:
        faults.append(Fault(str(path), "is empty; the first line must name the columns"))
        return None
    header, *body = lines
    table = Table(path, header.cells, tuple(row for row in body if len(row.cells) == len(header.cells)))
    for name in sorted({name for name in table.columns if table.columns.count(name) > 1}):
        faults.append(Fault(f"{path}:{header.line}", f"column '{name}' stands twice; rename or remove one"))
    for row in body:
        if (found := len(row.cells)) != len(table.columns):
            what = f"{found} cells, where the header names {len(table.columns)} columns"
            faults.append(Fault(table.where(row), what))
    if not body:
        faults.append(Fault(str(path), "has a header and no rows"))
    if len(header.cells) == 1 and (divider := next((each for each in _DIVIDERS if each in header.cells[0]), None)):
        what = f"has columns that are divided by {_DIVIDERS[divider]}; save the table with commas"
        faults.append(Fault(f"{path}:{header.line}", what))
        return None
    return table


def missing_columns(table: Table, role: Role, names: Sequence[str], found: Mapping[str, str]) -> list[Fault]:
    """A fault for each name that has no column."""
    taken = set(found.values())
    free = [column for column in table.columns if column not in taken]
    return [
        Fault(str(table.path), f"there is no column for {role.kind} '{name}'{did_you_mean(name, free)}")
        for name in names
        if name not in found
    ]


def row_shares(table: Table, row: Row, positions: Mapping[str, int], faults: list[Fault]) -> dict[str, float] | None:
    """The weights of a row as they stand there; None where one of them is no number.

    Args:
        table: The table, which faults name.
        row: One of its rows.
        positions: Domain to the position of its cell.
        faults: A list to which whatever is wrong with the cells is added; what the weights sum to is not looked at.
    """
    shares: dict[str, float] = {}
    before = len(faults)
    for name, position in positions.items():
        cell = row.cells[position]
        if (share := to_number(cell)) is not None:
            shares[name] = share
            continue
        what = "is empty; write 0 where it has none" if cell.lower() in _NOTHING else f"is '{cell}', not a number"
        faults.append(Fault(table.where(row), f"the weight of domain '{name}' {what}"))
    return shares if len(faults) == before else None


def row_weights(
    table: Table, row: Row, positions: Mapping[str, int], space: MixtureSpace, faults: list[Fault]
) -> dict[str, float]:
    """The mixture of a row, its sum set right.

    Args:
        table: The table, which faults name.
        row: One of its rows.
        positions: Domain to the position of its cell.
        space: The domains; the bounds of the space need not hold.
        faults: A list to which whatever is wrong is added; the mixture is of no use then.
    """
    shares = row_shares(table, row, positions, faults)
    if shares is None:
        return {}
    found = space.faults_of(shares, sum_tolerance=SUM_TOLERANCE, bounded=False)
    faults += [Fault(table.where(row), fault.what) for fault in found]
    return shares if found else normalized(shares)


def decimals(cell: str) -> int | None:
    """Digits that a cell prints behind the point, ``2.5e-5`` being 0.000025; None where it holds no number."""
    if to_number(cell) is None:
        return None
    exponent = Decimal(cell).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else None


def to_number(text: str) -> float | None:
    """A finite number, or None where the text is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    # Python reads 1_000 as a thousand; in a table it is a slip.
    return value if math.isfinite(value) and "_" not in text else None


def _lines(path: Path, text: str, faults: list[Fault]) -> list[Row]:
    """Every line that holds anything, as cells."""
    csv.field_size_limit(_LARGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
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
