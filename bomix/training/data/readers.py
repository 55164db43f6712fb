"""Reads the documents or records of one file, here or elsewhere, and says in which line it is broken."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

from bomix.contracts.text import Meter
from bomix.errors import DataError
from bomix.training.data import table_readers
from bomix.training.data.places import Place, follow, size_of
from bomix.training.data.table_readers import some

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_CHUNK = 1 << 16
"""Bytes read at a time: larger ones read no faster."""


def read_documents(path: Place, field: str, meter: Meter | None = None) -> Iterator[str]:
    """Yield the documents of a file in its own order.

    Args:
        path: The file, whose ending says what it is: one of :data:`READERS`.
        field: The field, or column, that holds the text; without meaning for ``.txt``.
        meter: Is told how much of the file is read.

    Raises:
        DataError: A broken line, a missing field, a text that is none; with file and line.
    """
    return READERS[suffix_of(path)](path, field, meter or Meter())


def read_records(path: Place) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the records of a file in its own order, each with its place for messages.

    Raises:
        DataError: A broken line, with file and line; a file that holds texts and no records.
    """
    if (suffix := suffix_of(path)) == ".parquet":
        yield from table_readers.parquet_records(path)
        return
    if suffix not in _LINES:
        known = ", ".join([*_LINES, ".parquet"])
        raise DataError(f"{path}: no records are read from such a file; those of this source must end in {known}")
    for line, place in _objects(path, _LINES[suffix](path, Meter())):
        record = _record(line, place, "")
        try:
            json.dumps(record, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise DataError(f"{place}: holds half a surrogate pair; mend or remove the line") from error
        yield place, record


def suffix_of(path: Place) -> str:
    """The known ending of ``path``.

    Raises:
        DataError: There is no reader for it.
    """
    for suffix in READERS:
        if path.name.lower().endswith(suffix):
            return suffix
    raise DataError(f"{path}: cannot read this kind of file; the source's files must end in {', '.join(READERS)}")


def _text_file(path: Place, field: str, meter: Meter) -> Iterator[str]:
    try:
        with path.open("rb") as file:
            raw = file.read()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    raw = raw.removeprefix(_BYTE_ORDER_MARK)
    try:
        yield raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}:{line}: not UTF-8 ({error.reason}); convert the file to UTF-8") from error


def _json_lines(open_lines: Callable[[Place, Meter], Iterator[bytes]]) -> Callable[[Place, str, Meter], Iterator[str]]:
    def read(path: Place, field: str, meter: Meter) -> Iterator[str]:
        for line, place in _objects(path, open_lines(path, meter)):
            yield _document(line, field, place)

    return read


def _objects(path: Place, lines: Iterator[bytes]) -> Iterator[tuple[bytes, str]]:
    """The objects of a file as JSON with their places: one a line, or, in a ``.json``, the items of one array."""
    numbered = _numbered(path, lines)
    for number, line in numbered:
        if number == 1 and line.lstrip().startswith(b"[") and not suffix_of(path).startswith(".jsonl"):
            yield from _items(path, b"".join([line, *(more for _, more in numbered)]))
        elif line.strip():
            yield line, f"{path}:{number}"


def _items(path: Place, whole: bytes) -> Iterator[tuple[bytes, str]]:
    """The items of the array that a file is; all of it is held in memory."""
    try:
        items = json.loads(whole.decode())
    except UnicodeDecodeError as error:
        line = whole.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}:{line}: not UTF-8 ({error.reason}); convert the file to UTF-8") from error
    except (ValueError, RecursionError) as error:
        cure = "mend the array, or write one object a line (jq -c '.[]', say)"
        raise DataError(f"{path}: broken JSON ({error}); {cure}") from error
    for number, item in enumerate(items, start=1):
        yield json.dumps(item).encode(), f"{path}, item {number}"


def _numbered(path: Place, lines: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
    """Count lines from one; a file that breaks off is told by the line after the last whole one."""
    number = 0
    try:
        for number, line in enumerate(lines, start=1):
            yield number, line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}:{number + 1}: breaks off or is damaged ({error}); fetch the file again") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error})") from error


