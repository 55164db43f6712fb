"""A job in the queue, as its driver sees it, and what becomes of the trials in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from pathlib import Path

from bomix.contracts.executor import Attempt, Ended
from bomix.errors import SetupError
from bomix.execution.attempt import left_behind
from bomix.execution.attempt.evaluate import ERROR_FILE, LOG_FILE, RAISED, RESULT_FILE
from bomix.execution.attempt.redaction import redact_file, redacted
from bomix.execution.attempt.reports import Reader
from bomix.execution.slurm import job_file, states
from bomix.execution.slurm.job import SECOND
from bomix.execution.slurm.job_file import JobFile
from bomix.execution.slurm.states import Seen
from bomix.trial import Failure, Result, Trial

LAG_S = 5.0
"""Seconds in which a file that a node wrote is seen on another one, once the folder was changed here: until then NFS
may answer from what it knew of the folder. A process that was killed may have written a result before."""
_OUTPUT = 4_000
"""Bytes of Slurm's own output that stand for a log where the training wrote none."""


@dataclasses.dataclass(frozen=True)
class End:
    """How a job ended.

    Attributes:
        code: Exit status that the process itself wrote down; None where it did not live to do so.
        seen: What Slurm says; None where nobody asked.
        lost: What is said where the cluster ended it, through no fault of the trials; None else.
    """

    code: int | None = None
    seen: Seen | None = None
    lost: str | None = None


