"""Durable files: whole or absent, whatever kills the writer."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

TEMPORARY = ".*.tmp"
"""What the names of unfinished files and folders look like."""


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
        FileExistsError: The folder is there already; it is left as it is.
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
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise FileExistsError(path) from error
        raise
    finally:
        if temporary.exists():
            shutil.rmtree(temporary)
    sync(path.parent)


def replace(path: Path, text: str) -> None:
    """Write a file over whatever stands there; readers see the old text or the new one."""
    with _temporary(path) as temporary:
        _write(temporary, text)
        temporary.replace(path)
    sync(path.parent)


def replace_with(path: Path, write: Callable[[Path], object]) -> None:
    """Like :func:`replace`, for a writer that wants a path: ``write(temporary)``."""
    with _temporary(path) as temporary:
        write(temporary)
        sync(temporary)
        temporary.replace(path)
    sync(path.parent)


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


def _write(path: Path, text: str) -> None:
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
