"""What is added to the record of a trial after its end: revisions, and a withdrawal.

::

    trials/0007/revision-1.json  weights, scale and outcome that take the place of the recorded ones
    trials/0007/withdrawn.json   why the run counts for nothing

Each is a file of its own, written once with the checksum of its content; what was recorded before stays as it is. The
revision of the highest number is the one that counts.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from bomix.errors import FaultsError, StoreError
from bomix.io.store import files, records
from bomix.trial import Outcome, Record, Trial

WITHDRAWN_FILE = "withdrawn.json"
AMENDMENT_SCHEMA = 1
"""Version of both files: raised when an older reader would read them wrong."""
_REVISION = re.compile(r"revision-(\d+)\.json")


class AmendmentError(StoreError):
    """A revision or a withdrawal that cannot be read.

    Args:
        path: The file.
        reason: What is wrong with it.
    """

    def __init__(self, path: Path, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path}: {reason}")


@dataclasses.dataclass(frozen=True)
class Standing:
    """What a trial's folder holds beside the trial and its outcome.

    Attributes:
        revision: The highest number of a revision; 0 without one.
        withdrawn: Whether the run was withdrawn.
    """

    revision: int = 0
    withdrawn: bool = False

    @classmethod
    def of(cls, record: Record) -> Standing:
        """The standing that a record was read with."""
        return cls(record.revision, record.withdrawn is not None)


def standing(names: Collection[str]) -> Standing:
    """What the folder of a trial holds, by the names in it."""
    numbers = [int(match[1]) for name in names if (match := _REVISION.fullmatch(name))]
    return Standing(max(numbers, default=0), WITHDRAWN_FILE in names)


def amended(folder: Path, record: Record, names: Collection[str]) -> Record:
    """A record as its last revision has it, and withdrawn where it was.

    Args:
        folder: The folder of the trial.
        record: What was recorded first.
        names: What the folder holds.

    Raises:
        AmendmentError: A damaged file.
        StoreError: A file of a newer version.
    """
    found = standing(names)
    if found.revision:
        path = folder / f"revision-{found.revision}.json"
        record = _revised(record, _read(path, record.trial.id), found.revision, path)
    if found.withdrawn:
        path = folder / WITHDRAWN_FILE
        record = dataclasses.replace(record, withdrawn=str(_read(path, record.trial.id).get("why", "")))
    return record


def write_revision(folder: Path, revision: int, trial: Trial, outcome: Outcome, *, why: str) -> None:
    """Make a revision durable.

    Args:
        folder: The folder of the trial.
        revision: Its number, from 1.
        trial: The trial with the weights, seed and scale that hold from now on.
        outcome: What became of it.
        why: What the revision changes, in words.

    Raises:
        StoreError: Another process revised the trial meanwhile.
    """
    body = {
        "schema": AMENDMENT_SCHEMA,
        "trial": trial.id,
        "revision": revision,
        "why": why,
        "weights": dict(trial.weights),
        "seed": trial.seed,
        "scale": None if trial.scale is None else trial.scale.to_data(),
        **records.outcome_to_data(outcome),
    }
    _write(folder / f"revision-{revision}.json", body, f"trial {trial.id} was revised by another process meanwhile")


def write_withdrawal(folder: Path, trial_id: int, *, why: str) -> None:
    """Make a withdrawal durable.

    Args:
        folder: The folder of the trial.
        trial_id: Its id.
        why: The reason, in words.

    Raises:
        StoreError: The trial is withdrawn already.
    """
    body = {"schema": AMENDMENT_SCHEMA, "trial": trial_id, "why": why}
    _write(folder / WITHDRAWN_FILE, body, f"trial {trial_id} is withdrawn already")


def _write(path: Path, body: Mapping[str, Any], taken: str) -> None:
    try:
        text = records.sealed(body)
    except (TypeError, ValueError) as error:
        raise StoreError(f"{path} cannot be written: {error}") from error
    try:
        files.write_new(path, text)
    except FileExistsError:
        raise StoreError(f"{taken} ({path}); it is written once") from None


def _read(path: Path, trial_id: int) -> dict[str, Any]:
    """The content of a file whose checksum holds."""
    try:
        body = records.unsealed(files.read_bounded(path, files.RECORD_LIMIT), AMENDMENT_SCHEMA)
        named = int(body["trial"])
    except records.NewerVersionError as error:
        raise StoreError(f"{path}: {error}") from error
    except StoreError as error:
        raise AmendmentError(path, str(error)) from error
    except files.NoPlainFile as error:
        raise AmendmentError(path, f"it is not what bomix wrote: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise AmendmentError(path, repr(error)) from error
    if named != trial_id:
        raise AmendmentError(path, f"it belongs to trial {named}")
    return body


def _revised(record: Record, body: Mapping[str, Any], revision: int, path: Path) -> Record:
    try:
        trial = dataclasses.replace(
            record.trial,
            weights={str(name): float(weight) for name, weight in body["weights"].items()},
            seed=int(body["seed"]),
            scale=records.scale_from_data(body),
        )
        return dataclasses.replace(record, trial=trial, outcome=records.outcome_from_data(body), revision=revision)
    except (ValueError, KeyError, TypeError, AttributeError, FaultsError) as error:
        raise AmendmentError(path, f"it is no revision: {error!r}") from error
