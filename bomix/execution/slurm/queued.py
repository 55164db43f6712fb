"""Jobs of a study as commands see them that wait for nothing: where they stand, ended, or not yet submitted."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from bomix.contracts.executor import Attempt
from bomix.contracts.queued import QueuedJob
from bomix.errors import EvaluationError
from bomix.execution.attempt.evaluate import LOG_FILE
from bomix.execution.slurm import commands, job_file, script, states
from bomix.execution.slurm.commands import UnreachableError
from bomix.execution.slurm.jobs import Job
from bomix.execution.slurm.resources import Resources
from bomix.execution.slurm.submission import Submission, recorded
from bomix.trial import Trial

NO_ANSWER = "unknown (Slurm's controller does not answer)"


def jobs(attempts: Sequence[tuple[Trial, Attempt]]) -> list[QueuedJob]:
    """Where the jobs of some attempts stand; one call of Slurm, none without jobs."""
    found = recorded(attempts)
    try:
        seen = _states(found)
    except (UnreachableError, EvaluationError):
        seen = [NO_ANSWER] * len(found)
    return [_queued(job, state) for job, state in zip(found, seen, strict=True)]


def cancel(attempts: Sequence[tuple[Trial, Attempt]]) -> list[QueuedJob]:
    """End the jobs of some attempts, and write down that this was wanted: the next driver counts it as no failure.

    Raises:
        EvaluationError: Slurm does not answer, or a job has other trials beside these.
    """
    found = recorded(attempts)
    for job in found:
        if len(job.left) < len(job.file.attempts):
            every = ", ".join(str(trial.id) for trial, _ in job.file.trials())
            raise EvaluationError(f"trials {every} are one job, {_name(job)}; cancel all of them, or none")
    try:
        live = [job for job, state in zip(found, _states(found), strict=True) if state.split(" ")[0] in states.LIVE]
        for job in live:
            job_file.begin(job.folder, "nobody: cancelled")  # a job that has not begun will train nothing
            job.note(state=states.CANCELLED)
        if numbers := [job.file.job for job in live if job.file.job is not None]:
            commands.cancel(numbers)
    except UnreachableError as error:
        raise EvaluationError(f"Slurm's controller does not answer ({error}); give the same command again") from error
    return [_queued(job, states.CANCELLED) for job in live]


def preview(attempts: Sequence[tuple[Trial, Attempt]], wanted: Resources, *, folder: Path) -> list[str]:
    """The scripts that would be submitted for some trials."""
    submission = Submission(wanted, folder.resolve(), (), {})
    for trial, attempt in attempts:
        submission.add([(trial, attempt)])
    return [script.text([job.file for job in each], wanted) for each in submission.arrays()]


def _states(found: Sequence[Job]) -> list[str]:
    """The state of each job, with the reason where it waits.

    Raises:
        UnreachableError: Slurm does not answer.
    """
    queue = commands.queue() if found else []
    now, said = time.monotonic(), []
    for job in found:
        named = [seen for seen in queue if seen.job == job.file.job or job.is_named(seen)]
        seen = next((each for each in named if each.live), named[-1] if named else None)
        if seen is None:
            said.append("ended" if job_file.has_begun(job.folder) else "not submitted")
            continue
        job.see(seen, now)
        if job.file.job is None:
            job.note(job=seen.job)
        waits = seen.state in states.WAITING and seen.reason not in ("", "None")
        said.append(f"{seen.state} ({seen.reason})" if waits else seen.state)
    return said


def _queued(job: Job, state: str) -> QueuedJob:
    log = job.folder / LOG_FILE
    return QueuedJob(tuple(job.left), _name(job), state, job.folder, log if log.exists() else Path(job.file.output))


def _name(job: Job) -> str:
    return job.file.job or job.file.name
