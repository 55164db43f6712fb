"""Trials in somebody's pool of workers: calls that a pool takes, and what folders of attempts tell meanwhile."""

from __future__ import annotations

import contextlib
import itertools
import logging
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any

import bomix
from bomix.contracts.executor import Attempt, Ended, Event
from bomix.errors import EvaluationError, SetupError
from bomix.execution.attempt import left_behind
from bomix.execution.attempt.evaluate import LOG_FILE
from bomix.execution.attempt.redaction import redact_file, redact_files, redacted
from bomix.execution.pool import notes
from bomix.execution.pool.calls import Gone, Pool
from bomix.execution.pool.notes import Wanted
from bomix.execution.pool.warm import Setting, end_idle
from bomix.io.store import records
from bomix.trial import Failure, Trial

logger = logging.getLogger(__name__)

BEAT_S = 10.0
"""Seconds between two signs of life of a driver: workers end what they run eighteen times as long after the last."""
ENDING_S = 10.0
"""Seconds beyond the grace of a trial in which a worker ends it: it looks twice a second, and a process that holds a
device takes some to go."""


@dataclass
class _Job:
    """A call that waits or runs, for a trial or for several that are trained as one.

    Attributes:
        attempts: Trials to the folders of their attempts; log and notes are in the first.
        reader: What the worker tells.
        left: Ids of the trials that have not ended.
        slot: The slot that it takes.
        cancelled: Ids of those of them that are not wanted any more.
        node: The machine that runs it; None before it has begun.
        overdue: When its worker is ended, by the monotonic clock; None where it has no reason to be.
    """

    attempts: Mapping[int, tuple[Trial, Path]]
    reader: notes.Reader
    left: list[int]
    slot: int
    cancelled: set[int] = field(default_factory=set)
    node: str | None = None
    overdue: float | None = None

    @property
    def folder(self) -> Path:
        """The folder with log and notes."""
        return next(iter(self.attempts.values()))[1]


