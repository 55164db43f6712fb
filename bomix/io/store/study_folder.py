"""A study folder.

::

    study.yaml               the user's own; never rewritten
    resolved.json            every default written out, and what the evaluator measured
    trials/0007/trial.json   what was asked; written once, before launch
    trials/0007/attempts/1/  work folder and log of each attempt
    trials/0007/outcome.json the end of the trial; written once
    trials/0007/revision-1.json, withdrawn.json   what was added since, see :mod:`bomix.io.store.amendments`
    results.nc               derived from the outcomes, see :mod:`bomix.io.store.results_file`
    id.json                  its name, where trials were handed out, see :mod:`bomix.io.store.study_id`
    lock, driver.json        the driver holds the one; the other says who it is
    damaged/                 what could not be read and was moved away by ``bomix check --repair``
    restarted/1/             trials that had no result when ``bomix restart`` began anew

All JSON files carry a checksum. A trial of which a file cannot be read is left out of the record and named; the others
are the study.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import shutil
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from bomix.errors import StoreError
from bomix.io.store import amendments, files, records, results_file, trial_files
from bomix.io.store.reading import NUMBER, Kept, Reading
from bomix.io.store.trial_files import OUTCOME_FILE, TRIAL_FILE, Damage
from bomix.trial import Outcome, Record, Result, Status, Trial

logger = logging.getLogger(__name__)

STUDY_FILE = "study.yaml"
RESOLVED_FILE = "resolved.json"
TRIALS = "trials"


class DamagedError(StoreError):
    """``resolved.json`` is not what was written.

    Args:
        path: The file.
        reason: What is wrong with it.
    """

    def __init__(self, path: Path | str, reason: object) -> None:
        self.reason = str(reason)
        cure = "`bomix check --repair` moves it away, and it is written again from the study file"
        super().__init__(f"{path} is damaged ({reason}); {cure}")


@dataclasses.dataclass(frozen=True)
class FolderStore:
    """Records in a study folder.

    Attributes:
        folder: The study folder; it must exist.
        file: The study file that it was opened by, ``study.yaml`` or another one in the folder; None where a study was
            opened by its record, or has no file.
    """

    folder: Path
    file: Path | None = None

    def read(self) -> Kept:
        """Every record that can be read, and the damaged files of the others.

        Raises:
            StoreError: A file of a newer version.
        """
        return self.reading().read()

    def reading(self) -> Reading:
        """What reads the records again and again, each that has ended once."""
        return Reading(self.folder / TRIALS)

    def read_one(self, trial_id: int) -> Record | Damage | None:
        """The record of one trial, or its damaged file; None where there is no such trial.

        Raises:
            StoreError: A file of a newer version.
        """
        folder = self.trial_folder(trial_id)
        return trial_files.read(folder, trial_id) if NUMBER.fullmatch(folder.name) and folder.exists() else None

    @property
    def base(self) -> Path:
        """What the relative paths of the study are relative to."""
        return self.folder

    def furthest(self) -> Status | None:
        """How far the furthest trial is: completed or pending if any is, failed where all did; None without trials.

        Reads no further than it must; withdrawn trials count for nothing. A trial that cannot be read counts as
        pending: nobody knows what became of it.
        """
        found: Status | None = None
        for each in self.reading().each():
            status = each.status if isinstance(each, Record) else Status.PENDING
            found = found if status is Status.WITHDRAWN else status
            if found in (Status.COMPLETED, Status.PENDING):
                break
        return found

    def create(self, trial: Trial, outcome: Outcome | None = None) -> Trial:
        """Make a trial durable, with its outcome where it has one already.

        Args:
            trial: The trial, whose id is the next one as far as the caller knows.
            outcome: The outcome of a run that was made elsewhere; None for a trial that is pending.

        Returns:
            The trial.

        Raises:
            FolderTaken: Another process has taken the id; read again.
        """
        texts = {TRIAL_FILE: records.trial_to_json(trial)}
        if outcome is not None:
            texts[OUTCOME_FILE] = self._written(trial.id, outcome)
        with contextlib.nullcontext() if outcome is None else results_file.changing(self.folder):
            files.create_folder(self.trial_folder(trial.id), texts)
        return trial

    def finish(self, trial_id: int, outcome: Outcome) -> None:
        """Make the end of a trial durable.

        Raises:
            StoreError: The trial has an outcome already; or this one could not be read again, and is not recorded.
        """
        path, text = self.trial_folder(trial_id) / OUTCOME_FILE, self._written(trial_id, outcome)
        try:
            with results_file.changing(self.folder):
                files.write_new(path, text)
        except FileExistsError:
            raise StoreError(f"trial {trial_id} has an outcome already ({path}); it is written once") from None

    def revise(self, record: Record, *, why: str) -> None:
        """Make the next revision of a trial durable; what was recorded before is kept, and no longer used.

        Args:
            record: The trial with the weights, the scale and the outcome that are to hold, and the number of revisions
                that it has so far.
            why: What changes, in words.

        Raises:
            StoreError: Another process revised the trial meanwhile.
        """
        trial, outcome = record.trial, record.outcome
        assert outcome is not None, "only what has ended is revised"
        folder = self.trial_folder(trial.id)
        outcome = self._portable(trial.id, outcome)
        with results_file.changing(self.folder):
            amendments.write_revision(folder, record.revision + 1, trial, outcome, why=why)

    def withdraw(self, trial_id: int, *, why: str) -> None:
        """Make durable that a trial counts for nothing; StoreError where it was withdrawn before."""
        with results_file.changing(self.folder):
            amendments.write_withdrawal(self.trial_folder(trial_id), trial_id, why=why)

    def _written(self, trial_id: int, outcome: Outcome) -> str:
        """An outcome as its file holds it; what could not be read again is not written.

        Raises:
            StoreError: It could not be read again.
        """
        try:
            text = records.outcome_to_json(trial_id, self._portable(trial_id, outcome))
        except (TypeError, ValueError) as error:
            raise StoreError(f"the outcome of trial {trial_id} cannot be written: {error}") from error
        records.outcome_from_json(text)
        return text

    def _portable(self, trial_id: int, outcome: Outcome) -> Outcome:
        """The same with artifacts in the study's folder relative to the trial's, so that a study can be moved."""
        if not isinstance(outcome, Result) or not outcome.artifacts:
            return outcome
        study, folder = self.folder.absolute(), self.trial_folder(trial_id).absolute()
        inside = {
            name: os.path.relpath(path, folder) if Path(path).is_relative_to(study) else path
            for name, path in outcome.artifacts.items()
        }
        return dataclasses.replace(outcome, artifacts=inside)

    def trial_folder(self, trial_id: int) -> Path:
        """The folder of a trial."""
        return self.folder / TRIALS / f"{trial_id:04d}"

    def new_attempt(self, trial_id: int) -> tuple[int, Path]:
        """Make the next attempt's folder: its number, from 1, and its path."""
        attempts = self.trial_folder(trial_id) / "attempts"
        attempts.mkdir(parents=True, exist_ok=True)
        number = 1 + _highest(attempts)
        (attempts / str(number)).mkdir()
        return number, attempts / str(number)

    def last_attempt(self, trial_id: int) -> tuple[int, Path] | None:
        """The latest attempt's number and folder; None where there was none."""
        attempts = self.trial_folder(trial_id) / "attempts"
        number = _highest(attempts) if attempts.is_dir() else 0
        return (number, attempts / str(number)) if number else None

    def sweep(self) -> None:
        """Remove what writers left that were killed half-way, wherever in the study; only under the lock.

        What evaluators keep in folders of their own is theirs: only what bomix writes is looked at.
        """
        attempts = f"{TRIALS}/*/attempts"
        for place in (".", TRIALS, f"{TRIALS}/*", attempts, f"{attempts}/*"):
            for path in self.folder.glob(f"{place}/{files.TEMPORARY}"):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    def clear(self, ended: Iterable[int], names: Collection[str]) -> None:
        """Remove what attempts kept for later attempts of their trial, which has ended.

        Args:
            ended: Ids of trials that have.
            names: Patterns of the names of files and folders in the folder of an attempt.
        """
        for number in ended if names else ():
            found = [path for name in names for path in self.trial_folder(number).glob(f"attempts/*/{name}")]
            for path in found:
                try:
                    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
                except OSError as error:  # it is of no use any more, and of no harm
                    logger.info("%s stays: %s", path, error)

    def resolved(self, known: int, *, sealed_from: int) -> dict[str, Any] | None:
        """What ``resolved.json`` holds, or None before the first trial.

        Args:
            known: The newest version of it that can be read.
            sealed_from: First version of it that has a checksum.

        Raises:
            DamagedError: It is damaged.
            StoreError: A newer bomix wrote it.
        """
        path = self.folder / RESOLVED_FILE
        try:
            text = trial_files.text_of(path)
            return None if text is None else records.unsealed(text, known, sealed_from=sealed_from)
        except records.NewerVersionError as error:
            raise StoreError(f"{path}: {error}") from error
        except (StoreError, ValueError, TypeError, RecursionError) as error:
            raise DamagedError(path, error) from error

    def write_resolved(self, data: dict[str, Any]) -> None:
        """Write ``resolved.json``, with a checksum."""
        text = records.sealed(data)
        path = self.folder / RESOLVED_FILE
        if not path.exists() or trial_files.text_of(path) != text:
            files.replace(path, text)


def _highest(attempts: Path) -> int:
    """The highest number of a trial's attempts; 0 where there is none."""
    return max((int(path.name) for path in attempts.iterdir() if NUMBER.fullmatch(path.name)), default=0)