@dataclasses.dataclass
class Job:
    """A job that was submitted, or is to be, of a trial or of several that are trained as one.

    Attributes:
        file: What stands about it in its folder.
        trials: Trials to the folders of their attempts.
        left: Ids of those that have not ended.
        script: The script that it was submitted with.
        seen: What Slurm last said.
        over_since: When Slurm first said that it is over, by the monotonic clock; None while it does not.
        missed: Looks at the queue, one after the other, that did not show it.
        told: The reason to wait that was told of already.
        finished: Whether the last of a group is finished, and the job need only end.
        ending: Whether Slurm was told to cancel it.
        taken_over: Whether an earlier driver wrote it down, so that this one must not hand it in.
        recalled: Whether this driver asked for what is kept of it where the queue does not show it.
    """

    file: JobFile
    trials: dict[int, tuple[Trial, Path]]
    left: list[int]
    script: Path
    seen: Seen | None = None
    over_since: float | None = None
    missed: int = 0
    told: str = ""
    finished: bool = False
    ending: bool = False
    taken_over: bool = False
    recalled: bool = False

    def __post_init__(self) -> None:
        self.reader = Reader(self.file.folder)

    @classmethod
    def of(cls, file: JobFile, group: Collection[tuple[Trial, Attempt]], script: Path) -> Job:
        """A job of some trials."""
        trials = {trial.id: (trial, attempt.folder) for trial, attempt in group}
        return cls(file, trials, list(trials), script)

    @property
    def folder(self) -> Path:
        """The folder with the log."""
        return self.file.folder

    @property
    def grouped(self) -> bool:
        """Whether several trials are trained as one."""
        return len(self.file.attempts) > 1

    @property
    def running(self) -> bool:
        """Whether it runs or waits, as far as is known."""
        return self.seen is None or self.seen.live

    @property
    def to_submit(self) -> bool:
        """Whether it is to be handed in (again): Slurm has none of it, and no process has begun it."""
        known = self.file.job is not None or self.taken_over or not self.running
        return not known and not job_file.has_begun(self.folder)

    @property
    def unsettled(self) -> bool:
        """Whether it seems to be over, and a few seconds or one question more will tell."""
        asked = self.recalled or self.file.job is None
        return self.over_since is not None or (self.missed > 0 and not asked)

    @property
    def may_come_back(self) -> bool:
        """Whether anything is to be waited for, or told, of a job of an earlier driver."""
        if any((folder / RESULT_FILE).exists() for _, folder in self.trials.values()):
            return True
        return self.file.state is None and job_file.broken(self.folder) is None

    def is_named(self, seen: Seen) -> bool:
        """Whether a job of the queue is this one, by its name and its number in an array."""
        element = seen.job.partition("_")[2]
        return seen.name == self.file.name and element == ("" if self.file.element is None else str(self.file.element))

    def note(self, **what: str) -> None:
        """Write down its id, or how it ended."""
        self.file = dataclasses.replace(self.file, **what)  # type: ignore[arg-type]
        self.file.write()

    def see(self, seen: Seen, now: float) -> None:
        """Take what Slurm says."""
        self.seen, self.missed = seen, 0
        self.over_since = (self.over_since or now) if self._is_over(seen) else None

    def _is_over(self, seen: Seen) -> bool:
        """Whether its one process is, though Slurm may want to start a second one."""
        again = seen.state in states.WAITING and seen.restarts > 0 and job_file.has_begun(self.folder)
        return again or not seen.live

    def is_silent(self, limit_s: float | None) -> bool:
        """Whether its process has said nothing for too long; that is written down, for whichever driver sees the end.

        Args:
            limit_s: Seconds without a sign of life; None for no limit.
        """
        if job_file.overdue(self.folder) is not None:
            return True
        if limit_s is None or not self.running or (silent := job_file.silent_for(self.folder)) is None:
            return False
        if silent > limit_s:
            job_file.say_overdue(
                self.folder,
                f"no progress and nothing new in its log for {limit_s:g} s (execution.silence_s); print something, "
                "report progress (bomix.progress.report), or raise the limit",
            )
        return silent > limit_s

    def end(self, now: float) -> End | None:
        """How it ended; None while it runs or waits, or where what it wrote may still come into sight.

        Raises:
            EvaluationError: The evaluator cannot be had in a job.
        """
        if (code := job_file.ended(self.folder, self.file.token)) is not None:
            if (why := job_file.broken(self.folder)) is not None:
                raise SetupError(f"the evaluator cannot be loaded in a job of Slurm: {why}")
            return End(code, self.seen)
        seen = self.seen
        if seen is None or not self._is_over(seen):
            return None
        self.over_since = self.over_since or now
        late = [folder for _, folder in map(self.trials.__getitem__, self.left) if not (folder / RESULT_FILE).exists()]
        if late and now < self.over_since + LAG_S:
            for folder in {self.folder, *late}:
                job_file.refresh(folder)
            return None
        if seen.live:
            return End(None, seen, states.REQUEUED)
        if seen.code == SECOND:
            return End(None, seen, states.SECOND_COPY)
        if seen.state == states.CANCELLED and seen.nodes and not job_file.has_begun(self.folder):
            return End(None, seen, states.NOT_STARTED)
        return End(None, seen, states.LOST.get(seen.state))

    def early(self, end: End) -> int | None:
        """The exit status of a job that ended by itself before the training began; None of any other end."""
        seen = end.seen
        if end.code is not None or end.lost is not None or seen is None or seen.state != "FAILED" or seen.code <= 0:
            return None
        return None if job_file.has_begun(self.folder) else seen.code

    def last_words(self) -> str:
        """The last line of its output."""
        return (self._output().strip().splitlines() or ["no output"])[-1]

    def outcome(
        self, number: int, end: End | None, *, cancelled: bool, scratch: Collection[str], secrets: frozenset[str]
    ) -> Ended:
        """How a trial ended, which is struck off.

        Args:
            number: Its id.
            end: How the job did; None where it goes on with others of a group.
            cancelled: Whether its driver cancelled it.
            scratch: Patterns of the names of what another attempt can go on from.
            secrets: Values that must not be in what is told.
        """
        self.left.remove(number)
        trial, folder = self.trials[number]
        if end is not None:
            redact_file(self.folder / LOG_FILE, secrets)
        tail = redacted(left_behind.log_tail(self.folder) or self._output(), secrets)
        code = None if end is None else end.code
        outcome = left_behind.outcome(folder, code or 0, tail, grouped=True)
        if isinstance(outcome, Result):
            return Ended(trial, outcome, tail)
        if cancelled:
            return Ended(trial, Failure("cancelled", tail), tail)
        overdue = None if end is None else job_file.overdue(self.folder)
        message, lost = (overdue, False) if overdue is not None else self._why(folder, end, outcome.message, scratch)
        seen = None if end is None or end.code is not None else end.seen
        by_hand = seen is not None and seen.state == states.CANCELLED and overdue is None
        by_group = self.grouped and end is not None and not lost and not self.finished and not by_hand
        raised = by_group and code == RAISED and (folder / ERROR_FILE).exists()
        return Ended(trial, Failure(redacted(message, secrets), tail), tail, by_group, raised, lost)

    def _why(self, folder: Path, end: End | None, message: str, scratch: Collection[str]) -> tuple[str, bool]:
        """Why an attempt failed, and whether that is a loss.

        Args:
            folder: Its folder.
            end: How its job ended; None where it goes on.
            message: What the attempt itself left behind.
            scratch: Patterns of the names of what another attempt can go on from.
        """
        if end is None or end.code is not None:
            return message, False
        job = f"(job {self.file.job or self.file.name})"
        if end.lost == states.LOST[states.TIMEOUT] and not any(any(folder.glob(name)) for name in scratch):
            return f"{end.lost} {states.FROM_THE_START} {job}", False
        if end.lost is not None:
            return f"{end.lost} {job}", True
        if end.seen is not None and not ((folder / ERROR_FILE).exists() and end.seen.state == "FAILED"):
            message = end.seen.message(begun=job_file.has_begun(self.folder))
        return message, False

    def _output(self) -> str:
        """The end of what Slurm kept of the job's output, where the training wrote no log."""
        try:
            return Path(self.file.output).read_text(errors="replace")[-_OUTPUT:]
        except OSError:
            return ""
