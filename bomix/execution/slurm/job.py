"""What a job runs: ``python -m bomix.execution.slurm.job FOLDER TOKEN`` evaluates the attempt in that folder.

It needs the folder and the study's, and no driver. The evaluator is built from the study file, as the driver built it;
where the file says by now that other losses would come of it, nothing is trained. Where another job was written down in
the folder since, by a study that was begun anew there, or the folder is gone, nothing is written.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bomix.errors import BomixError, EvaluationError
from bomix.execution.attempt import left_behind
from bomix.execution.attempt.descendants import adopt_orphans, end_descendants
from bomix.execution.attempt.evaluate import evaluate, log_to
from bomix.execution.attempt.reports import EVERY_S, Reports
from bomix.execution.slurm import job_file
from bomix.execution.slurm.evaluator import ready_evaluator
from bomix.execution.slurm.job_file import JobFile
from bomix.progress import Progress

SECOND = 75
"""Exit status of a second copy of a job, which trains nothing: "temporary failure" in BSD's sysexits.h."""
BROKEN = 78
"""Exit status where the evaluator cannot be had: "configuration error" in BSD's sysexits.h."""
_ANEW = "the study was begun anew while this job waited or ran"
_DYING_S = 0.5
"""Seconds that a failed process waits before it says so: a cluster that ends a job signals all of its processes, and
where a program that the evaluator started dies first, that looks like its failure for a moment."""


def main(arguments: Sequence[str]) -> int:
    """Evaluate the attempt, or the group of attempts, in a folder.

    Returns:
        Exit status: that of :func:`bomix.execution.attempt.evaluate.evaluate`, :data:`SECOND` or :data:`BROKEN`.
    """
    folder, token = Path(arguments[0]), (*arguments, "")[1]
    try:
        job = job_file.read(folder)
    except EvaluationError as error:
        _say(str(error))
        return BROKEN
    if job is None:
        _say(f"there is no {job_file.FILE} in {folder}; nothing is trained")
        return BROKEN
    if job.token != token:
        _say(f"another job was submitted since for {folder}; {_ANEW}, and nothing is trained")
        return SECOND
    number = os.environ.get("SLURM_JOB_ID", "none")
    try:
        if job_file.begin(job.folder, f"job {number}"):
            return _run(job)
        _say(f"another copy of this job has begun this attempt, or its driver gave it up; nothing is trained: {folder}")
    except (FileExistsError, FileNotFoundError) as error:
        _say(f"nothing is recorded: {error}; {_ANEW}, or its folder was removed")
    return SECOND


def _run(job: JobFile) -> int:
    """Evaluate what a job is for."""
    os.environ.update({**job.environment, "BOMIX_SLOT": "0"})
    sys.path.extend(place for place in job.path if place not in sys.path)
    adopt_orphans()
    try:
        evaluator = ready_evaluator(Path(job.study))
    except Exception as error:  # whatever a user's module does while it is imported
        why = str(error) if isinstance(error, BomixError) else f"{type(error).__name__}: {error}"
        _say(why)
        _end_superseded(job)
        job_file.say_broken(job.folder, why)
        job_file.end(job.folder, BROKEN, job.token)
        return BROKEN
    attempts = job.trials()
    _end_superseded(job)
    log_to([workdir for _, workdir in attempts])
    reports = Reports(job.folder)
    with left_behind.cutting_log(job.folder):
        code = evaluate(
            evaluator,
            attempts,
            reported=_Guarded(job, reports).report,
            finished=reports.finished,
            before_writing=lambda: _end_superseded(job),
        )
    _end_superseded(job)
    reports.flush()
    if code:
        time.sleep(_DYING_S)
        _end_superseded(job)
    job_file.end(job.folder, code, job.token)
    return code


class _Guarded:
    """Reports of a job, which end it where the attempt is not its own any more; that is looked at now and then.

    Args:
        job: The job.
        reports: Where reports go.
    """

    def __init__(self, job: JobFile, reports: Reports) -> None:
        self._job = job
        self._reports = reports
        self._next = 0.0

    def report(self, update: Progress) -> None:
        """Pass on a report."""
        if (now := time.monotonic()) >= self._next:
            self._next = now + EVERY_S
            _end_superseded(self._job)
        self._reports.report(update)


def _end_superseded(job: JobFile) -> None:
    """End this process, with all that it started, where the attempt is not its own any more.

    What it has is of use to nobody then, and whatever it wrote would be taken for another trial's.
    """
    if not job_file.is_of(job.folder, job.token):
        _say(f"nothing is recorded: {job.folder} is gone, or another job's; {_ANEW}, or its folder was removed")
        end_descendants()
        os._exit(SECOND)


def _say(line: str) -> None:
    """Write a line to what Slurm keeps of the job's output."""
    sys.stderr.write(f"bomix: {line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
