"""Sheets of Excel's workbooks."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

from bomix.errors import Fault
from bomix.io.tables.content import LARGEST_TABLE
from bomix.io.tables.delimited import check_names
from bomix.io.tables.table import Row, Table, as_text

MAGIC = b"PK\x03\x04"
"""What a workbook begins with: it is an archive."""
OLD_MAGIC = b"\xd0\xcf\x11\xe0"
"""What a workbook of Excel 97 begins with."""


def read_excel(path: Path, raw: bytes, faults: list[Fault], *, sheet: str | None = None) -> Table | None:
    """The table of a sheet whose first row with anything in it names the columns.

    Args:
        path: The file, which faults name.
        raw: What stands in it.
        faults: What is wrong is added here.
        sheet: The sheet; the only one that holds anything where None.

    Returns:
        The table, its rows numbered as the sheet numbers them; None where there is nothing to look at.
    """
    try:
        import openpyxl
    except ModuleNotFoundError:
        faults.append(Fault(str(path), "is a workbook of Excel, which needs openpyxl: pip install 'bomix[excel]'"))
        return None
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            length = sum(part.file_size for part in archive.infolist())
        if length > LARGEST_TABLE:
            faults.append(Fault(str(path), f"cannot be read: unpacked it is longer than {LARGEST_TABLE:,} bytes"))
            return None
        book = openpyxl.load_workbook(io.BytesIO(raw), read_only=True, data_only=True)
        sheets = {each.title: _rows(each) for each in book.worksheets if sheet in (None, each.title)}
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, SyntaxError, OSError) as error:
        faults.append(Fault(str(path), f"is no workbook of Excel that can be read: {error}"))
        return None
    sheets = {name: rows for name, rows in sheets.items() if rows}
    names = [each.title for each in book.worksheets]
    if len(sheets) != 1:
        faults.append(Fault(str(path), _no_sheet(path, sheet, names, list(sheets))))
        return None
    return _table(path, next(iter(sheets.values())), faults)


def _rows(sheet: Any) -> list[Row]:
    """The rows that hold anything."""
    sheet.reset_dimensions()  # what a file says of its size need not be true
    rows = [Row(at, tuple(map(as_text, cells))) for at, cells in enumerate(sheet.iter_rows(values_only=True), 1)]
    return [row for row in rows if any(row.cells)]


def _no_sheet(path: Path, sheet: str | None, names: list[str], filled: list[str]) -> str:
    if sheet is not None and sheet not in names:
        return f"has no sheet '{sheet}' (there are {', '.join(names)})"
    if not filled:
        return "is empty; the first row must name the columns"
    return f"has {len(filled)} sheets ({', '.join(filled)}); name one, as '{path.name}#{filled[0]}'"


def _table(path: Path, rows: list[Row], faults: list[Fault]) -> Table | None:
    header, *body = rows
    width = max(len(row.cells) - next((at for at, cell in enumerate(reversed(row.cells)) if cell), 0) for row in rows)
    columns = tuple((*header.cells, *("",) * width)[:width])
    named = [name for name in columns if name]
    check_names(named, f"{path}:row {header.line}", faults)
    if not body:
        faults.append(Fault(str(path), "has a header and no rows"))
    keep = [at for at, name in enumerate(columns) if name or at == 0]
    for row in body:
        if stray := next((cell for at, cell in enumerate(row.cells) if cell and at not in keep), None):
            what = f"'{stray}' stands in a column that the header does not name"
            faults.append(Fault(f"{path}:row {row.line}", what))
    padded = [Row(row.line, tuple((*row.cells, *("",) * width)[at] for at in keep)) for row in body]
    return Table(path, tuple(columns[at] for at in keep), tuple(padded), "row")
