"""Durable files: whole or absent, whatever kills the writer."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

TEMPORARY = ".*.tmp"
"""What the names of unfinished files and folders look like."""


RECORD_LIMIT = 256 * 2**20
"""Most bytes of a file of the record: four times those of the largest result that is taken."""
_PIECE = 2**16
"""Bytes that are read at once: a record is smaller, as a rule."""


NO_FOLDER = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
"""What a system says of a folder that is not there, or is something else; any other error may pass."""


class NoPlainFile(OSError):
    """What stands there is no regular file of the size that is read, or lies below what is no folder."""


class FolderTaken(Exception):
    """A folder that was to be created is there already."""


def write_new(path: Path, text: str) -> None:
    """Create a file; durable when this returns.

    Raises:
        FileExistsError: The file is there already; it is left as it is.
    """
    with _temporary(path) as temporary:
        _write(temporary, text)
        os.link(temporary, path)  # unlike rename, fails where the name is taken
    sync(path.parent)


def create_folder(path: Path, texts: Mapping[str, str]) -> None:
    """Create a folder with files in it, all at once; durable when this returns.

    Raises:
        FolderTaken: The folder is there already; it is left as it is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.urandom(6).hex()}.tmp")
    try:
        temporary.mkdir()
        for name, text in texts.items():
            _write(temporary / name, text)
        sync(temporary)
        temporary.rename(path)  # refuses a folder that has anything in it
    except OSError as error:
        # POSIX lets a system say either of a folder that has something in it.
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST) and path.is_dir():
            raise FolderTaken(path) from error
        _name_instead(error, temporary, path)
        raise
    finally:
        if temporary.exists():
            shutil.rmtree(temporary)
    sync(path.parent)


def replace(path: Path, content: str | bytes) -> None:
    """Write a file over whatever stands there; readers see the old content or the new one."""
    with _temporary(path) as temporary:
        _write(temporary, content)
        temporary.replace(path)
    sync(path.parent)


def read_bounded(path: str | Path, limit: int) -> str:
    """The text of a regular file that others wrote.

    Args:
        path: The file.
        limit: Most bytes that are read.

    Raises:
        NoPlainFile: It is no regular file, which might never end, or it is longer than that.
        OSError: It cannot be read.
        UnicodeDecodeError: It is no UTF-8.
    """
    return bytes_of(path, limit).decode("utf-8")


def bytes_of(path: str | Path, limit: int, *, pipes: bool = False) -> bytes:
    """The content of a file that others wrote.

    Args:
        path: The file.
        limit: Most bytes that are read.
        pipes: Whether it may be a pipe, ``<(zcat losses.csv.gz)`` say; one that nobody writes to is empty.

    Raises:
        NoPlainFile: It is a folder, a device, or a pipe that it may not be; or it is longer than that.
        OSError: It cannot be read.
    """
    try:
        # Opening a pipe would wait for somebody to write to it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.ENXIO):
            raise NoPlainFile(error.errno, error.strerror, str(path)) from error
        raise
    content = bytearray()
    try:
        mode = os.fstat(descriptor).st_mode
        if not (stat.S_ISREG(mode) or (pipes and stat.S_ISFIFO(mode))):
            raise NoPlainFile(errno.EINVAL, "it is no regular file", str(path))
        os.set_blocking(descriptor, True)
        while len(content) <= limit and (piece := os.read(descriptor, _PIECE)):
            content += piece
    finally:
        os.close(descriptor)
    if len(content) > limit:
        raise NoPlainFile(errno.EFBIG, f"it is longer than {limit:,} bytes", str(path))
    return bytes(content)


def sync(path: Path) -> None:
    """Make a file's content durable, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    # Not the process id: two threads, or two hosts on one file system, may share it.
    temporary = path.with_name(f".{path.name}.{os.urandom(6).hex()}.tmp")
    try:
        yield temporary
    except BaseException as error:
        with contextlib.suppress(OSError):  # the error weighs more, and has the same cause as a rule
            temporary.unlink()
        if isinstance(error, OSError):
            _name_instead(error, temporary, path)
        raise
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()


def _name_instead(error: OSError, temporary: Path, path: Path) -> None:
    """Have an error name the file or folder that was to be made, and not what it was called until then."""
    if isinstance(error.filename, str | os.PathLike) and Path(error.filename).is_relative_to(temporary):
        error.filename = str(path / Path(error.filename).relative_to(temporary))


def _write(path: Path, content: str | bytes) -> None:
    """Create a file with some content; durable when this returns, though its name may not be."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        left = memoryview(content.encode() if isinstance(content, str) else content)
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
