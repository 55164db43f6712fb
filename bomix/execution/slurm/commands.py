"""The four commands of Slurm that are called, and what they print."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from bomix.errors import EvaluationError, SetupError
from bomix.execution.slurm.states import Seen

logger = logging.getLogger(__name__)

_PATIENCE_S = 120.0
"""Seconds for one call: a busy controller answers after its own time-out of 10 to 60 s, which the clients repeat."""
_COLUMNS = (
    *(("JobArrayID", 48), ("Name", 96), ("State", 24), ("exit_code", 16), ("RestartCnt", 16)),
    *(("Reason", 96), ("NodeList", 64)),
)
"""Columns of the queue and their widths: what is longer is cut off, so that any text may stand in them."""
_DOWN = (
    *("unable to contact", "timed out", "timeout", "connection refused", "zero bytes", "temporarily", "try again"),
    *("transport endpoint", "connection reset", "connect failure", "communication", "socket", "not responding"),
)
"""Parts of what clients say, in small letters, where the controller or the network is the matter, and will be back."""
_FULL = ("submit limit", "submitjob", "job count", "max_job", "maxsubmit")
"""The same where the user has as many jobs in the queue as are allowed."""
_ABSENT = "configuration source"
"""What clients say, in small letters, where there is no cluster to speak of."""
_ELSEWHERE = ("SBATCH_CLUSTERS", "SLURM_CLUSTERS")
"""Variables that send calls to other clusters: a job is looked for in the one queue of the cluster here."""
_LOGIN = (
    "a study that runs through Slurm is driven from a node that has Slurm's commands, a login node as a rule (Debian: "
    "slurm-client)"
)
_TOLD = 500
"""Characters of what a command says that go into a message."""


class UnreachableError(Exception):
    """The controller did not answer; whatever was asked may have been done all the same."""


class FullError(Exception):
    """The queue takes no more jobs of this user for now."""


def submit(script: Path) -> str:
    """Submit a script; the id of its job or array.

    Raises:
        UnreachableError: It is not known whether it was.
        FullError: It was not, and may be later.
        EvaluationError: It was not, and will not be.
    """
    done = _call("sbatch", "--parsable", str(script))
    said = done.stderr.strip()
    number, _, cluster = done.stdout.strip().partition(";")
    if done.returncode == 0 and number.isdigit():
        if not cluster:
            return number
        _call("scancel", f"--clusters={cluster}", number)
        what = f"sbatch gave job {number} to the cluster '{cluster}', whose queue is not the one that is asked here"
        raise SetupError(f"{what}; it is cancelled. Drive the study from a login node of '{cluster}'")
    if any(part in said.lower() for part in _FULL):
        raise FullError(said[:_TOLD])
    what = said[:_TOLD] or done.stdout.strip()[:_TOLD] or f"it ended with {done.returncode}"
    raise SetupError(f"sbatch takes no job: {what}; the script is {script} (keys 'execution' of the study file)")


def missing() -> str | None:
    """Which of the commands that a driver cannot do without are not here, in a sentence; None where all are."""
    absent = [f"'{name}'" for name in ("sbatch", "squeue", "scancel") if shutil.which(name) is None]
    return f"there is no command {' and no '.join(absent)} here; {_LOGIN}" if absent else None


def refusal(script: Path) -> str | None:
    """What Slurm has against a script, in its words; None where it would take it. Nothing is submitted.

    Raises:
        UnreachableError: It does not answer.
        SetupError: There is no Slurm here.
    """
    done = _call("sbatch", "--test-only", str(script))
    return (done.stderr.strip() or done.stdout.strip())[:_TOLD] if done.returncode else None


def queue() -> list[Seen]:
    """All jobs of this user that the controller knows, ended ones included, elements of arrays one by one.

    Raises:
        UnreachableError: It does not answer.
        EvaluationError: There is no Slurm here.
    """
    columns = ",".join(f"{name}:{width}" for name, width in _COLUMNS)
    options = ("--noheader", "--array", "--states=all", f"--user={os.getuid()}", f"--Format={columns}")
    done = _call("squeue", *options)
    if done.returncode:
        raise UnreachableError(done.stderr.strip()[:_TOLD])
    return [_seen(line) for line in done.stdout.splitlines() if line.strip()]


def _seen(line: str) -> Seen:
    fields, start = [], 0
    for _, width in _COLUMNS:
        fields.append(line[start : start + width].strip())
        start += width
    job, name, state, status, restarts, reason, nodes = fields
    return Seen(job, name, state, _number(status), _number(restarts), reason, nodes)


def ended(jobs: Sequence[str]) -> dict[str, Seen]:
    """What is kept of jobs that the controller has forgotten; those of which nothing is are left out.

    Accounting is asked, or else the file that the controller writes of completed jobs.

    Args:
        jobs: Ids.

    Raises:
        UnreachableError: Nobody answers.
    """
    options = ("--noheader", "--parsable2", "--format=JobID,State,ExitCode", f"--jobs={','.join(jobs)}")
    found: dict[str, Seen] = {}
    for how in (("--allocations",), ("--completion",)):
        done = _call("sacct", *how, *options)
        if done.returncode == 0:
            for line in done.stdout.splitlines():
                number, state, code = (*line.split("|"), "", "")[:3]
                if number in jobs and (word := state.split(" ")[0]):  # "CANCELLED by 0"
                    found[number] = Seen(number, "", word, _status(code))
            if found:
                break
    return found


def _status(code: str) -> int:
    """A wait status from ``3:0`` or ``0:9``."""
    exit_code, _, signal = code.partition(":")
    return (_number(exit_code) << 8) | _number(signal)


def cancel(jobs: Iterable[str]) -> None:
    """End jobs; of those that have ended nothing is said.

    Raises:
        UnreachableError: The controller does not answer.
        EvaluationError: They cannot be cancelled.
    """
    done = _call("scancel", *jobs)
    said = done.stderr.strip().lower()
    if done.returncode and "invalid job id" not in said and "already" not in said:
        raise EvaluationError(f"scancel: {done.stderr.strip()[:_TOLD]}")


def _call(*command: str) -> subprocess.CompletedProcess[str]:
    """Call a client of Slurm; in a session of its own, so that Ctrl-C does not end it half-way."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            env={name: value for name, value in os.environ.items() if name not in _ELSEWHERE},
            timeout=_PATIENCE_S,
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UnreachableError(f"{command[0]} has not answered for {_PATIENCE_S:g} s") from None
    except FileNotFoundError:
        raise SetupError(f"there is no command '{command[0]}' here; {_LOGIN}") from None
    if done.returncode and _ABSENT in done.stderr.lower():
        raise SetupError(
            f"{command[0]} knows of no cluster here; is SLURM_CONF set? {' '.join(done.stderr.split())[-_TOLD:]}"
        )
    logger.debug("%s: %d", " ".join(command), done.returncode)
    if done.returncode and any(part in done.stderr.lower() for part in _DOWN):
        raise UnreachableError(done.stderr.strip()[:_TOLD])
    return done


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0
