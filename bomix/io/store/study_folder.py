"""A study folder.

::

    study.yaml               the user's own; never rewritten
    resolved.json            every default written out, and what the evaluator measured
    trials/0007/trial.json   what was asked; written once, before launch
    trials/0007/attempts/1/  work folder and log of each attempt
    trials/0007/outcome.json the end of the trial; written once; carries a checksum
    results.nc               derived from the outcomes
    lock                     held by the driver
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bomix.errors import StoreError
from bomix.io.store import files, records
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
            known: Records of an earlier call; those that have an outcome are final and not read again.

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
            if record is not None and record.outcome is not None:
                yield record
                continue
            if (text := _read(folder / TRIAL_FILE)) is None:
                raise StoreError(f"{folder} has no {TRIAL_FILE}; restore it, or move the folder away")
            trial = self._parse(folder / TRIAL_FILE, text)
            yield Record(trial, self._outcome(folder, trial.id))

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
        if isinstance(outcome, Result) and outcome.artifacts:
            # What lies in the folder is found wherever the study is now.
            there = {name: os.path.normpath(folder.absolute() / path) for name, path in outcome.artifacts.items()}
            return dataclasses.replace(outcome, artifacts=there)
        return outcome


@dataclasses.dataclass
class MemoryStore:
    """Records in memory, for a study without a folder; the same calls as :class:`FolderStore`."""

    _records: dict[int, Record] = dataclasses.field(default_factory=dict)
    _attempts: dict[int, list[Path]] = dataclasses.field(default_factory=dict)
    _work: Path | None = None

    def read(self, known: Mapping[int, Record] | None = None) -> tuple[Record, ...]:
        """Every record, ordered by trial id."""
        return tuple(self._records[key] for key in sorted(self._records))

    @property
    def base(self) -> Path:
        """What the relative paths of the study are relative to."""
        return Path.cwd()

    def has_result(self) -> bool:
        """Whether any trial has completed."""
        return any(record.status is Status.COMPLETED for record in self._records.values())

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
        self._records[trial_id] = Record(record.trial, outcome)

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

    def sweep(self) -> None:
        """Nothing: no writer leaves anything in memory."""


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
