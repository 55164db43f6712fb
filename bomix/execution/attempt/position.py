"""How far a process that trains is, in a file of its attempt that any other process may read meanwhile."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path

from bomix.io.store import files
from bomix.progress import Progress

FILE = ".progress.json"
"""Hidden, since the folder is the evaluator's as well."""
EVERY_S = 2.0
"""Seconds between two notes, at least: as often as people look, and next to nothing beside a training."""
_LIMIT = 1 << 12
"""Bytes that are read of such a file, which holds three numbers unless somebody else wrote it."""


class Position:
    """Notes how far the process of an attempt, or of a group, is.

    Args:
        workdir: The folder with its log.
    """

    def __init__(self, workdir: Path) -> None:
        self._path = workdir / FILE
        self._next = 0.0

    def note(self, update: Progress) -> None:
        """Keep a report, unless the last one is quite new; a disk that is full stops no training."""
        if (now := time.monotonic()) < self._next:
            return
        self._next = now + EVERY_S
        half = self._path.with_name(f"{FILE}.tmp")
        with contextlib.suppress(OSError):
            half.write_text(json.dumps([update.step, update.steps, update.tokens_per_second]), encoding="utf-8")
            half.replace(self._path)

    def end(self) -> None:
        """Remove it, as the process is about to end."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)


def read(workdir: Path) -> Progress | None:
    """How far the process of an attempt said it is; None where it said nothing, or nothing that can be read."""
    try:
        step, steps, speed = json.loads(files.read_bounded(workdir / FILE, _LIMIT))
        return Progress(int(step), int(steps), float(speed))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
