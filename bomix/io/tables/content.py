"""The bytes of a table's file, unpacked where it is compressed, never more than a table can have."""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path

from bomix.errors import Fault
from bomix.io.store import files

LARGEST_TABLE = 512 * 2**20
"""Bytes of a table: a hundred thousand runs of a hundred domains and metrics have a third of it."""
_LARGEST_WINDOW = 2**27
"""Bytes of memory that a file of zstd may ask for before it is read: what its own program reads unless told."""
_PIECE = 1024
"""Bytes of a file of zstd that are unpacked at once: at the most 32 MiB come of them."""
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_UNREAD = {b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x04\x22\x4d\x18": "lz4"}


def read_content(path: Path, faults: list[Fault]) -> bytes | None:
    """The content of a file, unpacked where it begins as files of gzip or zstd do, whatever its name.

    Args:
        path: The file; a pipe will do.
        faults: What keeps it from being read is added here.

    Returns:
        At most :data:`LARGEST_TABLE` bytes; None where there is a fault.
    """
    try:
        raw = files.bytes_of(path, LARGEST_TABLE, pipes=True)
    except OSError as error:
        faults.append(Fault(str(path), f"cannot be read: {error.strerror or error}"))
        return None
    if (name := next((name for head, name in _UNREAD.items() if raw.startswith(head)), None)) is not None:
        faults.append(Fault(str(path), f"is compressed by {name}; unpack it, or use gzip or zstd"))
        return None
    if not raw.startswith((_GZIP, _ZSTD)):
        return raw
    try:
        # One byte more than may be read tells a table that is too long from one that ends there.
        content = _gunzipped(raw) if raw.startswith(_GZIP) else _unzstd(raw)
    except (EOFError, OSError, zlib.error) as error:
        faults.append(Fault(str(path), f"cannot be unpacked: {error}; it is cut short or damaged"))
        return None
    if len(content) > LARGEST_TABLE:
        faults.append(Fault(str(path), f"cannot be read: unpacked it is longer than {LARGEST_TABLE:,} bytes"))
        return None
    return content


def _gunzipped(raw: bytes) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(raw)) as file:
        return file.read(LARGEST_TABLE + 1)


def _unzstd(raw: bytes) -> bytes:
    import zstandard

    unpacker = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
    content = bytearray()
    part = unpacker.decompressobj()
    at = 0
    try:
        while at < len(raw) and len(content) <= LARGEST_TABLE:
            content += part.decompress(raw[at : at + _PIECE])
            at += _PIECE
            if part.eof and (at := at - len(part.unused_data) if part.unused_data else min(at, len(raw))) < len(raw):
                part = unpacker.decompressobj()
    except zstandard.ZstdError as error:
        raise OSError(str(error)) from error
    # The reader of a stream would take a file that is cut short for one that ends there.
    if not part.eof and len(content) <= LARGEST_TABLE:
        raise EOFError("it ends before its content does")
    return bytes(content)
