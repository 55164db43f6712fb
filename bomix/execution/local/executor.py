"""Trials on this machine: slots of child processes, forked from a warm server."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import os
import pickle
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from bomix.config.build import secrets
from bomix.contracts.evaluator import Evaluator, EvaluatorTraits
from bomix.contracts.executor import Attempt, Ended, Event, Reported
from bomix.contracts.traits import traits
from bomix.errors import EvaluationError
from bomix.execution.local.child import ERROR_FILE, LOG_FILE, MESSAGE_LIMIT, RESULT_FILE
from bomix.execution.local.redaction import redact_file, redacted
from bomix.io.store import files, records
from bomix.io.store.incoming import RESULT_LIMIT
from bomix.progress import Progress
from bomix.trial import Failure, Outcome, Trial

_MESSAGE = 500
"""Characters of an error that a failure keeps of a file that anything may stand in."""
LOG_TAIL_LINES = 20
"""Last lines of a log that an outcome keeps: a traceback fits, and the record stays small."""
LOG_TAIL_BYTES = 16_384
"""Most bytes of them, however long a line is."""
LOG_LIMIT = 256 * 2**20
"""Bytes of a log from which on only its end is kept: a trainer that repeats a warning must not fill the disk."""
LOG_KEPT = 2**20
"""Bytes of a log that are kept when it is cut."""


@dataclasses.dataclass
class _Running:
    """A trial that runs.

    Attributes:
        trial: The trial.
        folder: The attempt's folder.
        slot: The slot that it takes.
        started: When it began, by the monotonic clock.
        alive: When it last gave a sign of life, by the same clock.
        logged: Bytes of its log at the last look.
        overdue: Why it was ended, in words; None while it is within its limits.
    """

    trial: Trial
    folder: Path
    slot: int
    started: float
    alive: float
    logged: int = 0
    overdue: str | None = None


class LocalExecutor:
    """Runs trials, each in a process of its own that ends with this one.

    The slot of a trial, from 0, is in the environment of its process as ``BOMIX_SLOT``.

    Args:
        evaluator: What trains; it is pickled, so its class lives in an importable module.
        workers: Trials at a time.
        timeout_s: Seconds after which an attempt is ended; None for no limit.
        silence_s: Seconds without a report of progress or anything new in its log after which it is; None for none.

    Raises:
        EvaluationError: The evaluator cannot be pickled, or not be loaded in another process.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        *,
        workers: int,
        timeout_s: float | None = None,
        silence_s: float | None = None,
    ) -> None:
        self._limits = (timeout_s, silence_s)
        self._secrets = secrets(evaluator)
        header = {"evaluator": _pickled(evaluator), "sys_path": sys.path}
        self._free = list(range(workers))[::-1]
        self._running: dict[int, _Running] = {}
        self._cancelled: set[int] = set()
        self._rest = b""
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._server = subprocess.Popen(
            # -P: the folder that bomix was called in is no place to import from, see `bomix.cli.main`.
            [sys.executable, "-P", "-m", "bomix.execution.local.server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, **traits(evaluator, EvaluatorTraits).process_environment()},
        )
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._stdout, selectors.EVENT_READ)
        self._send(header)

    @property
    def free(self) -> int:
        """Slots without a trial."""
        return len(self._free)

    def reattach(self, pending: Sequence[tuple[Trial, Attempt]]) -> tuple[Trial, ...]:
        """None: what an earlier driver started ended with it."""
        return ()

    def submit(self, trial: Trial, attempt: Attempt) -> None:
        """Start a trial in a free slot.

        Raises:
            EvaluationError: The server is gone, and with it every running trial.
        """
        slot, text = self._free[-1], records.trial_to_json(trial)
        self._send({"id": trial.id, "trial": text, "workdir": str(attempt.folder.resolve()), "slot": slot})
        self._free.remove(slot)
        now = time.monotonic()
        self._running[trial.id] = _Running(trial, attempt.folder, slot, started=now, alive=now)

    def cancel(self, trial: Trial) -> None:
        """Kill a running trial's process group; nothing happens where the trial has ended."""
        if trial.id in self._running:
            self._cancelled.add(trial.id)
            self._send({"cancel": trial.id})

    def events(self, timeout: float) -> Iterator[Event]:
        """What happened within ``timeout`` seconds.

        Raises:
            EvaluationError: The server is gone, and with it every running trial.
        """
        if not self._selector.select(timeout):
            self._end_overdue()
            return
        chunk = os.read(self._stdout.fileno(), 1 << 16)
        if not chunk:
            raise EvaluationError(f"the process that starts the trials ended: {self._server_log()}")
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            if (event := self._event(json.loads(line))) is not None:
                yield event
        self._end_overdue()

    def close(self) -> None:
        """End every running trial and the server."""
        assert self._server.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._server.stdin.close()
        try:
            self._server.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()
        self._selector.close()
        self._stdout.close()
        self._log.close()

    @property
    def _stdout(self) -> IO[bytes]:
        assert self._server.stdout is not None
        return self._server.stdout

    def _event(self, message: dict[str, Any]) -> Event | None:
        kind = message.pop("event")
        if kind == "broken":
            raise EvaluationError(f"the evaluator cannot be loaded in a training process: {message['message']}")
        if kind == "ready":
            return None
        if kind == "progress":
            running = self._running[message.pop("trial")]
            running.alive = time.monotonic()
            return Reported(running.trial, Progress(**message))
        ended = self._running.pop(message["trial"])
        trial = ended.trial
        self._free.append(ended.slot)
        redact_file(ended.folder / LOG_FILE, self._secrets)
        tail = _log_tail(ended.folder)
        outcome = _outcome(ended.folder, message["code"], tail)
        if isinstance(outcome, Failure):
            outcome = dataclasses.replace(outcome, message=redacted(outcome.message, self._secrets))
        if ended.overdue is not None and isinstance(outcome, Failure):
            outcome = Failure(ended.overdue, tail)
        if trial.id in self._cancelled:
            self._cancelled.remove(trial.id)
            # A trial may have come back in the moment before it was to be killed.
            outcome = Failure("cancelled", tail) if isinstance(outcome, Failure) else outcome
        return Ended(trial, outcome, tail)

    def _end_overdue(self) -> None:
        """Kill the attempts that are beyond their limits, and cut logs that are; an attempt's end is an event."""
        now, (timeout_s, silence_s) = time.monotonic(), self._limits
        for running in self._running.values():
            size = _size(running.folder / LOG_FILE)
            if size != running.logged:
                running.logged, running.alive = size, now
            if size > LOG_LIMIT:
                running.logged = _cut(running.folder / LOG_FILE)
            if running.overdue is not None:
                continue
            if timeout_s is not None and now - running.started > timeout_s:
                running.overdue = f"took longer than {timeout_s:g} s (execution.timeout_s)"
            elif silence_s is not None and now - running.alive > silence_s:
                running.overdue = (
                    f"no progress and nothing new in its log for {silence_s:g} s (execution.silence_s); print "
                    "something, report progress (bomix.progress.report), or raise the limit"
                )
            if running.overdue is not None:
                self._send({"cancel": running.trial.id})

    def _send(self, message: dict[str, Any]) -> None:
        assert self._server.stdin is not None
        try:
            self._server.stdin.write((json.dumps(message) + "\n").encode())
            self._server.stdin.flush()
        except BrokenPipeError:
            raise EvaluationError(f"the process that starts the trials ended: {self._server_log()}") from None

    def _server_log(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")[-2000:] or "it left no message"


def _outcome(workdir: Path, code: int, log_tail: str) -> Outcome:
    """What an attempt left behind."""
    path = workdir / RESULT_FILE
    if code == 0 and path.exists():
        try:
            result = records.result_from_data(json.loads(files.read_bounded(path, RESULT_LIMIT)))
            artifacts = {name: str((workdir / artifact).absolute()) for name, artifact in result.artifacts.items()}
            return dataclasses.replace(result, artifacts=artifacts)
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as found:
            # The attempt's folder is the trainer's as well, which may have written there since.
            return Failure(message=f"{path} is not what bomix wrote there: {found!r}"[:_MESSAGE], log_tail=log_tail)
    error = workdir / ERROR_FILE
    if error.exists():
        message = _tail(error, MESSAGE_LIMIT)
    elif code < 0:
        message = f"killed by signal {-code}" + (" (out of memory?)" if code == -9 else "")
    else:
        message = f"the training process exited with {code}"
    return Failure(message=message, log_tail=log_tail)


def _size(path: Path) -> int:
    """Bytes of a file; 0 without it."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _cut(log: Path) -> int:
    """Keep the end of a log; returns its new size. Whoever writes appends to it, and goes on after what is kept."""
    kept = _tail(log, LOG_KEPT)
    os.truncate(log, 0)
    with log.open("ab") as file:
        file.write(f"[bomix cut this log, which was longer than {LOG_LIMIT:,} bytes]\n{kept}".encode())
    return _size(log)


def _log_tail(workdir: Path) -> str:
    """The last lines of an attempt's log, at most :data:`LOG_TAIL_BYTES`."""
    return "\n".join(_tail(workdir / LOG_FILE, LOG_TAIL_BYTES).splitlines()[-LOG_TAIL_LINES:])


def _tail(path: Path, limit: int) -> str:
    """The last bytes of a file as text; empty without the file, or where it is no regular one."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - limit))
        return file.read(limit).decode("utf-8", errors="replace")


def _pickled(evaluator: Evaluator) -> str:
    cls = type(evaluator)
    if cls.__module__ == "__main__":
        raise EvaluationError(
            f"{cls.__qualname__} is defined in the script or notebook itself, which a training process does not run; "
            "move the class into a module and import it"
        )
    try:
        return base64.b64encode(pickle.dumps(evaluator)).decode("ascii")
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise EvaluationError(
            f"the evaluator cannot be sent to a training process ({error}); define its class at the top of a module"
        ) from error
