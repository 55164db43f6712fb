"""Folders that are expensive to make, made once: all or nothing, whoever asks and whenever it is killed."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from bomix.errors import DataError
from bomix.io.store import files

logger = logging.getLogger(__name__)

_RECORD = "record.json"


def cache_folder(name: str | None = None) -> Path:
    """The folder of everything that can be made again.

    Args:
        name: The user's choice; else the environment variable ``BOMIX_CACHE``, else the platform's own place.
    """
    if chosen := name or os.environ.get("BOMIX_CACHE"):
        return Path(chosen).expanduser().absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "bomix"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bomix"


def build_once(folder: Path, write: Callable[[Path], Mapping[str, Any]], *, resumable: bool = False) -> None:
    """Make ``folder`` unless it is there and whole; other processes that want the same one wait.

    Args:
        folder: What is made; a damaged one is replaced.
        write: Fills an empty folder and returns what :func:`read_record` shall find, plain JSON. Where it raises,
            or its process is killed, nothing is left that counts.
        resumable: Whether ``write`` goes on from what a call of it has left that was killed or interrupted. Where it
            raises an error of bomix, nothing is left all the same.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.with_name(f"{folder.name}.lock")):
        if is_whole(folder):
            return
        # Whoever left these behind was killed: while it lived, it held the lock.
        building = folder.with_name(f".{folder.name}.{'part' if resumable else uuid4().hex[:8]}")
        for leftover in folder.parent.glob(f".{folder.name}.*"):
            if leftover != building:
                shutil.rmtree(leftover, ignore_errors=True)
        building.mkdir(exist_ok=True)
        keep = False
        try:
            _seal(building, write(building))
            if folder.exists():
                logger.warning("%s is damaged; it is replaced", folder)
                folder.rename(folder.with_name(f".{folder.name}.damaged"))
            building.rename(folder)
            files.sync(folder.parent)
        except (KeyboardInterrupt, OSError):  # a full disk, a signal: what was done is gone on from
            keep = resumable
            raise
        finally:
            if not keep:
                shutil.rmtree(building, ignore_errors=True)
            shutil.rmtree(folder.with_name(f".{folder.name}.damaged"), ignore_errors=True)


def read_record(folder: Path) -> dict[str, Any]:
    """What ``write`` returned when ``folder`` was made.

    Raises:
        DataError: The folder is not there, its record is damaged, or a file of it lacks or has another size.
    """
    try:
        sealed = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        content, checksum = sealed["content"], sealed["sha256"]
    except FileNotFoundError as error:
        raise DataError(f"{folder} is not there or not finished; run `bomix check` to build it") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder / _RECORD} is damaged ({error}); run `bomix check` to build it again") from error
    if checksum != _checksum(content):
        raise DataError(f"{folder / _RECORD} is damaged: its checksum is wrong; run `bomix check` to build it again")
    for name, size in content["files"].items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != size:
            raise DataError(f"{path} is missing or cut short; run `bomix check` to build it again")
    record: dict[str, Any] = content["record"]
    return record


def is_whole(folder: Path) -> bool:
    """Whether :func:`read_record` would succeed."""
    try:
        read_record(folder)
    except DataError:
        return False
    return True


def _seal(folder: Path, record: Mapping[str, Any]) -> None:
    """Make all files durable and write, last, the record that makes the folder count."""
    sizes = {}
    for path in sorted(folder.rglob("*")):
        files.sync(path)
        if path.is_file():
            sizes[path.relative_to(folder).as_posix()] = path.stat().st_size
    content = {"files": sizes, "record": record}
    text = json.dumps({"content": content, "sha256": _checksum(content)}, indent=1)
    (folder / _RECORD).write_text(text, encoding="utf-8")
    files.sync(folder / _RECORD)
    files.sync(folder)


def _checksum(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a file's lock, which the kernel gives back when the process ends in any way.

    Linux and macOS only. The lock file is never removed: a process that waits on a removed one and a process that
    makes it anew would both hold a lock.
    """
    import fcntl

    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.info("another process is building %s; waiting for it", path.with_suffix(""))
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
