"""The lock of a study folder: one driver at a time.

The file holds host, process id and start time. A holder that is dead on this host is replaced; one on another
host only where the user says so, never because a clock says that it is old.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from bomix.errors import StoreError
from bomix.io.store import files

NAME = "lock"


@contextmanager
def holding(folder: Path, *, take_over: bool = False) -> Iterator[None]:
    """Hold the lock of a study folder inside the block.

    Args:
        folder: The study folder.
        take_over: Replace a holder on another host.

    Raises:
        StoreError: Another driver holds it; the message says which.
    """
    path = folder / NAME
    mine = _identity()
    with _guard(folder):
        if (holder := read(folder)) is not None:
            _refuse_if_alive(holder, path, take_over)
            path.unlink(missing_ok=True)
        try:
            files.write_new(path, json.dumps(mine) + "\n")
        except FileExistsError:  # the guard is this host's; another host was faster
            raise StoreError(f"another host has just begun to optimise this study ({path})") from None
    try:
        yield
    finally:
        # Somebody may have taken the study over meanwhile; their lock is theirs.
        if read(folder) == mine:
            path.unlink(missing_ok=True)


def read(folder: Path) -> dict[str, Any] | None:
    """The holder that the lock file names: ``host``, ``pid``, ``started``; None without a lock."""
    try:
        data = json.loads((folder / NAME).read_text(encoding="utf-8"))
        return data if isinstance(data, dict) else {}
    except FileNotFoundError:
        return None
    except ValueError:
        return {}


def is_alive(holder: dict[str, Any]) -> bool | None:
    """Whether the holder still runs; None where it is on another host and nobody here can know."""
    if holder.get("host") != socket.gethostname():
        return None if holder.get("host") else False
    try:
        started = psutil.Process(int(holder["pid"])).create_time()
        # A process id is used again; the pair with the start time is not.
        return abs(started - float(holder["started"])) < 1.0
    except (psutil.NoSuchProcess, KeyError, TypeError, ValueError):
        return False


def _refuse_if_alive(holder: dict[str, Any], path: Path, take_over: bool) -> None:
    alive = is_alive(holder)
    if alive:
        raise StoreError(
            f"process {holder['pid']} on this host is already optimising this study ({path}); stop it first"
        )
    if alive is None and not take_over:
        raise StoreError(
            f"process {holder.get('pid')} on host {holder.get('host')} holds this study ({path}); "
            "if it is gone, pass --take-over"
        )


def _identity() -> dict[str, Any]:
    process = psutil.Process()
    return {"host": socket.gethostname(), "pid": process.pid, "started": process.create_time()}


@contextmanager
def _guard(folder: Path) -> Iterator[None]:
    """Make look-and-replace one step among the processes of this host."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
