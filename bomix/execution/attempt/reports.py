"""What a process says while it trains, in a file of its attempt: for drivers that share no pipe with it."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bomix.execution.attempt.lines import LineReader
from bomix.progress import Progress
from bomix.trial import Trial

FILE = ".reports.jsonl"
"""Hidden, since the folder is the evaluator's as well."""
EVERY_S = 2.0
"""Seconds between two writes, at least: as often as people look, and next to nothing beside a training."""
KEPT = 16
"""Reports that are kept until they are written: of a training that reports each step, the newest."""
LOSSES = 16
"""Losses of a report that are written: a driver shows the first ones."""
_LIMIT = 1 << 20
"""Bytes that are read at once: reports of some minutes have a hundredth of it."""


class Reports:
    """Writes what an attempt, or a group of them, reports.

    Args:
        folder: The folder of the first attempt.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._next = 0.0
        self._kept: list[dict[str, Any]] = []

    def report(self, update: Progress) -> None:
        """Keep a report, and write what is kept where the last write was some time ago."""
        losses = {name: float(loss) for name, loss in list(update.losses.items())[:LOSSES]}
        data = {"step": update.step, "steps": update.steps, "tokens_per_second": update.tokens_per_second}
        self._kept = [*self._kept[1 - KEPT :], {**data, "losses": losses, "trial": update.trial}]
        if time.monotonic() >= self._next:
            self.flush()

    def finished(self, trial: Trial) -> None:
        """Write that a trial of a group is finished, while others may go on."""
        self.flush()
        self._kept = [{"finished": trial.id}]
        self.flush()

    def flush(self) -> None:
        """Write what is kept; a disk that is full stops no training."""
        self._next = time.monotonic() + EVERY_S
        lines = "".join(json.dumps(each) + "\n" for each in self._kept)
        self._kept = []
        with contextlib.suppress(OSError), self._path.open("a", encoding="utf-8") as file:
            file.write(lines)


class Reader:
    """Reads what :class:`Reports` writes, each line once.

    Args:
        folder: The folder of the first attempt.
    """

    def __init__(self, folder: Path) -> None:
        self._lines = LineReader(folder / FILE, limit=_LIMIT)

    def new(self) -> Iterator[Progress | int]:
        """Reports, and ids of trials of a group that are finished, since the last call; what is none is skipped."""
        for data in self._lines.new():
            with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError):
                yield int(data["finished"]) if "finished" in data else _progress(data)


def _progress(data: dict[str, Any]) -> Progress:
    losses = {str(name): float(loss) for name, loss in data["losses"].items()}
    trial = data["trial"]
    numbers = (int(data["step"]), int(data["steps"]), float(data["tokens_per_second"]))
    return Progress(*numbers, losses, None if trial is None else int(trial))
