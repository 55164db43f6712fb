"""Slurm as one driver asks it: what it says of jobs goes into them, and what hinders it is told once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from bomix.execution.slurm import commands, job_file, states
from bomix.execution.slurm.commands import FullError, UnreachableError
from bomix.execution.slurm.job import SECOND
from bomix.execution.slurm.jobs import Job

logger = logging.getLogger(__name__)


class Controller:
    """Asks Slurm, and bears it where that does not answer."""

    def __init__(self) -> None:
        self._unreachable = False
        self._full = False

    def see(self, jobs: Sequence[Job]) -> bool:
        """Find every job in the queue, by its id, or by its name where that is not known; whether Slurm answered."""
        return self._ask(lambda: self._see(jobs, commands.queue()))

    def recall(self, gone: Sequence[Job]) -> bool:
        """Ask what is kept of jobs that the queue does not show; whether anybody answered."""
        for job in gone:
            job.recalled = True
        return self._ask(lambda: self._recall(gone))

    def cancel(self, number: str) -> bool:
        """Cancel a job; whether Slurm answered.

        Raises:
            EvaluationError: It cannot be cancelled.
        """
        return self._ask(lambda: commands.cancel([number]))

    def submit(self, jobs: Sequence[Job]) -> None:
        """Submit jobs of one script; they get their ids, or none where Slurm does not answer or takes none for now.

        Raises:
            EvaluationError: It never will.
        """
        try:
            number = commands.submit(jobs[0].script)
        except FullError as error:
            if not self._full:
                cure = "where it never does, give fewer 'workers', or 'array: false' (keys 'execution')"
                logger.warning("the queue takes no more jobs for now, and is asked again (%s); %s", error, cure)
            self._full = True
            return
        except UnreachableError as error:
            self._tell(error)
            return
        self._full = False
        for job in jobs:
            element = job.file.element
            job.note(job=number if element is None else f"{number}_{element}")

    def _see(self, jobs: Sequence[Job], queue: Sequence[states.Seen]) -> None:
        by_id = {seen.job: seen for seen in queue}
        now = time.monotonic()
        for job in jobs:
            seen = by_id.get(job.file.job or "")
            if seen is None or seen.code == SECOND:
                named = [each for each in queue if job.is_named(each)]
                seen = next((each for each in named if each.live), seen or (named[-1] if named else None))
            if seen is None:
                job.missed += 1
                if job.missed > 1 and job.file.job is None and job_file.has_begun(job.folder):
                    job.see(states.Seen("", job.file.name, states.UNKNOWN), now)  # it was taken, and is over
            else:
                if seen.job != job.file.job:
                    job.note(job=seen.job)
                job.see(seen, now)
                _tell_waiting(job, seen)

    def _recall(self, gone: Sequence[Job]) -> None:
        kept = commands.ended([job.file.job for job in gone if job.file.job is not None])
        for job in gone:
            number = job.file.job or ""
            job.see(kept.get(number, states.Seen(number, job.file.name, states.UNKNOWN)), time.monotonic())

    def _ask(self, what: Callable[[], None]) -> bool:
        """Call Slurm; whether it answered. That it does not is told once."""
        try:
            what()
        except UnreachableError as error:
            self._tell(error)
            return False
        if self._unreachable:
            logger.warning("Slurm's controller answers again")
        self._unreachable = False
        return True

    def _tell(self, error: UnreachableError) -> None:
        if not self._unreachable:
            logger.warning("Slurm's controller does not answer; jobs go on, and it is asked again (%s)", error)
        self._unreachable = True


def _tell_waiting(job: Job, seen: states.Seen) -> None:
    """Say once why a job waits, where it would wait for ever without somebody's help."""
    if seen.state in states.WAITING and seen.reason in states.STUCK and seen.reason != job.told:
        job.told = seen.reason
        logger.warning("job %s waits and will not start by itself (%s)", seen.job, seen.reason)
