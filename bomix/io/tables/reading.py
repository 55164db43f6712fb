"""Tables of mixtures and losses: files of any format as rows with their numbers, columns found by name.

Whatever is wrong is told together, each fault with its file and line, so that a table is mended in one go.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bomix.errors import Fault, did_you_mean, raise_faults
from bomix.io.tables import columnar, excel
from bomix.io.tables.columns import DOMAIN, Role, find_columns
from bomix.io.tables.content import read_content
from bomix.io.tables.delimited import decoded, read_delimited, with_points
from bomix.io.tables.records import looks_like_json, read_json
from bomix.io.tables.sums import divisors
from bomix.io.tables.table import NOTHING, Row, Table, has_comma, to_share
from bomix.space.phased import PhasedSpace
from bomix.space.weights import Weights, normalized
from bomix.trial import SUM_TOLERANCE

if TYPE_CHECKING:
    from bomix.space.mixture_space import MixtureSpace

_ARROW = b"ARROW1"
SHOWN = 5
"""Faults of one kind that are shown before the others are counted: a cause is seen in a few lines."""


@dataclass(frozen=True)
class Mixtures:
    """The mixtures of a table.

    Attributes:
        table: The file as it is, every column kept.
        weights: A mixture for each row, in the same order; each sums to one.
        notes: How the table was understood where it does not say, a line each.
    """

    table: Table
    weights: tuple[Weights, ...]
    notes: tuple[str, ...] = ()


def read_mixtures(path: str | Path, space: MixtureSpace, *, mapping: Mapping[str, str] | None = None) -> Mixtures:
    """Read a table with a column for each domain; further columns are kept and not looked at.

    Args:
        path: A file of any format that :func:`read_table` reads.
        space: The domains, which must have a column each; the bounds of the space need not hold. Of two phases the
            columns may as well be those of one mixture for both.
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
        raise_faults(faults, title, most=SHOWN)
        raise AssertionError("a table that is not there has a fault")
    named = [*table.columns, *(mapping or {}).values()]
    if isinstance(space, PhasedSpace) and not space.phases.are_columns(named):
        space = space.single  # one mixture for both phases
    columns = find_columns(table.columns, DOMAIN, space.domains, mapping or {}, faults, where=str(path))
    faults += missing_columns(table, DOMAIN, space.domains, columns)
    doubled = len(set(table.columns)) < len(table.columns)
    if doubled or len(columns) < space.dimension:
        raise_faults(faults, title, most=SHOWN)
    positions = table.positions(columns)
    notes: list[str] = []
    divided = divisors(table, positions, None, faults, notes, options=False)
    weights = (
        []
        if divided.known
        else [
            row_weights(table, row, positions, space, faults, whole=divided.of.get(row.line, 1.0)) for row in table.rows
        ]
    )
    raise_faults(faults, title, most=SHOWN)
    return Mixtures(table, tuple(weights), tuple(notes))


def read_table(path: Path, faults: list[Fault], *, decimal_comma: bool = False) -> Table | None:
    """Read a table in CSV (divided by commas, semicolons, tabs or bars), JSON, Parquet or Excel.

    What a file is, and whether gzip or zstd compressed it, is told by how it begins, not by its name.

    Args:
        path: The file; ``runs.xlsx#small`` is a sheet of a workbook.
        faults: What is wrong is added here.
        decimal_comma: Whether the text ``0,25`` is a quarter.

    Returns:
        The table without the rows that cannot be read; None where there is nothing to look at.
    """
    table = _table(path, faults)
    return table if table is None or not decimal_comma else with_points(table, faults)


