"""Tables in Parquet."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from bomix.errors import Fault
from bomix.io.tables.content import LARGEST_TABLE
from bomix.io.tables.delimited import check_names
from bomix.io.tables.records import flattened
from bomix.io.tables.table import Row, Table, as_text

_ROWS = 1000
"""Rows that are unpacked at once: those of a thousand columns are some megabytes."""
MAGIC = b"PAR1"
"""What a file of Parquet begins with."""


def read_parquet(path: Path, raw: bytes, faults: list[Fault]) -> Table | None:
    """The table of a file in Parquet, columns of records as one column a key.

    Args:
        path: The file, which faults name.
        raw: What stands in it.
        faults: What is wrong is added here.

    Returns:
        The table, its rows counted from 1; None where there is nothing to look at.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(io.BytesIO(raw))
        table = _bounded(file)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        faults.append(Fault(str(path), f"is no Parquet that can be read: {' '.join(str(error).split())}"))
        return None
    if table is None:
        faults.append(Fault(str(path), f"cannot be read: unpacked it is longer than {LARGEST_TABLE:,} bytes"))
        return None
    check_names(table.column_names, str(path), faults)
    if not table.num_rows or not table.num_columns:
        faults.append(Fault(str(path), "has no rows"))
        return None
    if len({*table.column_names}) < table.num_columns:
        return None
    table = _with_range(table)
    records = [{name: as_text(value) for name, value in flattened(row).items()} for row in table.to_pylist()]
    columns = tuple(dict.fromkeys(name for record in records for name in record))
    rows = [Row(at, tuple(record.get(name, "") for name in columns)) for at, record in enumerate(records, 1)]
    return Table(path, columns, tuple(rows), "row")


def _bounded(file: Any) -> Any:
    """The table of a file, read piece by piece; None where it is longer than a table can be.

    What the file says of its length is that of values that repeat, written once: a few bytes may be a million rows.
    """
    import pyarrow

    pieces, length = [], 0
    for piece in file.iter_batches(batch_size=_ROWS):
        length += piece.nbytes
        if length > LARGEST_TABLE:
            return None
        pieces.append(piece)
    return pyarrow.Table.from_batches(pieces, schema=file.schema_arrow)


def _with_range(table: Any) -> Any:
    """The table with pandas' index as a column where it has a name and counts, which pandas does not write as one."""
    import numpy as np

    for index in (table.schema.pandas_metadata or {}).get("index_columns", ()):
        if isinstance(index, dict) and index.get("kind") == "range" and index.get("name"):
            counted = np.arange(index["start"], index["stop"], index["step"])
            if len(counted) == table.num_rows and index["name"] not in table.column_names:
                table = table.add_column(0, index["name"], [counted])
    return table
