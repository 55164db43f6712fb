"""Reads the text column of a file that is a table, and says in which row it is broken."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bomix.contracts.text import Meter
from bomix.errors import DataError
from bomix.training.data.places import Place, follow

_ROWS = 1024
"""Rows that are read at a time: enough for the reader's own batches."""
_FILE_MARK = b"ARROW1"
"""What an Arrow file begins with; one that begins otherwise is a stream."""
_SHOWN = 8  # Names of columns in a message.


def csv_column(path: Place, field: str, lines: Iterable[tuple[int, bytes]]) -> Iterator[str]:
    """Yield a column of comma-separated values whose first line names the columns.

    Args:
        path: The file, for messages.
        field: The column.
        lines: Its lines, each with its number.

    Raises:
        DataError: A row that is broken, of another length than the first, or without the text; with file and line.
    """
    rows = csv.reader(_decoded(path, lines), strict=True)
    header: list[str] | None = None
    while True:
        line = rows.line_num + 1
        try:
            # A document may be longer than what the module takes for a slip; its limit is one for the whole process.
            before = csv.field_size_limit(sys.maxsize)
            try:
                row = next(rows, None)
            finally:
                csv.field_size_limit(before)
        except csv.Error as error:
            raise DataError(f"{path}:{line}: broken CSV ({error}); mend or remove the row") from error
        if row is None:
            return
        if header is None:
            header = row
            if header.count(field) != 1:
                what = "no column" if field not in header else "several columns"
                raise DataError(f"{path}: {what} '{field}' (there are: {some(header)}); set the source's `field`")
        elif row:
            if len(row) != len(header):
                what = f"{len(row)} values where the first line names {len(header)} columns"
                raise DataError(f"{path}:{line}: {what}; mend or remove the row")
            yield row[header.index(field)]


def parquet_column(path: Place, field: str, meter: Meter) -> Iterator[str]:
    """Yield a column of a Parquet file."""
    import pyarrow.parquet as pq

    with _told(path) as row, _opened(path) as source, pq.ParquetFile(source) as file:
        _require(path, field, file.schema_arrow.names)
        total = max(1, file.metadata.num_rows)
        meter.follow(lambda: row[0] / total)
        for batch in file.iter_batches(batch_size=_ROWS, columns=[field], use_threads=False):
            yield from _texts(path, field, batch.column(0), row)


def parquet_records(path: Place) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the records of a Parquet file, each with its place for messages."""
    import pyarrow.parquet as pq

    with _told(path) as row, _opened(path) as source, pq.ParquetFile(source) as file:
        for batch in file.iter_batches(batch_size=_ROWS, use_threads=False):
            for record in batch.to_pylist():
                row[0] += 1
                yield f"{path}, row {row[0]}", record


def arrow_column(path: Place, field: str, meter: Meter) -> Iterator[str]:
    """Yield a column of an Arrow file, or of an Arrow stream, as which the library ``datasets`` keeps its data."""
    import pyarrow as pa

    with _told(path) as row, path.open("rb") as file:
        is_file = file.read(len(_FILE_MARK)) == _FILE_MARK
        file.seek(0)
        if not is_file:
            size = file.seek(0, 2)
            file.seek(0)
            follow(meter, file, size)
        with pa.ipc.open_file(file) if is_file else pa.ipc.open_stream(file) as reader:
            _require(path, field, reader.schema.names)
            count, done = (reader.num_record_batches if is_file else 0), 0
            if is_file:
                meter.follow(lambda: done / max(1, count))
            for batch in map(reader.get_batch, range(count)) if is_file else reader:
                done += 1
                for start in range(0, batch.num_rows, _ROWS):
                    yield from _texts(path, field, batch.column(field)[start : start + _ROWS], row)


def some(names: Iterable[str]) -> str:
    """The first names, for a message."""
    listed = sorted(map(str, names))
    return ", ".join(listed[:_SHOWN]) + (", ..." if len(listed) > _SHOWN else "") if listed else "none"


def _decoded(path: Place, lines: Iterable[tuple[int, bytes]]) -> Iterator[str]:
    for number, line in lines:
        try:
            yield line.decode()
        except UnicodeDecodeError as error:
            raise DataError(f"{path}:{number}: not UTF-8 ({error.reason}); convert the file to UTF-8") from error


def _require(path: Place, field: str, names: list[str]) -> None:
    if field not in names:
        raise DataError(f"{path}: no column '{field}' (there are: {some(names)}); set the source's `field`")


def _texts(path: Place, field: str, column: Any, row: list[int]) -> Iterator[str]:
    for text in column.to_pylist():
        row[0] += 1
        if not isinstance(text, str):
            raise DataError(f"{path}, row {row[0]}: column '{field}' holds {text!r:.40}, not a string")
        yield text


@contextmanager
def _opened(path: Place) -> Iterator[Any]:
    """What pyarrow opens: a path on this machine, or a file that is read over the network."""
    if isinstance(path, Path):
        yield path
    else:
        with path.open("rb") as file:
            yield file


@contextmanager
def _told(path: Place) -> Iterator[list[int]]:
    """The number of the row that was read last, which an error of the block is told with."""
    import pyarrow as pa

    row = [0]
    try:
        yield row
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}, after row {row[0]}: cannot be read ({error}); fetch the file again") from error
