"""What stands about a job in the folder of its attempt, where its driver, any later one and the job itself find it.

``job.json`` is written before the job is submitted, so that a job whose driver died at once is found by its name; then
it gets the job's id. ``begun.json`` belongs to the one process that runs the attempt: of two copies of a job, one that
was requeued and one that lives on a node which was given up, the second finds it and ends. ``ended.json`` is the last
thing that the process writes. A token, drawn for each submission, tells a job from one of a study that lay in the same
folder before: only the job whose token stands in ``job.json`` writes here.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bomix.errors import EvaluationError, SetupError, StoreError
from bomix.execution.attempt.evaluate import LOG_FILE
from bomix.execution.attempt.reports import FILE as REPORTS_FILE
from bomix.io.store import files, records
from bomix.trial import MESSAGE_LIMIT, Trial

FILE = "job.json"
BEGUN_FILE = "begun.json"
ENDED_FILE = "ended.json"
BROKEN_FILE = "broken.txt"
"""Why the evaluator cannot be had in a job, which is no trial's fault."""
OVERDUE_FILE = "overdue.txt"
"""Why its driver had the job of an attempt cancelled, for whichever driver sees the end of it."""
_SCHEMA = 1
"""Version of ``job.json``."""
_LIMIT = 2**22
"""Bytes that are read of such a file: a group of many trials over many domains fits a hundred times."""
_LONGEST = 24
"""Characters of a study's name in the names of its jobs: queues show few, and the folder's hash tells studies apart."""
_SHOWN = 6
"""Characters of a token in the names of jobs."""


@dataclasses.dataclass(frozen=True)
class JobFile:
    """A job, of a trial or of several that are trained as one.

    Attributes:
        name: Its name in the queue, the same for all elements of an array.
        study: The study's folder.
        attempts: Trials as they are handed to the evaluator, each with the folder of its attempt; the first folder is
            that of the log and of these files.
        output: Where Slurm writes what the script prints.
        path: Folders that Python looks for modules in.
        environment: Variables that the evaluator's process starts with.
        element: Its number in an array; None for a job by itself.
        memory: MiB that were asked for; None where that was left to the cluster.
        job: Its id, ``17`` or ``17_3``; None before it is known.
        state: How it ended in the words of Slurm; None before it has.
        token: Drawn for its submission.
    """

    name: str
    study: str
    attempts: tuple[tuple[str, str], ...]
    output: str
    path: tuple[str, ...] = ()
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    element: int | None = None
    memory: int | None = None
    job: str | None = None
    state: str | None = None
    token: str = ""

    @property
    def folder(self) -> Path:
        """The folder with the log."""
        return Path(self.attempts[0][1])

    def trials(self) -> list[tuple[Trial, Path]]:
        """Trials and the folders of their attempts."""
        return [(records.trial_from_json(text), Path(folder)) for text, folder in self.attempts]

    def write(self) -> None:
        """Write it into the folders of all its attempts; durable when this returns."""
        for _, folder in self.attempts[1:]:
            text = records.sealed({"schema": _SCHEMA, "with": self.attempts[0][1]})
            files.replace(Path(folder) / FILE, text)
        files.replace(self.folder / FILE, records.sealed({"schema": _SCHEMA, **dataclasses.asdict(self)}))


def read(folder: Path) -> JobFile | None:
    """The job of an attempt; None where none was ever to be submitted.

    Raises:
        EvaluationError: The file is not what was written.
    """
    if (data := _read(folder)) is None:
        return None
    if (leader := data.pop("with", None)) is not None and (data := _read(Path(leader))) is None:
        return None
    del data["schema"]
    try:
        attempts = tuple((str(text), str(where)) for text, where in data.pop("attempts"))
        return JobFile(attempts=attempts, path=tuple(data.pop("path")), **data)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise _damaged(folder, error) from error


def _read(folder: Path) -> dict[str, Any] | None:
    try:
        text = files.read_bounded(folder / FILE, _LIMIT)
        return records.unsealed(text, _SCHEMA, sealed_from=1)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, RecursionError, StoreError) as error:
        raise _damaged(folder, error) from error


