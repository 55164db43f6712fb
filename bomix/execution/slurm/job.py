"""What a job runs: ``python -m bomix.execution.slurm.job FOLDER`` evaluates the attempt in that folder.

It needs the folder and the study's, and no driver. The evaluator is built from the study file, as the driver built it;
where the file says by now that other losses would come of it, nothing is trained.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bomix.errors import BomixError
from bomix.execution.attempt.descendants import adopt_orphans
from bomix.execution.attempt.evaluate import evaluate, log_to
from bomix.execution.attempt.reports import Reports
from bomix.execution.slurm import job_file
from bomix.execution.slurm.evaluator import ready_evaluator

SECOND = 75
"""Exit status of a second copy of a job, which trains nothing: "temporary failure" in BSD's sysexits.h."""
BROKEN = 78
"""Exit status where the evaluator cannot be had: "configuration error" in BSD's sysexits.h."""
_DYING_S = 0.5
"""Seconds that a failed process waits before it says so: a cluster that ends a job signals all of its processes, and
where a program that the evaluator started dies first, that looks like its failure for a moment."""


def main(arguments: Sequence[str]) -> int:
    """Evaluate the attempt, or the group of attempts, in a folder.

    Returns:
        Exit status: that of :func:`bomix.execution.attempt.evaluate.evaluate`, :data:`SECOND` or :data:`BROKEN`.
    """
    folder = Path(arguments[0])
    job = job_file.read(folder)
    if job is None:
        _say(f"there is no {job_file.FILE} in {folder}")
        return BROKEN
    number = os.environ.get("SLURM_JOB_ID", "none")
    if not job_file.begin(job.folder, f"job {number}"):
        _say(f"another copy of this job has begun this attempt, or its driver gave it up; nothing is trained: {folder}")
        return SECOND
    os.environ.update({**job.environment, "BOMIX_SLOT": "0"})
    sys.path.extend(place for place in job.path if place not in sys.path)
    adopt_orphans()
    try:
        evaluator = ready_evaluator(Path(job.study))
    except Exception as error:  # whatever a user's module does while it is imported
        why = str(error) if isinstance(error, BomixError) else f"{type(error).__name__}: {error}"
        _say(why)
        job_file.say_broken(job.folder, why)
        job_file.end(job.folder, BROKEN)
        return BROKEN
    attempts = job.trials()
    log_to([workdir for _, workdir in attempts])
    reports = Reports(job.folder)
    code = evaluate(evaluator, attempts, reported=reports.report, finished=reports.finished)
    reports.flush()
    if code:
        time.sleep(_DYING_S)
    job_file.end(job.folder, code)
    return code


def _say(line: str) -> None:
    """Write a line to what Slurm keeps of the job's output."""
    sys.stderr.write(f"bomix: {line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
