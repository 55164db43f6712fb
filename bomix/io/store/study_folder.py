"""A study folder.

::

    study.yaml               the user's own; never rewritten
    resolved.json            every default written out, and what the evaluator measured
    trials/0007/trial.json   what was asked; written once, before launch
    trials/0007/attempts/1/  work folder and log of each attempt
    trials/0007/outcome.json the end of the trial; written once; carries a checksum
    trials/0007/revision-1.json, withdrawn.json   what was added since, see :mod:`bomix.io.store.amendments`
    results.nc               derived from the outcomes
    lock                     held by the driver
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bomix.errors import StoreError
from bomix.io.store import amendments, files, records
from bomix.trial import Outcome, Record, Result, Status, Trial

if TYPE_CHECKING:
    import xarray as xr

logger = logging.getLogger(__name__)

STUDY_FILE = "study.yaml"
TRIAL_FILE = "trial.json"
OUTCOME_FILE = "outcome.json"
RESOLVED_FILE = "resolved.json"
RESULTS_FILE = "results.nc"


@dataclasses.dataclass(frozen=True)
class FolderStore:
    """Records in a study folder.

    Attributes:
        folder: The study folder; it must exist.
    """

    folder: Path

    def read(self, known: Mapping[int, Record] | None = None) -> tuple[Record, ...]:
        """Every record, ordered by trial id.

        Args:
            known: Records of an earlier call; those that have an outcome, and no revision or withdrawal since, are not
                read again.

        Raises:
            StoreError: A damaged file, named, with the cure.
        """
        return tuple(self._records(known or {}))

    @property
    def base(self) -> Path:
        """What the relative paths of the study are relative to."""
        return self.folder

    def has_result(self) -> bool:
        """Whether any trial has completed; reads no further than the first that has."""
        return any(record.status is Status.COMPLETED for record in self._records({}))

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
            texts[OUTCOME_FILE] = records.outcome_to_json(trial.id, self._portable(trial.id, outcome))
        files.create_folder(self.trial_folder(trial.id), texts)
        return trial

    def finish(self, trial_id: int, outcome: Outcome) -> None:
        """Make the end of a trial durable.

        Raises:
            StoreError: The trial has an outcome already.
        """
        path = self.trial_folder(trial_id) / OUTCOME_FILE
        try:
            files.write_new(path, records.outcome_to_json(trial_id, self._portable(trial_id, outcome)))
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
        amendments.write_revision(folder, record.revision + 1, trial, outcome, why=why)

    def withdraw(self, trial_id: int, *, why: str) -> None:
        """Make durable that a trial counts for nothing; StoreError where it was withdrawn before."""
        amendments.write_withdrawal(self.trial_folder(trial_id), trial_id, why=why)

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
        return self.folder / "trials" / f"{trial_id:04d}"

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
        """Remove what writers left that were killed half-way; only under the lock."""
        for path in (*self.folder.glob(files.TEMPORARY), *self.folder.glob(f"trials/{files.TEMPORARY}")):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def resolved(self) -> dict[str, Any] | None:
        """What ``resolved.json`` holds, or None before the first trial.

        Raises:
            StoreError: It is damaged.
        """
        path = self.folder / RESOLVED_FILE
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise StoreError(f"{path} is damaged ({error}); move it away to have it written again") from error
        if not isinstance(data, dict):
            raise StoreError(f"{path} is damaged (no mapping); move it away to have it written again")
        return data

    def write_resolved(self, data: dict[str, Any]) -> None:
        """Write ``resolved.json``."""
        text = json.dumps(data, indent=1, allow_nan=False) + "\n"
        path = self.folder / RESOLVED_FILE
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            files.replace(path, text)

    def write_results(self, dataset: xr.Dataset) -> None:
        """Write ``results.nc``; a disk that is full or a folder in the way is logged, as the file is only derived."""
        try:
            # Made in memory first: HDF5 does not survive a disk that fills up under it.
            files.replace(self.folder / RESULTS_FILE, bytes(dataset.to_netcdf(engine="h5netcdf")))
        except OSError as error:
            logger.warning("%s could not be written: %s", self.folder / RESULTS_FILE, error)

    def _records(self, known: Mapping[int, Record]) -> Iterator[Record]:
        trials = self.folder / "trials"
        if not trials.is_dir():
            return
        for folder in sorted(
            (path for path in trials.iterdir() if path.name.isdigit()), key=lambda path: int(path.name)
        ):
            record = known.get(int(folder.name))
            final = record is not None and record.outcome is not None
            if record is not None and final and amendments.standing(folder) == amendments.Standing.of(record):
                yield record
                continue
            if (text := _read(folder / TRIAL_FILE)) is None:
                raise StoreError(f"{folder} has no {TRIAL_FILE}; restore it, or move the folder away")
            trial = self._parse(folder / TRIAL_FILE, text)
            record = amendments.amended(folder, Record(trial, self._outcome(folder, trial.id)))
            yield dataclasses.replace(record, outcome=_absolute(folder, record.outcome))

    @staticmethod
    def _parse(path: Path, text: str) -> Trial:
        try:
            trial = records.trial_from_json(text)
        except records.NewerVersionError as error:
            raise StoreError(f"{path}: {error}") from error
        except StoreError as error:
            raise StoreError(f"{path}: {error}; restore it, or move the folder {path.parent} away") from error
        if trial.id != int(path.parent.name):
            raise StoreError(f"{path} says it is trial {trial.id}; a trial's folder cannot be renamed")
        return trial

    @staticmethod
    def _outcome(folder: Path, trial_id: int) -> Outcome | None:
        path = folder / OUTCOME_FILE
        if (text := _read(path)) is None:
            return None
        try:
            named, outcome = records.outcome_from_json(text)
        except records.NewerVersionError as error:
            raise StoreError(f"{path}: {error}") from error
        except StoreError as error:
            raise StoreError(f"{path}: {error}; move it away to have the trial run again") from error
        if named != trial_id:
            raise StoreError(f"{path} belongs to trial {named}; move it away to have the trial run again")
        return outcome


def _absolute(folder: Path, outcome: Outcome | None) -> Outcome | None:
    """The same with absolute artifacts: what lies in the study's folder is found wherever the study is now."""
    if not isinstance(outcome, Result) or not outcome.artifacts:
        return outcome
    there = {name: os.path.normpath(folder.absolute() / path) for name, path in outcome.artifacts.items()}
    return dataclasses.replace(outcome, artifacts=there)


def _highest(attempts: Path) -> int:
    """The highest number of a trial's attempts; 0 where there is none."""
    return max((int(path.name) for path in attempts.iterdir() if path.name.isdigit()), default=0)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise StoreError(f"{path} is damaged: {error}; restore it or move it away") from error