def _damaged(folder: Path, error: Exception) -> EvaluationError:
    cure = f"see with `squeue` that no job of it is left, and remove {folder}"
    return SetupError(f"{folder / FILE} cannot be read ({error}), so that nobody can say what still runs; {cure}")


def name_of(study: Path, trial: int, attempt: int, token: str) -> str:
    """The name of a job in the queue: ``bomix-demo-3f2a91-0007-1-c4d0e8``, with the folder's hash and its token."""
    folder = study.resolve()
    plain = re.sub(r"[^A-Za-z0-9_.]+", "_", folder.name)[:_LONGEST]
    own = hashlib.sha256(str(folder).encode()).hexdigest()[:6]
    return f"bomix-{plain}-{own}-{trial:04d}-{attempt}-{token[:_SHOWN]}"


def is_of(folder: Path, token: str) -> bool:
    """Whether an attempt is still the one that a job was submitted for: its study may have been begun anew, or removed.

    A file that cannot be read just now says nothing against it.
    """
    try:
        file = read(folder)
    except EvaluationError:
        return True
    return file is not None and file.token == token


def begin(folder: Path, who: str) -> bool:
    """Claim an attempt; False where another process, or a driver that gave it up, has.

    Args:
        folder: The folder of the (first) attempt.
        who: The job, for people who read the file.
    """
    text = json.dumps({"who": who, "host": socket.gethostname(), "pid": os.getpid()})
    try:
        files.write_new(folder / BEGUN_FILE, text + "\n")
    except FileExistsError:
        return False
    return True


def end(folder: Path, code: int, token: str = "") -> None:
    """Say that the process of a job is about to end, with all that it started."""
    files.write_new(folder / ENDED_FILE, json.dumps({"code": code, "token": token}) + "\n")


def ended(folder: Path, token: str = "") -> int | None:
    """The exit status of the process of a job; None where it has not said that it is over."""
    try:
        data = json.loads(files.read_bounded(folder / ENDED_FILE, _LIMIT))
        return int(data["code"]) if data["token"] == token else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None  # the folder is the trainer's as well; Slurm knows that the job is over


def has_begun(folder: Path) -> bool:
    """Whether a process runs the attempt, or ran it."""
    return (folder / BEGUN_FILE).exists()


def refresh(folder: Path) -> None:
    """Change a folder, so that a network file system forgets what it knew of it and shows what others wrote there."""
    with contextlib.suppress(OSError), tempfile.NamedTemporaryFile(dir=folder, prefix=".", suffix=".tmp"):
        pass


def silent_for(folder: Path) -> float | None:
    """Seconds since the process of an attempt last wrote to its log or reported; None where it has not begun.

    Both times are of the file system that the folder lies on: clocks of nodes differ.
    """
    times = []
    for name in (BEGUN_FILE, LOG_FILE, REPORTS_FILE):
        # Opened, since a network file system answers from what it knew of a file that is only looked at.
        with contextlib.suppress(OSError), (folder / name).open("rb") as file:
            times.append(os.fstat(file.fileno()).st_mtime)
    if not times or not has_begun(folder):
        return None
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".", suffix=".tmp") as file:
            return os.fstat(file.fileno()).st_mtime - max(times)
    except OSError:
        return None  # a full disk is no reason to end a job


def broken(folder: Path) -> str | None:
    """Why the evaluator cannot be had in a job; None where nothing is said of that."""
    return _said(folder / BROKEN_FILE)


def say_broken(folder: Path, why: str) -> None:
    """Say that the evaluator cannot be had in a job."""
    files.write_new(folder / BROKEN_FILE, why[:MESSAGE_LIMIT])


def overdue(folder: Path) -> str | None:
    """Why a driver has the job of an attempt cancelled; None where none does."""
    return _said(folder / OVERDUE_FILE)


def say_overdue(folder: Path, why: str) -> None:
    """Say why the job of an attempt is cancelled, before it is."""
    files.replace(folder / OVERDUE_FILE, why)


def _said(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")[:MESSAGE_LIMIT]
    except OSError:
        return None