def _record(line: bytes, place: str, expected: str) -> dict[str, Any]:
    """The object that a line holds; ``expected`` says what of it is needed."""
    try:
        record = json.loads(line.decode())
    except UnicodeDecodeError as error:
        raise DataError(f"{place}: not UTF-8 ({error.reason}); convert the file to UTF-8") from error
    except (ValueError, RecursionError) as error:
        whole = place.endswith(":1") and line.strip() in (b"[", b"{")
        cure = (
            "this reads one object a line, so convert the file (jq -c '.[]', say)"
            if whole
            else "mend or remove the line"
        )
        raise DataError(f"{place}: broken JSON ({error}); {cure}") from error
    if not isinstance(record, dict):
        raise DataError(f"{place}: a JSON {_json_type(record)} where an object{expected} must stand")
    return record


def _document(line: bytes, field: str, place: str) -> str:
    record = _record(line, place, f" with the field '{field}'")
    if field not in record:
        raise DataError(f"{place}: no field '{field}' (there are: {some(record)}); set the source's `field`")
    text = record[field]
    if not isinstance(text, str):
        raise DataError(f"{place}: field '{field}' holds a JSON {_json_type(text)}, not a string")
    # Half of a surrogate pair can be escaped in JSON, but is no text: no tokenizer and no file takes it.
    if b"\\u" in line and any("\ud800" <= character <= "\udfff" for character in text):
        raise DataError(f"{place}: field '{field}' holds half a surrogate pair; mend or remove the line")
    return text


def _csv(open_lines: Callable[[Place, Meter], Iterator[bytes]]) -> Callable[[Place, str, Meter], Iterator[str]]:
    def read(path: Place, field: str, meter: Meter) -> Iterator[str]:
        return table_readers.csv_column(path, field, _numbered(path, open_lines(path, meter)))

    return read


def _plain_lines(path: Place, meter: Meter) -> Iterator[bytes]:
    with path.open("rb") as file:
        follow(meter, file, size_of(path))
        yield from file


def _gzip_lines(path: Place, meter: Meter) -> Iterator[bytes]:
    with path.open("rb") as packed, gzip.GzipFile(fileobj=packed) as file:
        follow(meter, packed, size_of(path))
        yield from file


def _zstd_lines(path: Place, meter: Meter) -> Iterator[bytes]:
    try:
        import zstandard
    except ModuleNotFoundError as error:
        raise DataError(f"{path}: reading .zst needs the package zstandard; pip install zstandard") from error
    with path.open("rb") as file:
        follow(meter, file, size_of(path))
        try:
            yield from _split_lines(_zstd_chunks(file))
        except zstandard.ZstdError as error:
            raise EOFError(str(error)) from error


def _zstd_chunks(file: BinaryIO) -> Iterator[bytes]:
    """Decompress frame after frame; zstandard's own stream reader takes a frame that breaks off for a whole one."""
    import zstandard

    # Long-range archives, common for large corpora, need a window of up to 2 GiB.
    decompressor = zstandard.ZstdDecompressor(max_window_size=2**31)
    stream = None
    while chunk := file.read(_CHUNK):
        while chunk:
            stream = stream or decompressor.decompressobj()
            yield stream.decompress(chunk)
            chunk = b""
            if stream.eof:
                chunk, stream = stream.unused_data, None
    if stream is not None:
        raise EOFError("the last zstd frame is incomplete")


def _split_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    pending: list[bytes] = []
    for chunk in chunks:
        first, *others = chunk.split(b"\n")
        pending.append(first)
        for other in others:
            yield b"".join(pending)
            pending = [other]
    if rest := b"".join(pending):
        yield rest


def _json_type(value: object) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")


_PLAIN = {"": _plain_lines, ".gz": _gzip_lines, ".zst": _zstd_lines}
"""Ending of a packed file to what reads its lines."""
_LINES = {f"{kind}{packed}": lines for kind in (".jsonl", ".json") for packed, lines in _PLAIN.items()}
READERS: dict[str, Callable[[Place, str, Meter], Iterator[str]]] = {
    ".txt": _text_file,
    **{suffix: _json_lines(lines) for suffix, lines in _LINES.items()},
    **{f".csv{packed}": _csv(lines) for packed, lines in _PLAIN.items()},
    ".parquet": table_readers.parquet_column,
    ".arrow": table_readers.arrow_column,
}
"""Ending of a file name to its reader; ``.txt`` is one document a file, ``.json`` one object a line or an array."""