class PoolExecutor:
    """Runs trials in a pool; each is evaluated in a process of its own, which its worker looks after.

    The folders of attempts are seen by driver and workers under the same path. A trial ends with its driver: at once
    where that closes, within minutes where it was killed.

    Args:
        pool: What takes the calls; it is closed with the executor.
        workers: Calls at a time, those that wait in the pool among them.
        setting: What workers run trials with.
    """

    def __init__(self, pool: Pool, *, workers: int, setting: Setting) -> None:
        self._pool = pool
        self._free = list(range(workers))[::-1]
        self._secrets = setting.parcel.secrets
        self._ending_s = setting.limits.grace_s + ENDING_S
        self._token = token_hex(8)
        self._notes = notes.Writing(self._token, beat_s=BEAT_S)
        self._numbers = itertools.count()
        self._running: dict[int, _Job] = {}
        self._unheard: list[Ended] = []

    @property
    def free(self) -> int:
        """Slots without a trial."""
        return 0 if self._unheard else len(self._free)

    def reattach(self, pending: Sequence[tuple[Trial, Attempt]]) -> tuple[Trial, ...]:
        """Trials that were finished, though the driver that started them ended before it heard of it.

        Those that still run are given up: their workers find that another driver has taken over.
        """
        self._unheard += left_behind.finished(pending, self._secrets)
        taken = tuple(end.trial for end in self._unheard)
        for trial, attempt in pending:
            if trial not in taken and Wanted.read(attempt.folder) is not None:
                with contextlib.suppress(OSError):  # without it the worker takes its driver for dead after a while
                    Wanted(self._token).write(attempt.folder)
        return taken

    def submit(self, trial: Trial, attempt: Attempt) -> None:
        """Start a trial in a free slot.

        Raises:
            EvaluationError: The pool takes no calls, or the folder of the attempt cannot be written to.
        """
        self.submit_together([(trial, attempt)])

    def submit_together(self, group: Sequence[tuple[Trial, Attempt]]) -> None:
        """Start trials in one call, in a free slot; several are trained as one.

        Raises:
            EvaluationError: The pool takes no calls, or the folder of the first attempt cannot be written to.
        """
        attempts = {trial.id: (trial, attempt.folder.resolve()) for trial, attempt in group}
        slot = self._free[-1]
        job = _Job(attempts, notes.Reader(group[0][1].folder.resolve()), list(attempts), slot)
        try:
            self._notes.begin(job.folder)
        except OSError as error:
            raise EvaluationError(f"{job.folder} cannot be written to ({error})") from error
        number = next(self._numbers)
        sent = [[records.trial_to_json(trial, handed=True), str(place)] for trial, place in attempts.values()]
        said = {"slot": slot, "token": self._token, "version": bomix.__version__}
        self._pool.submit(number, {"attempts": sent, **said})
        self._free.remove(slot)
        self._running[number] = job

    def cancel(self, trial: Trial) -> None:
        """Have a running trial ended; nothing happens where it has ended.

        One that is trained with others goes on with them, until all of them are cancelled.
        """
        for number, job in self._running.items():
            if trial.id in job.left:
                self._cancel(number, job, [trial.id])

    def events(self, timeout: float) -> Iterator[Event]:
        """What happened within ``timeout`` seconds.

        Raises:
            EvaluationError: Nothing can be run any more.
        """
        told = bool(self._unheard)
        while self._unheard:
            yield self._unheard.pop(0)
        for job in list(self._running.values()):
            for event in self._told(job, job.reader.read()):
                told = True
                yield event
        for number, reply in self._pool.wait(0.0 if told else timeout):
            job = self._running.pop(number)
            self._free.append(job.slot)
            yield from self._replied(job, reply)
        for number, job in list(self._running.items()):
            if job.overdue is not None and time.monotonic() > job.overdue:
                job.overdue = None
                self._pool.stop(number)

    def close(self) -> None:
        """End every running trial, and wait for that.

        Raises:
            EvaluationError: A worker did not tell in time that its trial has ended.
        """
        deadline = time.monotonic() + self._ending_s
        logs = [job.folder / LOG_FILE for job in self._running.values()]
        try:
            with contextlib.suppress(EvaluationError):  # the pool is gone, and nothing comes any more
                for number, job in self._running.items():
                    self._cancel(number, job, job.left)
                while self._running and time.monotonic() < deadline:
                    for number, reply in self._pool.wait(0.2):
                        self._notes.end(self._running.pop(number).folder, lost=_may_run(reply))
        finally:
            self._notes.close()
            ended = self._pool.close()
            end_idle()
            redact_files(logs, self._secrets)  # a worker that was killed has not done it
        if self._running and not ended:
            numbers = ", ".join(str(number) for job in self._running.values() for number in job.attempts)
            raise EvaluationError(
                f"trials may still run in the pool, which did not say that they have ended: {numbers}"
            )

    def _cancel(self, number: int, job: _Job, trials: Collection[int]) -> None:
        job.cancelled.update(trials)
        self._notes.cancel(job.folder, trials)
        if job.cancelled.issuperset(job.left):
            job.overdue = time.monotonic() + self._ending_s
            if job.node is None:
                self._pool.stop(number)

    def _told(self, job: _Job, told: Iterable[Mapping[str, Any]]) -> Iterator[Event]:
        """What a worker tells, as events; what it cannot have told is left out, since trials could write it, too."""
        for each in told:
            if "began" in each:
                job.node = str(each.get("node"))
                continue
            with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
                event = notes.from_data(each, {number: job.attempts[number][0] for number in job.left})
                if isinstance(event, Ended):
                    job.left.remove(event.trial.id)
                yield event

    def _replied(self, job: _Job, reply: Mapping[str, Any] | Gone) -> Iterator[Event]:
        """The ends of what a job has not told of, which is over.

        Raises:
            EvaluationError: Nothing can be run any more, or by such a worker.
        """
        yield from self._told(job, job.reader.read())
        if isinstance(reply, Gone) and reply.last:
            redact_files([job.folder / LOG_FILE], self._secrets)
            raise EvaluationError(redacted(reply.message, self._secrets))
        if isinstance(reply, Gone):
            yield from self._unfinished(job, reply)
        else:
            yield from self._told(job, job.reader.new(reply.get("events", ())))
            yield from self._unfinished(job, self._why(reply))
        self._notes.end(job.folder, lost=_may_run(reply))

    def _why(self, reply: Mapping[str, Any]) -> Gone:
        """Why a worker did not run a job, or not to its end.

        Raises:
            EvaluationError: It can run none.
        """
        node = reply["node"]
        if "refused" in reply:
            raise SetupError(f"nothing can be run on {node}: {redacted(reply['refused'], self._secrets)}")
        if "unseen" not in reply:
            return Gone(f"{node}: {reply.get('lost', 'the worker did not say how the trial ended')}")
        what = f"{node} does not see {reply['unseen']}"
        if self._pool.unseen(reply["where"]):
            logger.warning("%s, and gets no more trials", what)
            return Gone(what)
        raise SetupError(
            f"{what}; driver and workers must see the study folder under the same path: keep the study on a file "
            "system that all nodes have (in Python, give it a path)"
        )

    def _unfinished(self, job: _Job, gone: Gone) -> Iterator[Ended]:
        """The ends of the trials of a job that came to none, results that are whole all the same among them."""
        redact_file(job.folder / LOG_FILE, self._secrets)
        tail = redacted(left_behind.log_tail(job.folder), self._secrets)
        left = [(job.attempts[number][0], Attempt(1, job.attempts[number][1])) for number in job.left]
        found = {end.trial.id: end for end in left_behind.finished(left, self._secrets)}
        for trial, _ in left:
            if trial.id in job.cancelled:
                yield Ended(trial, Failure("cancelled", tail), tail)
            elif trial.id in found:
                yield found[trial.id]
            else:
                by_group = len(job.attempts) > 1 and not gone.lost
                message = redacted(gone.message, self._secrets)
                yield Ended(trial, Failure(message, tail), tail, by_group, lost=gone.lost)
        job.left.clear()


def _may_run(reply: Mapping[str, Any] | Gone) -> bool:
    """Whether another worker may run the job still, or begin it: this one was lost, or found the attempt claimed."""
    return isinstance(reply, Gone) or "lost" in reply
