"""Jobs of a study as commands see them that wait for nothing: where they stand, ended, or not yet submitted."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from bomix.contracts.executor import Attempt
from bomix.contracts.queued import QueuedJob
from bomix.errors import EvaluationError, SetupError
from bomix.execution.attempt.evaluate import LOG_FILE
from bomix.execution.slurm import commands, job_file, script, states
from bomix.execution.slurm.commands import UnreachableError
from bomix.execution.slurm.jobs import Job
from bomix.execution.slurm.resources import Resources
from bomix.execution.slurm.states import Seen
from bomix.execution.slurm.submission import Submission, recorded
from bomix.trial import Trial

NO_ANSWER = "unknown (Slurm's controller does not answer)"

_NO_TOKEN = "0" * 16
"""Stands in a script that is only shown for the token that is drawn when one is submitted."""


def jobs(attempts: Sequence[tuple[Trial, Attempt]]) -> list[QueuedJob]:
    """Where the jobs of some attempts stand; one call of Slurm, none without jobs."""
    found = recorded(attempts)
    try:
        queue = _queue(found)
    except (UnreachableError, EvaluationError):
        return [_queued(job, job.file.job, NO_ANSWER, None) for job in found]
    shown = [(job, _seen(job, queue)) for job in found]
    # What was found is not written down: a driver may be at the same file.
    return [
        _queued(job, job.file.job if seen is None else seen.job, _state(job, seen), seen is not None and seen.live)
        for job, seen in shown
    ]


def cancel(attempts: Sequence[tuple[Trial, Attempt]]) -> list[QueuedJob]:
    """End the jobs of some attempts, and write down that this was wanted: the next driver counts it as no failure.

    Raises:
        EvaluationError: Slurm does not answer, or a job has other trials beside these.
    """
    found = recorded(attempts)
    for job in found:
        if len(job.left) < len(job.file.attempts):
            every = ", ".join(str(trial.id) for trial, _ in job.file.trials())
            raise SetupError(
                f"trials {every} are one job, {job.file.job or job.file.name}; cancel all of them, or none"
            )
    try:
        queue = _queue(found)
        # One that is cancelled already, and not noted, is one of an earlier command whose answer did not come.
        over = [job for job in found if _is_cancellable(_seen(job, queue))]
        if numbers := [seen.job for job in over if (seen := _seen(job, queue)) is not None and seen.live]:
            commands.cancel(numbers)
    except UnreachableError as error:
        raise EvaluationError(f"Slurm's controller does not answer ({error}); give the same command again") from error
    for job in over:  # only now: what is noted before and is not cancelled would run beside its next attempt
        job_file.begin(job.folder, "nobody: cancelled")  # a job that has not begun will train nothing
        seen = _seen(job, queue)
        assert seen is not None
        job.note(job=seen.job, state=states.CANCELLED)
    return [_queued(job, job.file.job, states.CANCELLED, False) for job in over]


def preview(attempts: Sequence[tuple[Trial, Attempt]], wanted: Resources, *, folder: Path) -> list[str]:
    """The scripts that would be submitted for some trials."""
    submission = Submission(wanted, folder.resolve(), (), {})
    for trial, attempt in attempts:
        submission.add([(trial, attempt)])
    return [script.text([job.file for job in each], wanted) for each in submission.arrays(_NO_TOKEN)]


def lacks(wanted: Resources, *, folder: Path | None) -> list[str]:
    """What keeps jobs from being submitted, in sentences; nothing is submitted, nor written into the study's folder.

    Raises:
        SetupError: There is no cluster here.
    """
    if (absent := commands.missing()) is not None:
        return [absent]
    place = Path("/") if folder is None else folder
    (text,) = preview([(Trial(0, {}, 0, ""), Attempt(1, place / "trials/0000/attempts/1"))], wanted, folder=place)
    with tempfile.NamedTemporaryFile("w", suffix=".sh", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        try:
            said = commands.refusal(Path(file.name))
        except UnreachableError as error:
            return [f"Slurm's controller does not answer just now ({error}), so that nobody knows what it would take"]
    return [] if said is None else [f"Slurm would take no job as the keys 'execution' ask for it: {said}"]


def _queue(found: Sequence[Job]) -> list[Seen]:
    """What Slurm shows; nothing is asked without jobs.

    Raises:
        UnreachableError: Slurm does not answer.
    """
    return commands.queue() if found else []


def _seen(job: Job, queue: Sequence[Seen]) -> Seen | None:
    """A job in the queue, by its id or its name; one that lives before one that has ended."""
    named = [seen for seen in queue if seen.job == job.file.job or job.is_named(seen)]
    return next((each for each in named if each.live), named[-1] if named else None)


def _is_cancellable(seen: Seen | None) -> bool:
    return seen is not None and (seen.live or seen.state == states.CANCELLED)


def _state(job: Job, seen: Seen | None) -> str:
    """The state of a job, with the reason where it waits."""
    if seen is None:
        return "ended" if job_file.has_begun(job.folder) else "not submitted"
    waits = seen.state in states.WAITING and seen.reason not in ("", "None")
    return f"{seen.state} ({seen.reason})" if waits else seen.state


def _queued(job: Job, number: str | None, state: str, live: bool | None) -> QueuedJob:
    log = job.folder / LOG_FILE
    shown = log if log.exists() else Path(job.file.output)
    return QueuedJob(tuple(job.left), number or job.file.name, state, job.folder, shown, live)
