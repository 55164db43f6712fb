"""Durable files: whole or absent, whatever kills the writer."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

TEMPORARY = ".*.tmp"
"""What the names of unfinished files and folders look like."""


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
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    temporary.mkdir()
    try:
        for name, text in texts.items():
            _write(temporary / name, text)
        sync(temporary)
        temporary.rename(path)  # refuses a folder that has anything in it
    except OSError as error:
        # POSIX lets a system say either of a folder that has something in it.
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST) and path.is_dir():
            raise FolderTaken(path) from error
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


def read_bounded(path: Path, limit: int) -> str:
    """The text of a regular file that others wrote.

    Args:
        path: The file.
        limit: Most bytes that are read.

    Raises:
        OSError: It cannot be read; or it is no regular file, which might never end; or it is longer than that.
        UnicodeDecodeError: It is no UTF-8.
    """
    # Opening a pipe would wait for somebody to write to it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        content = file.read(limit + 1)
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"it is longer than {limit:,} bytes", str(path))
    return content.decode("utf-8")


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
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        yield temporary
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


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
