"""The files of one trial: its record, or which of them is damaged."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from bomix.errors import StoreError
from bomix.io.store import amendments, files, records
from bomix.trial import IMPORTED, Outcome, Record, Result, Trial

TRIAL_FILE = "trial.json"
OUTCOME_FILE = "outcome.json"


@dataclasses.dataclass(frozen=True)
class Damage:
    """A file of a trial that cannot be read, and what of the record is not there for it.

    Attributes:
        trial: The trial's number, which its folder says.
        path: The file; the trial's folder where ``trial.json`` is missing.
        reason: What is wrong with it.
        imported: Whether the trial is known to be an imported run, which nobody can run again.
    """

    trial: int
    path: Path
    reason: str
    imported: bool = False

    @property
    def lost(self) -> str:
        """What cannot be known any more, in words."""
        if self.is_amendment:
            what = "withdrawal" if self.path.name == amendments.WITHDRAWN_FILE else "last revision"
            return f"the {what} of trial {self.trial}"
        if self.path.name != OUTCOME_FILE:
            return f"trial {self.trial}, mixture and all"
        return f"the imported run {self.trial}" if self.imported else f"the outcome of trial {self.trial}"

    @property
    def is_amendment(self) -> bool:
        """Whether it is a revision or a withdrawal: without it, what was recorded before counts again."""
        return self.path.name not in (OUTCOME_FILE, TRIAL_FILE)

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def read(folder: str | Path, number: int) -> Record | Damage:
    """The record that a trial's folder holds, or which file keeps it from being read.

    Args:
        folder: The trial's folder.
        number: The trial's number, which its files must bear.

    Raises:
        StoreError: A file of a newer version.
    """
    # Names are put together as text: paths of pathlib take a tenth of the time of reading a study.
    path, imported = f"{folder}/{TRIAL_FILE}", False
    try:
        names = names_in(folder)
        trial = _trial(path, number)
        path, imported = f"{folder}/{OUTCOME_FILE}", trial.origin == IMPORTED
        record = Record(trial, _outcome(path, number) if OUTCOME_FILE in names else None)
        path = str(folder)
        record = amendments.amended(Path(folder), record, names)
        return _absolute(folder, record)
    except records.NewerVersionError as error:
        raise StoreError(f"{path}: {error}") from error
    except amendments.AmendmentError as error:
        return Damage(number, error.path, error.reason)
    except StoreError as error:
        return Damage(number, Path(path), str(error), imported)


def names_in(folder: str | Path) -> list[str]:
    """What a trial's folder holds; nothing where it is no folder, or was moved away."""
    try:
        return os.listdir(folder)
    except OSError as error:
        if error.errno not in files.NO_FOLDER:
            raise
        return []


def text_of(path: str | Path) -> str | None:
    """The text of a file; None without it, StoreError where it is no text, or no file that bomix can have written."""
    try:
        return files.read_bounded(path, files.RECORD_LIMIT)
    except FileNotFoundError:
        return None
    except files.NoPlainFile as error:
        raise StoreError(f"it is not what bomix wrote: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise StoreError(f"it is no text: {error}") from error


def _trial(path: str, number: int) -> Trial:
    """The trial of a file; StoreError where it cannot be read."""
    if (text := text_of(path)) is None:
        raise StoreError("it is missing")
    trial = records.trial_from_json(text)
    if trial.id != number:
        raise StoreError(f"it says it is trial {trial.id}; a trial's folder cannot be renamed")
    return trial


def _outcome(path: str, number: int) -> Outcome | None:
    """The outcome of a file, None without one; StoreError where it cannot be read."""
    if (text := text_of(path)) is None:
        return None
    named, outcome = records.outcome_from_json(text)
    if named != number:
        raise StoreError(f"it belongs to trial {named}")
    return outcome


def _absolute(folder: str | Path, record: Record) -> Record:
    """The same with absolute artifacts: what lies in the study's folder is found wherever the study is now."""
    outcome = record.outcome
    if not isinstance(outcome, Result) or not outcome.artifacts:
        return record
    there = {name: os.path.normpath(Path(folder).absolute() / path) for name, path in outcome.artifacts.items()}
    return dataclasses.replace(record, outcome=dataclasses.replace(outcome, artifacts=there))
