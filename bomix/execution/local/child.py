"""What runs in the process of a trial, or of several that are trained as one: evaluate, write, end with the driver."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bomix import progress
from bomix.contracts.evaluator import GroupEvaluator
from bomix.errors import BomixError, EvaluationError, raise_faults
from bomix.execution.local.descendants import adopt_orphans, end_descendants
from bomix.execution.local.position import Position
from bomix.io.store import files, records
from bomix.io.store.result_checks import cleaned, form_faults
from bomix.trial import MESSAGE_LIMIT, Failure, Result

if TYPE_CHECKING:
    from bomix.contracts.evaluator import Evaluator
    from bomix.trial import Trial

LOG_FILE = "log.txt"
RESULT_FILE = "result.json"
ERROR_FILE = "error.txt"
RAISED = 1
"""Exit status where the evaluator raised an error."""
NO_MEMORY = 3
"""Exit status where that was a lack of memory, which fewer trials at a time may cure."""
_NO_MEMORY = ("out of memory", "not enough memory", "allocate memory", "alloc_failed")
"""Parts of what errors say, in small letters, where memory ran out: Python's, torch's, CUDA's and the system's."""


def run(
    evaluator: Evaluator,
    attempts: Sequence[tuple[Trial, Path]],
    *,
    slot: int,
    driver: int,
    send: Callable[[dict[str, Any]], None],
) -> int:
    """Evaluate a trial, or several as one, in this process.

    Args:
        evaluator: What trains; a :class:`~bomix.contracts.evaluator.GroupEvaluator` for more than one trial.
        attempts: Each trial with the folder of its attempt, where its result or error is written. The log is in that of
            the first, and the others have a link to it.
        slot: Which of the driver's slots this is, for evaluators that choose a device by it.
        driver: Read end of a pipe whose write end only the driver holds: when it hangs up, this process ends.
        send: Sends a message to the driver.

    Returns:
        Exit status: 0, :data:`RAISED` or :data:`NO_MEMORY`.
    """
    os.setsid()  # Ctrl-C on the terminal is the driver's to handle, and programs we start die with our group
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    adopt_orphans()
    _log_to([workdir / LOG_FILE for _, workdir in attempts])
    threading.Thread(target=_end_with, args=(driver, os.getppid()), daemon=True).start()
    os.environ["BOMIX_SLOT"] = str(slot)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")

    left, itself = {trial.id: workdir for trial, workdir in attempts}, os.getpid()
    position = Position(attempts[0][1])

    def tell(update: progress.Progress) -> None:
        send({"event": "progress", **_as_message(update)})
        position.note(update)

    try:
        with progress.reporting_to(tell):
            if not isinstance(evaluator, GroupEvaluator):
                ((trial, workdir),) = attempts
                result = evaluator.evaluate(trial, workdir)
                _end_copy(itself)
                _write_result(workdir, result)
            else:
                _evaluate_together(evaluator, attempts, left, send)
    except BaseException as error:  # SystemExit of a user's trainer included: every end is recorded
        _end_copy(itself)
        traceback.print_exc()
        for workdir in left.values():
            _write_error(workdir, error)
        return NO_MEMORY if _lacks_memory(error) else RAISED
    finally:
        position.end()
        end_descendants()
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def _evaluate_together(
    evaluator: GroupEvaluator,
    attempts: Sequence[tuple[Trial, Path]],
    left: dict[int, Path],
    send: Callable[[dict[str, Any]], None],
) -> None:
    """Evaluate several trials as one; each is struck off ``left``, and told of, as soon as its end is durable.

    Raises:
        EvaluationError: The evaluator yields what is none of its trials, or too few.
    """
    itself = os.getpid()
    for trial, outcome in evaluator.evaluate_together(attempts):
        _end_copy(itself)
        if (workdir := left.pop(trial.id, None)) is None:
            raise EvaluationError(f"evaluate_together yielded trial {trial.id}, which is not of the group, or twice")
        try:
            if isinstance(outcome, Failure):
                raise EvaluationError(outcome.message)
            _write_result(workdir, outcome)
        except BomixError as error:  # the others go on
            _say(f"trial {trial.id}: {error}")
            _write_error(workdir, error)
        sys.stdout.flush()
        sys.stderr.flush()
        send({"event": "finished", "trial": trial.id})
    _end_copy(itself)
    if left:
        raise EvaluationError(f"evaluate_together came to its end without trials {', '.join(map(str, left))}")


def _write_result(workdir: Path, result: Any) -> None:
    files.write_new(workdir / RESULT_FILE, json.dumps(records.result_to_data(_checked(result))))


def _write_error(workdir: Path, error: BaseException) -> None:
    files.write_new(workdir / ERROR_FILE, _message(error)[:MESSAGE_LIMIT])


def _end_copy(itself: int) -> None:
    """End this process where it is a copy that the evaluator forked and that came back here: it has no result to give.

    Args:
        itself: The id of the trial's own process.
    """
    if os.getpid() != itself:
        os._exit(0)


def _lacks_memory(error: BaseException) -> bool:
    """Whether memory ran out, of this machine or of its device."""
    said = f"{type(error).__name__}: {error}".lower()
    return isinstance(error, MemoryError) or any(part in said for part in _NO_MEMORY)


def _message(error: BaseException) -> str:
    """What is recorded of an error: text that can be written."""
    if isinstance(error, MemoryError):
        message = f"out of memory: the training process was given no more ({error})".replace(" ()", "")
    else:
        message = str(error) if isinstance(error, BomixError) else f"{type(error).__name__}: {error}"
    return message.encode("utf-8", "backslashreplace").decode()


def _say(line: str) -> None:
    """Write a line to the log."""
    sys.stderr.write(f"{line[:MESSAGE_LIMIT]}\n")


def _checked(result: Any) -> Result:
    if not isinstance(result, Result):
        raise EvaluationError(f"the evaluator returned {type(result).__name__}; it must return a bomix.Result")
    plain = cleaned(result)
    raise_faults(form_faults(plain), "what the evaluator returned cannot be recorded:")
    return plain


def _as_message(update: progress.Progress) -> dict[str, Any]:
    # A line longer than PIPE_BUF would not be written in one piece; the driver shows the first metrics anyway.
    losses = dict(list(update.losses.items())[:16])
    return {
        "trial": update.trial,
        "step": update.step,
        "steps": update.steps,
        "tokens_per_second": update.tokens_per_second,
        "losses": {name: float(loss) for name, loss in losses.items()},
    }


def _log_to(paths: Sequence[Path]) -> None:
    """Have what this process and those that it starts print go to the first of some files; the others link to it."""
    log = os.open(paths[0], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    for path in paths[1:]:
        with contextlib.suppress(OSError):  # some file systems have no links; an outcome has the end of the log anyway
            path.symlink_to(os.path.relpath(paths[0], path.parent))


def _end_with(driver: int, server: int) -> None:
    """End this process group when the driver hangs up, or the server that forked it is gone."""
    poll = select.poll()
    poll.register(driver, 0)  # no events asked for: only a hang-up or an error wakes it
    while not poll.poll(500):
        if os.getppid() != server:
            break
    end_descendants()
    os.killpg(0, signal.SIGKILL)
