"""Reading the trials of a study folder, again and again: what has ended and was not touched since is not read twice."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bomix.io.store import amendments, files, trial_files
from bomix.io.store.trial_files import OUTCOME_FILE, TRIAL_FILE, Damage
from bomix.trial import Record

NUMBER = re.compile(r"[0-9]{1,12}")
"""What the folder of a trial or an attempt is called: longer numbers and other digits are not bomix's."""
_SETTLED_NS = 2_000_000_000
"""Age from which a folder's time of change tells of every change: two within a tick of the file system's clock, of
seconds on some, leave one time."""


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

    Args:
        trials: The folder of the trials; it need not be there.
    """

    def __init__(self, trials: Path) -> None:
        self._trials = trials
        self._seen: dict[int, _Seen] = {}
        self._kept = Kept(())

    def read(self) -> Kept:
        """Every record that can be read, and the damaged files of the others; the same object while nothing changes.

        Raises:
            StoreError: A file of a newer version.
        """
        found = list(self.each())
        records = tuple(each for each in found if isinstance(each, Record))
        damages = tuple(each for each in found if isinstance(each, Damage))
        before = self._kept.records
        same = len(records) == len(before) and all(map(_is_same, records, before))
        if not same or damages != self._kept.damages:
            self._kept = Kept(records, damages)
        return self._kept

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
    return (
        TRIAL_FILE in names
        and OUTCOME_FILE in names
        and amendments.standing(names) == amendments.Standing.of(seen.record)
    )


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
