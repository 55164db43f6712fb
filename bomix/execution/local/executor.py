"""Trials on this machine: slots of child processes, forked from a warm server, one for each trial or group."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any

from bomix.contracts.evaluator import Evaluator
from bomix.contracts.executor import Attempt, Ended, Event, Reported
from bomix.errors import EvaluationError, SetupError
from bomix.execution.attempt import left_behind
from bomix.execution.attempt.evaluate import ERROR_FILE, LOG_FILE, RAISED
from bomix.execution.attempt.parcel import Parcel
from bomix.execution.attempt.redaction import redact_file, redact_files, redacted
from bomix.execution.line_pipe import LinePipe
from bomix.execution.local.job import Job
from bomix.execution.local.slots import Slot
from bomix.io.store import records
from bomix.progress import Progress
from bomix.trial import Failure, Trial

_PATIENCE_S = 5.0
"""Seconds in which the server ends what is killed, and then itself."""


class UnloadableError(SetupError):
    """The evaluator cannot be loaded in another process."""


class LocalExecutor:
    """Runs trials, each in a process of its own that ends with this one, or several that are trained as one in one.

    The slot of a trial, from 0, is in the environment of its process as ``BOMIX_SLOT``.

    Args:
        evaluator: What trains, or the parcel that it travels in; it is pickled, so its class lives in an importable
            module.
        workers: Trials, or groups of them, at a time.
        slots: What each of them has for itself, where they have: as many as there are workers.
        timeout_s: Seconds after which an attempt is ended; None for no limit. The trials of a group have together as
            many as they would have one after the other.
        silence_s: Seconds without a report of progress or anything new in its log after which it is; None for none.
        folder: The working directory of the trials; that of this process unless given.
        grace_s: Seconds between SIGTERM and SIGKILL where an attempt is ended before its time.

    Raises:
        EvaluationError: The evaluator cannot be pickled, or not be loaded in another process.
    """

    def __init__(
        self,
        evaluator: Evaluator | Parcel,
        *,
        workers: int = 1,
        slots: Sequence[Slot] = (),
        timeout_s: float | None = None,
        silence_s: float | None = None,
        folder: str | None = None,
        grace_s: float = 10.0,
    ) -> None:
        self._limits = (timeout_s, silence_s)
        self._grace_s = grace_s
        parcel = evaluator if isinstance(evaluator, Parcel) else Parcel.of(evaluator)
        self._secrets = parcel.secrets
        self._free = [*(slots or map(Slot, range(workers)))][::-1]
        self._numbers = itertools.count()
        self._running: dict[int, Job] = {}
        self._cancelled: set[int] = set()
        self._unheard: list[Ended] = []
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._server = subprocess.Popen(
            # -P: the folder that bomix was called in is no place to import from, see `bomix.cli.main`.
            [sys.executable, "-P", "-m", "bomix.execution.local.server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, **parcel.environment},
            cwd=folder,
        )
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._stdin, self._stdout = self._server.stdin, self._server.stdout
        self._pipe = LinePipe(self._stdin, self._stdout, self._gone)
        self._pipe.send({"evaluator": parcel.evaluator, "sys_path": parcel.sys_path, "grace_s": grace_s})

    @property
    def free(self) -> int:
        """Slots without a trial."""
        return 0 if self._unheard else len(self._free)

    def use(self, slots: Sequence[Slot]) -> None:
        """Have other slots from now on, while no trial runs."""
        assert not self._running, "its slots are taken"
        self._free = [*slots][::-1]

    def reattach(self, pending: Sequence[tuple[Trial, Attempt]]) -> tuple[Trial, ...]:
        """Trials that were finished, though the driver that started them ended before it heard of it.

        The others ended with that driver. What left artifacts behind is not among them: these may not be whole.
        """
        redact_files([attempt.folder / LOG_FILE for _, attempt in pending], self._secrets)
        self._unheard += left_behind.finished(pending, self._secrets)
        return tuple(end.trial for end in self._unheard)

    def submit(self, trial: Trial, attempt: Attempt) -> None:
        """Start a trial in a free slot.

        Raises:
            EvaluationError: The server is gone, and with it every running trial.
        """
        self.submit_together([(trial, attempt)])

    def submit_together(self, group: Sequence[tuple[Trial, Attempt]]) -> None:
        """Start trials in one process, in a free slot; several are trained as one.

        Raises:
            EvaluationError: The server is gone, and with it every running trial.
        """
        slot, number = self._free[-1], next(self._numbers)
        attempts = [
            [records.trial_to_json(trial, handed=True), str(attempt.folder.resolve())] for trial, attempt in group
        ]
        self._pipe.send({"job": number, "attempts": attempts, "slot": dataclasses.asdict(slot)})
        self._free.remove(slot)
        folders = {trial.id: (trial, attempt.folder) for trial, attempt in group}
        self._running[number] = Job(folders, list(folders), slot)

    def cancel(self, trial: Trial) -> None:
        """End a running trial, with all that it started; nothing happens where the trial has ended.

        One that is trained with others goes on with them, until all of them are cancelled.
        """
        for number, job in self._running.items():
            if trial.id in job.left:
                self._cancelled.add(trial.id)
                if self._cancelled.issuperset(job.left):
                    self._pipe.send({"cancel": number})

    def events(self, timeout: float) -> Iterator[Event]:
        """What happened within ``timeout`` seconds.

        Raises:
            EvaluationError: The server is gone, and with it every running trial.
        """
        while self._unheard:
            yield self._unheard.pop(0)
        self._pipe.wait(timeout)
        while self._pipe.lines:
            yield from self._events(json.loads(self._pipe.lines.popleft()))
        self._end_overdue()

    def close(self) -> None:
        """End every running trial and the server; interrupted while it waits for them, it kills them."""
        try:
            with contextlib.suppress(EvaluationError):  # the server has ended
                self._pipe.send({"close": True})
                patience = time.monotonic() + (self._grace_s if self._running else 0.0) + _PATIENCE_S
                while (left := patience - time.monotonic()) > 0:
                    if select.select([self._stdout], [], [], left)[0]:
                        self._pipe.receive()
        finally:
            with contextlib.suppress(BrokenPipeError):
                self._stdin.close()
            try:
                self._server.wait(timeout=_PATIENCE_S)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
            self._stdout.close()
            self._log.close()
            # Those of what ended here, or with the server, which nobody is told of any more.
            redact_files([job.folder / LOG_FILE for job in self._running.values()], self._secrets)

    def _events(self, message: dict[str, Any]) -> Iterator[Event]:
        kind = message.pop("event")
        if kind == "broken":
            raise self._broken(message)
        if kind == "ready":
            return
        job = self._running[message["job"]]
        job.alive = time.monotonic()
        if kind == "started":
            job.started = job.alive
        elif kind == "progress":
            update = Progress(**{name: value for name, value in message.items() if name != "job"})
            told = job.left if update.trial is None else [number for number in job.left if number == update.trial]
            yield from (Reported(job.attempts[number][0], update) for number in told)
        elif kind == "finished" and len(job.left) == 1:
            job.finished = (
                True  # it is told of when the process has ended: its slot is free then, its device's memory too
            )
        elif kind == "finished":
            tail = redacted(left_behind.log_tail(job.folder), self._secrets)
            yield self._ended(job, message["trial"], None, tail)
        else:
            del self._running[message["job"]]
            self._free.append(job.slot)
            redact_file(job.folder / LOG_FILE, self._secrets)
            tail = left_behind.log_tail(job.folder)
            code = None if job.finished else message["code"]
            yield from [self._ended(job, number, code, tail) for number in list(job.left)]

    def _ended(self, job: Job, number: int, code: int | None, tail: str) -> Ended:
        """How a trial of a process ended, which does not run any more.

        Args:
            job: The process.
            number: The trial.
            code: Exit status of the process; None where it ended, or goes on, after the trial was finished.
            tail: The last lines of the log.
        """
        trial, folder = job.attempts[number]
        job.left.remove(number)
        outcome = left_behind.outcome(folder, code or 0, tail, grouped=job.grouped)
        if isinstance(outcome, Failure):
            outcome = dataclasses.replace(outcome, message=redacted(outcome.message, self._secrets))
            if code is not None and job.overdue is not None:
                outcome = Failure(job.overdue, tail)
            # A trial may have come back in the moment before it was to be killed.
            if number in self._cancelled:
                outcome = Failure("cancelled", tail)
        self._cancelled.discard(number)
        by_group = job.grouped and code is not None and isinstance(outcome, Failure)
        raised = by_group and code == RAISED and (folder / ERROR_FILE).exists()
        return Ended(trial, outcome, tail, by_group, raised)

    def _end_overdue(self) -> None:
        """Kill the processes that are beyond their limits, and cut logs that are; the end of one is an event."""
        now, (timeout_s, silence_s) = time.monotonic(), self._limits
        for number, job in self._running.items():
            if job.ends(now, timeout_s=timeout_s, silence_s=silence_s):
                self._pipe.send({"cancel": number})

    def _gone(self) -> EvaluationError:
        for message in map(json.loads, self._pipe.lines):
            if message["event"] == "broken":
                return self._broken(message)
        self._log.seek(0)
        # Cut after that: a part of a secret is not known for one.
        said = redacted(self._log.read().decode(errors="replace"), self._secrets)[-2000:] or "it left no message"
        return EvaluationError(f"the process that starts the trials ended: {said}")

    def _broken(self, message: Mapping[str, Any]) -> EvaluationError:
        said = redacted(message["message"], self._secrets)
        return UnloadableError(f"the evaluator cannot be loaded in a training process: {said}")
