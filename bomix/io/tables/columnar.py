"""Tables in Parquet."""

from __future__ import annotations

import io
from pathlib import Path

from bomix.errors import Fault
from bomix.io.tables.content import LARGEST_TABLE
from bomix.io.tables.delimited import check_names
from bomix.io.tables.records import flattened
from bomix.io.tables.table import Row, Table, as_text

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
        groups = [file.metadata.row_group(at).total_byte_size for at in range(file.metadata.num_row_groups)]
        if sum(groups) > LARGEST_TABLE:
            faults.append(Fault(str(path), f"cannot be read: unpacked it is longer than {LARGEST_TABLE:,} bytes"))
            return None
        table = file.read()
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        faults.append(Fault(str(path), f"is no Parquet that can be read: {' '.join(str(error).split())}"))
        return None
    check_names(table.column_names, str(path), faults)
    if not table.num_rows or not table.num_columns:
        faults.append(Fault(str(path), "has no rows"))
        return None
    if len({*table.column_names}) < table.num_columns:
        return None
    records = [{name: as_text(value) for name, value in flattened(row).items()} for row in table.to_pylist()]
    columns = tuple(dict.fromkeys(name for record in records for name in record))
    rows = [Row(at, tuple(record.get(name, "") for name in columns)) for at, record in enumerate(records, 1)]
    return Table(path, columns, tuple(rows), "row")
