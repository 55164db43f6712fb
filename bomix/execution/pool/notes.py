"""What a driver and a worker elsewhere write into the folder of an attempt for each other to read.

A pool of workers takes calls and gives back what they return, and knows no more: no reports meanwhile, no way to end a
call that runs, nothing of a driver that died. The folder of the attempt does, which both must see anyway. The driver
keeps a note there that says what is wanted, and how often it was renewed; the worker claims the attempt, and appends
what happens to a list of events.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bomix.contracts.executor import Ended, Event, Reported
from bomix.execution.attempt.lines import LineReader
from bomix.io.store import files, records
from bomix.progress import Progress
from bomix.trial import Trial

WANTED_FILE = ".wanted.json"
"""The driver's note. Hidden, as the others: the folder is the evaluator's as well."""
CLAIM_FILE = ".claim"
"""Says which worker runs the attempt; it stays, so that no second one ever does."""
EVENTS_FILE = ".events"
"""What the worker tells, a line for each event."""
_LIMIT = 1 << 16
"""Bytes that are read of a note at once, which has a few hundred unless somebody else wrote it."""
_EVENTS_LIMIT = 1 << 26
"""Bytes that are read of new events at once: a result with curves has some megabytes."""


@dataclass(frozen=True)
class Wanted:
    """What the driver says of an attempt.

    Attributes:
        token: Names the run of the study that the attempt belongs to; another one has taken over where it changed.
        beat: Raised while the driver lives; whoever finds it standing still for long takes the driver for dead.
        cancelled: Ids of trials that are not wanted any more.
    """

    token: str
    beat: int = 0
    cancelled: tuple[int, ...] = ()

    def write(self, folder: Path) -> None:
        """Put it into the folder of an attempt.

        Raises:
            OSError: It cannot be written.
        """
        # No fsync: it is of use only while both live.
        half = folder / f"{WANTED_FILE}.tmp"
        half.write_text(json.dumps([self.token, self.beat, list(self.cancelled)]), encoding="utf-8")
        half.replace(folder / WANTED_FILE)

    @classmethod
    def read(cls, folder: Path) -> Wanted | None:
        """What the driver says; None where that cannot be read."""
        try:
            token, beat, cancelled = json.loads(files.read_bounded(folder / WANTED_FILE, _LIMIT))
            return cls(str(token), int(beat), tuple(map(int, cancelled)))
        except (OSError, ValueError, TypeError, RecursionError):
            return None


class Writing:
    """Keeps the notes of the attempts that a driver has under way, with signs that it lives.

    Args:
        token: Names this run of the study.
        beat_s: Seconds between two signs.
    """

    def __init__(self, token: str, *, beat_s: float) -> None:
        self._token = token
        self._notes: dict[Path, Wanted] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        threading.Thread(target=self._live, args=(beat_s,), daemon=True).start()

    def begin(self, folder: Path) -> None:
        """An attempt is wanted.

        Raises:
            OSError: Its folder cannot be written to.
        """
        with self._lock:
            note = Wanted(self._token)
            note.write(folder)
            self._notes[folder] = note

    def cancel(self, folder: Path, trials: Iterable[int]) -> None:
        """Trials of an attempt are not wanted any more; no error where that cannot be written."""
        with self._lock:
            note = self._notes[folder]
            self._notes[folder] = replace(note, cancelled=tuple({*note.cancelled, *trials}))
            self._renew(folder)

    def end(self, folder: Path, *, lost: bool = False) -> None:
        """An attempt has ended: what was written of it is of no use any more, but for the claim.

        Args:
            folder: Its folder.
            lost: Whether its worker was lost, which may run it still, and finds then that nobody wants it.
        """
        with self._lock:
            self._notes.pop(folder, None)
            with contextlib.suppress(OSError):
                if lost:
                    Wanted("nobody").write(folder)
                else:
                    (folder / WANTED_FILE).unlink(missing_ok=True)
                (folder / EVENTS_FILE).unlink(missing_ok=True)

    def close(self) -> None:
        """Give no more signs of life."""
        self._closed.set()

    def _live(self, beat_s: float) -> None:
        while not self._closed.wait(beat_s):
            with self._lock:
                for folder in self._notes:
                    self._renew(folder)

    def _renew(self, folder: Path) -> None:
        note = self._notes[folder] = replace(self._notes[folder], beat=self._notes[folder].beat + 1)
        with contextlib.suppress(OSError):  # a file system that fails for a while: the next one comes soon
            note.write(folder)


def claim(folder: Path, who: str) -> str | None:
    """Take an attempt for oneself.

    Args:
        folder: The folder of the attempt.
        who: Names the worker.

    Returns:
        None where it is taken now; else who had taken it before.

    Raises:
        OSError: It cannot be written.
    """
    try:
        files.write_new(folder / CLAIM_FILE, who)
    except FileExistsError:
        return files.read_bounded(folder / CLAIM_FILE, _LIMIT)
    return None


def to_data(event: Event) -> dict[str, Any]:
    """An event as plain data, which names its trial by the id."""
    if isinstance(event, Reported):
        return {"trial": event.trial.id, "progress": vars(event.progress) | {"losses": dict(event.progress.losses)}}
    return {
        "trial": event.trial.id,
        "ended": records.outcome_to_data(event.outcome),
        "log_tail": event.log_tail,
        "by_group": event.by_group,
        "raised": event.raised,
        "lost": event.lost,
    }


def from_data(data: Mapping[str, Any], trials: Mapping[int, Trial]) -> Event:
    """Inverse of :func:`to_data`.

    Args:
        data: What it made.
        trials: The trials by their ids.

    Raises:
        ValueError: It is not what it made; as are KeyError, TypeError and AttributeError.
    """
    trial = trials[data["trial"]]
    if "progress" in data:
        return Reported(trial, Progress(**data["progress"]))
    outcome = records.outcome_from_data(data["ended"])
    flags = {name: bool(data[name]) for name in ("by_group", "raised", "lost")}
    return Ended(trial, outcome, str(data["log_tail"]), **flags)


class Writer:
    """Appends events to the list of an attempt, numbered from 0, and keeps the last ones for who could not read it.

    Args:
        folder: The folder of the attempt.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / EVENTS_FILE
        self._count = 0
        self.kept: list[dict[str, Any]] = []

    def append(self, events: Collection[dict[str, Any]]) -> None:
        """Write events; a disk that is full stops no training, and what was to be told comes with the end."""
        numbered = [{"number": self._count + place, **each} for place, each in enumerate(events)]
        self._count += len(numbered)
        reports = [each for each in [*self.kept, *numbered] if "ended" not in each]
        dropped = {each["number"] for each in reports[:-KEPT]}
        self.kept = [each for each in [*self.kept, *numbered] if each["number"] not in dropped]
        try:
            with self._path.open("ab") as file:
                file.write("".join(json.dumps(each) + "\n" for each in numbered).encode())
        except OSError:
            return


KEPT = 32
"""Reports of progress that come with the end of a call, for a driver that sees the list late or not at all."""


class Reader:
    """Reads the events of an attempt as they come.

    Args:
        folder: The folder of the attempt.
    """

    def __init__(self, folder: Path) -> None:
        self._lines = LineReader(folder / EVENTS_FILE, limit=_EVENTS_LIMIT)
        self._next = 0

    def read(self) -> list[dict[str, Any]]:
        """The events that have come since the last call; what is no line of a worker is left out."""
        return self.new(self._lines.new())

    def new(self, events: Any) -> list[dict[str, Any]]:
        """Those of some events that have not been seen, in order."""
        found = []
        for each in events:
            if isinstance(number := each.get("number"), int) and number >= self._next:
                self._next = number + 1
                found.append(each)
        return found