def _table(path: Path, faults: list[Fault]) -> Table | None:
    """The table of a file as it is written."""
    file, sheet = _with_sheet(path)
    raw = read_content(file, faults)
    if raw is None:
        return None
    if raw.startswith(columnar.MAGIC):
        return columnar.read_parquet(file, raw, faults)
    if raw.startswith(excel.MAGIC):
        return excel.read_excel(file, raw, faults, sheet=sheet)
    if raw.startswith(excel.OLD_MAGIC):
        faults.append(Fault(str(file), "is a workbook of Excel 97; save it as .xlsx, or as CSV"))
        return None
    if raw.startswith(_ARROW):
        faults.append(Fault(str(file), "is a file of Arrow; save it as Parquet"))
        return None
    if (text := decoded(file, raw, faults)) is None:
        return None
    if looks_like_json(text):
        return read_json(file, text, faults)
    return read_delimited(file, text, faults)


def _with_sheet(path: Path) -> tuple[Path, str | None]:
    """A file, and the sheet that is named behind ``#``; a file whose own name has that is meant itself."""
    name, divider, sheet = path.name.rpartition("#")
    with contextlib.suppress(OSError):  # what cannot be looked at is told when it is read
        if divider and name and sheet and not path.exists() and path.with_name(name).exists():
            return path.with_name(name), sheet
    return path, None


def missing_columns(table: Table, role: Role, names: Sequence[str], found: Mapping[str, str]) -> list[Fault]:
    """A fault for each name that has no column."""
    taken = set(found.values())
    free = [column for column in table.columns if column not in taken]
    return [
        Fault(str(table.path), f"there is no column for {role.kind} '{name}'{did_you_mean(name, free)}")
        for name in names
        if name not in found
    ]


def comma_faults(table: Table, columns: Iterable[str]) -> list[Fault]:
    """One fault where cells of some columns are numbers with decimal commas; none where there are none.

    Args:
        table: A table, in which decimal commas are points where the user said that it has such.
        columns: Columns that must hold numbers.
    """
    cells = {name: next(filter(has_comma, table.cells_of(name)), None) for name in columns}
    found = {name: cell for name, cell in cells.items() if cell is not None}
    if not found:
        return []
    (name, cell), *others = found.items()
    which = f"column '{name}'" + (f" and {len(others)} more columns" if others else "")
    what = f"numbers with a comma in {which}, as '{cell}'; --decimal-comma reads it as {cell.replace(',', '.')}"
    return [Fault(str(table.path), what, kind="decimal commas")]


def row_shares(
    table: Table, row: Row, positions: Mapping[str, int], faults: list[Fault], *, whole: float = 1.0
) -> dict[str, float] | None:
    """The weights of a row as they stand there; None where one of them is no number.

    Args:
        table: The table, which faults name.
        row: One of its rows.
        positions: Domain to the position of its cell.
        faults: A list to which whatever is wrong with the cells is added; what the weights sum to is not looked at.
        whole: What each is divided by.
    """
    shares: dict[str, float] = {}
    before = len(faults)
    for name, position in positions.items():
        cell = row.cells[position]
        if (share := to_share(cell)) is not None:
            shares[name] = share / whole
            continue
        what = "is empty; write 0 where it has none" if cell.lower() in NOTHING else f"is '{cell}', not a number"
        faults.append(Fault(table.where(row), f"the weight of domain '{name}' {what}"))
    return shares if len(faults) == before else None


def row_weights(
    table: Table,
    row: Row,
    positions: Mapping[str, int],
    space: MixtureSpace,
    faults: list[Fault],
    *,
    whole: float = 1.0,
) -> dict[str, float]:
    """The mixture of a row, its sum set right.

    Args:
        table: The table, which faults name.
        row: One of its rows.
        positions: Domain to the position of its cell.
        space: The domains; the bounds of the space need not hold.
        faults: A list to which whatever is wrong is added; the mixture is of no use then.
        whole: What each weight is divided by.
    """
    shares = row_shares(table, row, positions, faults, whole=whole)
    if shares is None:
        return {}
    found = space.faults_of(shares, sum_tolerance=SUM_TOLERANCE, bounded=False)
    faults += [Fault(table.where(row), fault.what) for fault in found]
    return shares if found else normalized(shares)
