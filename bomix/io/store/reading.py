"""Reading the trials of a study folder, again and again: what has ended and was not touched since is not read twice.

There are two ways to look again. One looks at each trial's folder, and misses nothing. A glance looks where a driver's
own trials and those of others change, however many have ended: at what is pending, and for the numbers that come next.
What it may miss is a change of a trial that has ended; so every now and then it is a look at all.
"""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from bomix.io.store import amendments, files, trial_files
from bomix.io.store.trial_files import OUTCOME_FILE, TRIAL_FILE, Damage
from bomix.trial import Record, Status

NUMBER = re.compile(r"[0-9]{1,12}")
"""What the folder of a trial or an attempt is called: longer numbers and other digits are not bomix's."""
_SETTLED_NS = 2_000_000_000
"""Age from which a folder's time of change tells of every change: two within a tick of the file system's clock, of
seconds on some, leave one time."""
LOOKING_SHARE = 0.02
"""Most of the time that goes into looks at all trials where glances do: a look at 5,000 takes 30 ms, so that another
comes 1.6 s later."""
LONGEST_GLANCING = 30.0
"""Seconds after which all trials are looked at though looks are slow, as on a network's file system: some trainings
last no longer, and none should be chosen for long by what was withdrawn."""


class Kept(NamedTuple):
    """What a store holds.

    Attributes:
        records: Every record that can be read, ordered by trial id.
        damages: The files that cannot, and whose trials are left out, in the same order.
    """

    records: tuple[Record, ...]
    damages: tuple[Damage, ...] = ()


class _Seen(NamedTuple):
    """A record that has ended, the time at which its folder changed last, and whether that was long ago."""

    record: Record
    changed: int
    settled: bool


class Reading:
    """Reads all trials of a folder as often as it is asked to; a second call looks at names and times alone.

    :meth:`read` misses nothing, :meth:`glance` takes as long however many trials have ended.

    Args:
        trials: The folder of the trials; it need not be there.
    """

    def __init__(self, trials: Path) -> None:
        self._trials = trials
        self._seen: dict[int, _Seen] = {}
        self._found: list[Record | Damage] = []
        self._pending: dict[int, Record] = {}
        self._kept = Kept(())
        self._due = -math.inf

    def read(self) -> Kept:
        """Every record that can be read, and the damaged files of the others; the same object while nothing changes.

        Raises:
            StoreError: A file of a newer version.
        """
        began = time.monotonic()
        self._found = list(self.each())
        ended = time.monotonic()
        self._due = ended + min((ended - began) / LOOKING_SHARE, LONGEST_GLANCING)
        self._pending = dict(_pending(enumerate(self._found)))
        kept = self._sorted()
        before = self._kept.records
        same = len(kept.records) == len(before) and all(map(_is_same, kept.records, before))
        if not same or kept.damages != self._kept.damages:
            self._kept = kept
        return self._kept

    def glance(self) -> Kept:
        """The same as far as pending trials and new ones go; of those that had ended as of a look that may be older.

        That is no older than fifty times what it took, or half a minute.

        Raises:
            StoreError: A file of a newer version.
        """
        if time.monotonic() >= self._due:
            return self.read()
        changed: dict[int, Record | Damage] = {}
        for place, record in self._pending.items():
            path = self._path(record.trial.id)
            names = trial_files.names_in(path)
            if TRIAL_FILE not in names:
                return self.read()  # the folder is gone, or damaged
            if not _stands(record, names):
                changed[place] = self._one(path, record.trial.id)
        place, number = len(self._found), 1 + (_number(self._found[-1]) if self._found else -1)
        while _changed(path := self._path(number)) is not None:
            changed[place] = self._one(path, number)
            place, number = place + 1, number + 1
        if changed:
            for place, found in changed.items():
                self._found[place : place + 1] = [found]
                self._pending.pop(place, None)
            self._pending |= _pending(changed.items())
            self._kept = self._sorted()
        return self._kept

    def look_at_all(self) -> None:
        """Have the next glance be a look at all trials."""
        self._due = -math.inf

    def _path(self, number: int) -> str:
        return os.path.join(self._trials, f"{number:04d}")

    def _sorted(self) -> Kept:
        """What was found, records and damages apart."""
        return Kept(
            tuple(each for each in self._found if isinstance(each, Record)),
            tuple(each for each in self._found if isinstance(each, Damage)),
        )

    def each(self) -> Iterator[Record | Damage]:
        """The same, one after the other, in the order of their ids."""
        for number, name in _numbered(self._trials):
            own = f"{number:04d}"
            path = os.path.join(self._trials, name)
            if name == own:
                yield self._one(path, number)
            elif not (self._trials / own).exists():  # else it is a copy
                reason = f"its folder is called '{name}', and a trial's folder cannot be renamed"
                yield Damage(number, Path(path, TRIAL_FILE), reason)

    def _one(self, path: str, number: int) -> Record | Damage:
        seen = self._seen.pop(number, None)
        now = time.time_ns()
        changed = _changed(path)
        if seen is not None and changed is not None and _untouched(seen, path, changed):
            found: Record | Damage = seen.record
        else:
            found = trial_files.read(path, number)
        if isinstance(found, Record) and found.outcome is not None and changed is not None:
            self._seen[number] = _Seen(found, changed, settled=changed < now - _SETTLED_NS)
        return found


def _changed(path: str) -> int | None:
    """When a name in a folder was made or removed last, in nanoseconds; None where it is no folder any more."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError as error:
        if error.errno not in files.NO_FOLDER:
            raise
        return None


def _untouched(seen: _Seen, path: str, changed: int) -> bool:
    """Whether a trial that has ended was neither revised nor withdrawn since it was read, and no file of it is gone."""
    if seen.settled and changed == seen.changed:
        return True
    names = trial_files.names_in(path)
    return TRIAL_FILE in names and _stands(seen.record, names)


def _stands(record: Record, names: Collection[str]) -> bool:
    """Whether a trial's folder holds an outcome where its record does, and neither more nor fewer amendments."""
    ended = record.outcome is not None
    return (OUTCOME_FILE in names) == ended and amendments.standing(names) == amendments.Standing.of(record)


def _pending(found: Iterable[tuple[int, Record | Damage]]) -> Iterator[tuple[int, Record]]:
    """Those of some places at which a pending trial stands, with its record."""
    return ((place, each) for place, each in found if isinstance(each, Record) and each.status is Status.PENDING)


def _number(found: Record | Damage) -> int:
    return found.trial.id if isinstance(found, Record) else found.trial


def _is_same(one: Record, other: Record) -> bool:
    """Whether two records are one, as far as that is cheap to say: of those that have ended one is kept."""
    return one is other or (one.outcome is None and other.outcome is None and one == other)


def _numbered(trials: Path) -> list[tuple[int, str]]:
    """Numbers and names of the folders of trials, ascending."""
    try:
        names = os.listdir(trials)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted((int(name), name) for name in names if NUMBER.fullmatch(name))
