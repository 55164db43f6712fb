"""The lock of a study folder: one driver at a time.

On one host the operating system decides: the driver holds a lock on the file ``lock``, which goes when the process
does, however it ends, and whatever clocks and process ids say. The file ``driver.json`` beside it only explains: host,
boot and process of the holder. Where it names another host whose lock cannot be seen from here, the user decides
(``--take-over``), never a clock.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bomix.errors import StoreError
from bomix.io.store import files

NAME = "lock"
"""The file that is locked; it stays when nobody holds it."""
HOLDER = "driver.json"
"""The file that says who holds the lock."""

_LONGEST = 10_000
"""Bytes of the holder's file: four short words."""
_PATIENCE_S = 1.0
"""Seconds to wait for the lock: longer than another command looks at it, shorter than any driver holds it."""
_BOOT_FILE = Path("/proc/sys/kernel/random/boot_id")
"""Names the running kernel, on Linux: two processes that read the same share it, containers or not."""
_MACHINE_FILE = Path("/etc/machine-id")
"""Names the installation, on Linux: it outlives a restart; containers may lack it."""


@contextmanager
def holding(folder: Path, *, take_over: bool = False) -> Iterator[None]:
    """Hold the lock of a study folder inside the block.

    Args:
        folder: The study folder.
        take_over: Replace a holder on another host.

    Raises:
        StoreError: Another driver holds it, or may; the message says which.
    """
    from filelock import FileLock, Timeout  # asyncio comes with it, and who only looks needs neither

    lock = FileLock(folder / NAME)
    try:
        lock.acquire(timeout=_PATIENCE_S)
    except Timeout:
        raise StoreError(f"{named(read(folder))} is already optimising this study ({folder}); stop it first") from None
    try:
        holder, mine = read(folder), _identity()
        if holder is not None and not take_over and _out_of_sight(holder):
            raise StoreError(f"{named(holder)} holds this study ({folder / HOLDER}); if it is gone, pass --take-over")
        files.replace(folder / HOLDER, json.dumps(mine) + "\n")
        try:
            yield
        finally:
            # Somebody on another host may have taken the study over meanwhile; what they wrote is theirs.
            if read(folder) == mine:
                (folder / HOLDER).unlink(missing_ok=True)
    finally:
        lock.release()


def read(folder: Path) -> dict[str, Any] | None:
    """The holder as it wrote itself down: ``host``, ``boot``, ``machine``, ``pid``.

    Empty where the file is damaged, None without one.
    """
    try:
        data = json.loads(files.read_bounded(folder / HOLDER, _LONGEST))
        return data if isinstance(data, dict) else {}
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError, files.NoPlainFile):
        return {}


def is_held(folder: Path) -> bool | None:
    """Whether a driver holds the lock of a study folder; None where one on another host may, which nobody here sees."""
    try:
        descriptor = os.open(folder / NAME, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        return _seen_as_free(folder)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks: the holder's word is all there is
        return None if read(folder) is not None else False
    finally:
        os.close(descriptor)
    return _seen_as_free(folder)


def _seen_as_free(folder: Path) -> bool | None:
    """False where no lock is seen, and whoever is written down would be seen here; None where they would not."""
    holder = read(folder)
    return None if holder is not None and _out_of_sight(holder) else False


def _out_of_sight(holder: dict[str, Any]) -> bool:
    """Whether a lock of this holder could not be seen here: it is on another host, or nobody can tell that it is not.

    The same host name is not enough: machines and containers that are called alike share file systems.
    """
    mine = _identity()
    if any(mine[name] is not None and holder.get(name) == mine[name] for name in ("boot", "machine")):
        return False  # the same kernel, which would know of its lock, or the same machine, restarted since
    if holder.get("boot") is None or mine["boot"] is None:
        return bool(holder.get("host")) and holder["host"] != mine["host"]
    return True


def named(holder: dict[str, Any] | None) -> str:
    """A holder, as :func:`read` gives it, in words."""
    if not holder or "pid" not in holder:
        return "another process"
    host = "this host" if holder.get("host") == socket.gethostname() else f"host {holder.get('host')}"
    return f"process {holder['pid']} on {host}"


def _identity() -> dict[str, Any]:
    names = {"boot": _content(_BOOT_FILE), "machine": _content(_MACHINE_FILE)}
    return {"host": socket.gethostname(), **names, "pid": os.getpid()}


def _content(path: Path) -> str | None:
    """What a file of one line holds; None where there is none, or it is empty."""
    with contextlib.suppress(OSError):
        return path.read_text(encoding="ascii").strip() or None
    return None
