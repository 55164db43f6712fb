"""Trials as jobs of a Slurm cluster: submitted, watched by what they write and by one call for all, taken over."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path

from bomix.config.secret import secrets
from bomix.contracts.evaluator import Evaluator, EvaluatorTraits
from bomix.contracts.executor import Attempt, Ended, Event, Reported
from bomix.contracts.queued import LeavingError
from bomix.contracts.traits import traits
from bomix.errors import EvaluationError, SetupError
from bomix.execution.attempt.evaluate import NO_MEMORY
from bomix.execution.slurm import commands, job_file, states, submission
from bomix.execution.slurm.controller import Controller
from bomix.execution.slurm.evaluator import check
from bomix.execution.slurm.jobs import End, Job
from bomix.execution.slurm.resources import Resources
from bomix.progress import Progress
from bomix.trial import Trial

logger = logging.getLogger(__name__)

GATHER_S = 10.0
"""Seconds for which trials are gathered for one array: those of a design follow one another in milliseconds, the first
of them after some seconds of imports where a login node is busy; Slurm looks at its queue every half a minute."""
MISSED = 2
"""Looks at the queue that do not show a job before it counts as forgotten there, and history is asked."""
_LOOK_S = 0.2
"""Seconds between two looks at the folders of what runs: next to nothing beside a training."""
_STARTING_S = 600.0
"""Seconds for which a controller that does not answer is waited for where it must be known what still runs."""


class SlurmExecutor:
    """Runs trials as jobs that go on when this ends.

    Whatever a job writes is seen at the next look at its folder. What Slurm says of all of this user's jobs is asked
    for once in ``poll_s`` seconds; that tells of those that died without a word.

    Args:
        evaluator: What trains.
        folder: The study's.
        resources: What a job asks of the cluster.
        workers: Jobs in the queue at a time.
        poll_s: Seconds between two calls of Slurm.
        silence_s: Seconds without a sign of life after which a job is cancelled; None for no limit.
        leaves: Whether the driver does not wait: asked for events where there are none, it is told to leave.

    Raises:
        SetupError: The study's folder says of another evaluator, or of none; or Slurm's commands are not here.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        *,
        folder: Path,
        resources: Resources,
        workers: int,
        poll_s: float,
        silence_s: float | None = None,
        leaves: bool = False,
    ) -> None:
        check(evaluator, folder)
        if (absent := commands.missing()) is not None:
            raise SetupError(absent)
        self._workers = workers
        self._poll_s = poll_s
        self._silence_s = silence_s
        self._scratch = traits(evaluator, EvaluatorTraits).scratch
        self._gathers = resources.array
        self._leaves = leaves
        self._secrets = secrets(evaluator)
        environment = traits(evaluator, EvaluatorTraits).process_environment()
        self._to_submit = submission.Submission(resources, folder.resolve(), submission.places(), dict(environment))
        self._jobs: list[Job] = []
        self._cancelled: set[int] = set()
        self._slurm = Controller()
        self._next_call = 0.0
        self._recalls_next = True
        self._broken: EvaluationError | None = None
        self._early: int | None = None
        self._early_trials: set[int] = set()

    @property
    def free(self) -> int:
        """How many more jobs may be in the queue."""
        return self._workers - len(self._jobs) - len(self._to_submit)

    def reattach(self, pending: Sequence[tuple[Trial, Attempt]]) -> tuple[Trial, ...]:
        """Take over the jobs of an earlier driver, wherever that ran.

        Raises:
            EvaluationError: The controller does not answer, so that nobody knows what still runs.
        """
        self._jobs = submission.recorded(pending)
        if any(job.end(time.monotonic()) is None for job in self._jobs):
            deadline = time.monotonic() + _STARTING_S
            while not self._slurm.see(self._jobs):
                if time.monotonic() > deadline:
                    what = f"Slurm's controller has not answered for {_STARTING_S:g} s"
                    raise EvaluationError(f"{what}, so that nobody knows what still runs; try again later")
                time.sleep(self._poll_s)
        self._jobs = [job for job in self._jobs if self._stays(job)]
        if self._leaves and (gone := self._forgotten()):
            self._slurm.recall(gone)  # a driver that leaves does not stay for a second look at the queue
        return tuple(job.trials[number][0] for job in self._jobs for number in job.left)

    def _stays(self, job: Job) -> bool:
        """Whether a job is still to end, or to be told of; one that was never submitted will train nothing later."""
        if job.file.job is not None or job.end(time.monotonic()) is not None:
            return True
        if job_file.begin(job.folder, "nobody: its driver was gone, and Slurm knew of no such job"):
            return False
        job.see(states.Seen("", job.file.name, states.UNKNOWN), time.monotonic())  # it began, and is in no queue
        return True

    def submit(self, trial: Trial, attempt: Attempt) -> None:
        """Have a trial submitted, together with those that follow at once.

        Raises:
            EvaluationError: Slurm takes no such job.
        """
        self.submit_together([(trial, attempt)])

    def submit_together(self, group: Sequence[tuple[Trial, Attempt]]) -> None:
        """Have trials submitted that are trained as one, in one job.

        Raises:
            EvaluationError: Slurm takes no such job.
        """
        self._to_submit.add(group)
        if not self._gathers or self.free < 1 or self._to_submit.age > GATHER_S:
            self._submit()

    def _submit(self) -> None:
        new = self._to_submit.jobs()
        self._jobs += new
        self._hand_in(new)

    def _hand_in(self, jobs: Sequence[Job]) -> None:
        """Submit what has no id; what is not taken now is handed in again after the next look at the queue."""
        for script in dict.fromkeys(job.script for job in jobs):
            try:
                self._slurm.submit([job for job in jobs if job.script == script])
            except EvaluationError:
                self._jobs = [job for job in self._jobs if job.script != script]
                raise

    def events(self, timeout: float) -> list[Event]:
        """What happened within ``timeout`` seconds.

        Raises:
            EvaluationError: Slurm takes no jobs, or they cannot load the evaluator.
            LeavingError: There is nothing to be told, nor will be within seconds, and the driver does not wait.
        """
        deadline = time.monotonic() + timeout
        if self._broken is not None:
            raise self._broken
        if len(self._to_submit):
            self._submit()
        while True:
            self._call()
            if found := self._look():
                return found
            if self._leaves and not any(job.unsettled for job in self._jobs):
                raise LeavingError
            if (left := deadline - time.monotonic()) <= 0.0:
                return []
            time.sleep(min(_LOOK_S, left))

    def cancel(self, trial: Trial) -> None:
        """Have the job of a trial cancelled; one that is trained with others goes on until all of them are.

        Raises:
            EvaluationError: It cannot be.
        """
        if len(self._to_submit):
            self._submit()
        for job in self._jobs:
            if trial.id in job.left:
                self._cancelled.add(trial.id)
                if self._cancelled.issuperset(job.left):
                    self._end(job)

    def _end(self, job: Job) -> None:
        """Cancel a job, now or once the controller answers; one without an id will find that nobody wants it."""
        number = job.file.job
        if number is not None:
            job.ending = self._slurm.cancel(number)
        elif job_file.begin(job.folder, "nobody: cancelled"):
            job.see(states.Seen("", job.file.name, states.CANCELLED), time.monotonic())

    def close(self) -> None:
        """Leave the jobs to themselves: the next driver takes them over."""
        left = [f"trial {number} ({job.file.job})" for job in self._jobs if job.file.job for number in job.left]
        if left:
            listed = ", ".join(left)
            logger.warning(
                "jobs go on in the cluster: %s; the same command takes them over, `bomix cancel` ends them", listed
            )

    def _call(self) -> None:
        """Ask Slurm once, where it is time: for the queue, or every second time for jobs that it has forgotten."""
        if not self._jobs or time.monotonic() < self._next_call:
            return
        self._next_call = time.monotonic() + self._poll_s
        gone = self._forgotten() if self._recalls_next else []
        self._recalls_next = not gone  # history may not answer for days, and the queue tells of all other jobs
        if gone:
            self._slurm.recall(gone)
        elif self._slurm.see(self._jobs):
            self._hand_in([job for job in self._jobs if job.to_submit])
            for job in self._jobs:
                unwanted = self._cancelled.issuperset(job.left) or job.is_silent(self._silence_s)
                if unwanted and not job.ending and job.running:
                    self._end(job)

    def _forgotten(self) -> list[Job]:
        """Jobs that the queue does not show any more, and of whose end nothing is known."""
        most = 1 if self._leaves else MISSED
        return [job for job in self._jobs if job.missed >= most and job.file.job is not None and job.over_since is None]

    def _look(self) -> list[Event]:
        """What the jobs wrote since the last look, and which of them are over.

        Raises:
            EvaluationError: A job cannot load the evaluator, and nothing else is to be told before that.
        """
        found: list[Event] = []
        over: list[tuple[Job, End]] = []
        for job in list(self._jobs):
            try:
                end = job.end(time.monotonic())
            except EvaluationError as error:
                self._broken = error
                continue
            found += self._read(job)
            if end is not None:
                self._jobs.remove(job)
                over.append((job, end))
        for job, end in self._without_faults(over):
            found += self._over(job, end)
        if self._broken is not None and not found:
            raise self._broken
        return found

    def _without_faults(self, over: Sequence[tuple[Job, End]]) -> list[tuple[Job, End]]:
        """Jobs that are over, less those of a fault that is no trial's: these trials stay pending, and the run ends.

        It is none where jobs of two trials, one after the other, end with the same status before the training began.
        """
        for job, end in over:
            if (code := job.early(end)) != self._early:
                self._early, self._early_trials = code, set()
            self._early_trials.add(min(job.trials))
            if code is not None and len(self._early_trials) > 1:
                cure = "mend execution.setup or execution.python, and give the same command again: trials stay pending"
                what = f"jobs end with exit status {code} before the training begins, the last one is {job.file.job}"
                where = f"{job.last_words()} ({job.file.output})"
                self._broken = self._broken or SetupError(f"{what}: {where}; {cure}")
        if self._broken is None:
            return list(over)
        for job, end in over:
            if job.early(end) is not None:
                job.note(state="FAILED")
        return [(job, end) for job, end in over if job.early(end) is None]

    def _read(self, job: Job) -> list[Event]:
        """Reports of a job, and trials of a group that are finished while the others go on."""
        found: list[Event] = []
        for each in job.reader.new():
            if isinstance(each, Progress):
                told = job.left if each.trial is None else [number for number in job.left if number == each.trial]
                found += [Reported(job.trials[number][0], each) for number in told]
            elif each in job.left and len(job.left) > 1:
                found.append(self._ended(job, each, None))
            elif each in job.left:
                job.finished = True  # it is told of when the job is over: its slot is free then
        return found

    def _over(self, job: Job, end: End) -> list[Event]:
        if end.lost is states.REQUEUED:
            self._end(job)  # a second copy would find that the first had begun, and only take a place in the queue
        no_memory = end.code == NO_MEMORY or (end.seen is not None and end.seen.state == states.OUT_OF_MEMORY)
        known = end.seen.state if end.seen is not None and not end.seen.live else f"ended {end.code}"
        job.note(state=states.OUT_OF_MEMORY if no_memory else known)
        return [self._ended(job, number, end) for number in list(job.left)]

    def _ended(self, job: Job, number: int, end: End | None) -> Ended:
        cancelled = number in self._cancelled
        self._cancelled.discard(number)
        return job.outcome(number, end, cancelled=cancelled, scratch=self._scratch, secrets=self._secrets)
