"""The records of a study without a folder, in memory."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
import weakref
from collections.abc import Collection, Iterable
from pathlib import Path

from bomix.errors import StoreError
from bomix.io.store import files
from bomix.io.store.reading import Kept
from bomix.trial import Outcome, Record, Status, Trial


@dataclasses.dataclass
class MemoryStore:
    """Records in memory, for a study without a folder; the same calls as those of a folder's store."""

    _records: dict[int, Record] = dataclasses.field(default_factory=dict)
    _attempts: dict[int, list[Path]] = dataclasses.field(default_factory=dict)
    _work: Path | None = None

    def read(self) -> Kept:
        """Every record, ordered by trial id."""
        return Kept(tuple(self._records[key] for key in sorted(self._records)))

    def reading(self) -> MemoryStore:
        """What reads the records again and again."""
        return self

    def glance(self) -> Kept:
        """The same: there is nothing in memory that a look would take long to see."""
        return self.read()

    def look_at_all(self) -> None:
        """Nothing: every glance is a look at all."""

    def read_one(self, trial_id: int) -> Record | None:
        """The record of one trial; None where there is no such trial."""
        return self._records.get(trial_id)

    @property
    def base(self) -> Path:
        """What the relative paths of the study are relative to."""
        return Path.cwd()

    def furthest(self) -> Status | None:
        """How far the furthest trial is: completed or pending if any is, failed where all did; None without trials."""
        found = [record.status for record in self._records.values() if record.withdrawn is None]
        return next((status for status in found if status is not Status.FAILED), found[0] if found else None)

    def create(self, trial: Trial, outcome: Outcome | None = None) -> Trial:
        """Keep a trial; FolderTaken where the id is taken."""
        if trial.id in self._records:
            raise files.FolderTaken(trial.id)
        self._records[trial.id] = Record(trial, outcome)
        return trial

    def finish(self, trial_id: int, outcome: Outcome) -> None:
        """Keep the end of a trial; StoreError where it has ended already."""
        record = self._records[trial_id]
        if record.outcome is not None:
            raise StoreError(f"trial {trial_id} has an outcome already; it is written once")
        self._records[trial_id] = dataclasses.replace(record, outcome=outcome)

    def revise(self, record: Record, *, why: str) -> None:
        """Keep the next revision of a trial; see :class:`~bomix.io.store.study_folder.FolderStore`."""
        self._records[record.trial.id] = dataclasses.replace(record, revision=record.revision + 1)

    def withdraw(self, trial_id: int, *, why: str) -> None:
        """Keep that a trial counts for nothing; StoreError where it was withdrawn before."""
        record = self._records[trial_id]
        if record.withdrawn is not None:
            raise StoreError(f"trial {trial_id} is withdrawn already")
        self._records[trial_id] = dataclasses.replace(record, withdrawn=why)

    def new_attempt(self, trial_id: int) -> tuple[int, Path]:
        """Make the next attempt's folder: its number, from 1, and its path, which is there as long as the store is."""
        if self._work is None:
            self._work = Path(tempfile.mkdtemp(prefix="bomix-"))
            weakref.finalize(self, shutil.rmtree, self._work, ignore_errors=True)
        attempts = self._attempts.setdefault(trial_id, [])
        attempts.append(Path(tempfile.mkdtemp(prefix=f"{trial_id:04d}-", dir=self._work)))
        return len(attempts), attempts[-1]

    def last_attempt(self, trial_id: int) -> tuple[int, Path] | None:
        """The latest attempt's number and folder; None where there was none."""
        attempts = self._attempts.get(trial_id, [])
        return (len(attempts), attempts[-1]) if attempts else None

    def clear(self, ended: Iterable[int], names: Collection[str]) -> None:
        """Nothing: the folders of attempts end with the store."""

    def sweep(self) -> None:
        """Nothing: no writer leaves anything in memory."""
