"""One attempt at a trial, or at several that are trained as one, in this process: evaluate, write what came of it."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bomix import progress
from bomix.contracts.evaluator import GroupEvaluator
from bomix.errors import BomixError, EvaluationError, raise_faults
from bomix.execution.attempt.descendants import end_descendants
from bomix.execution.attempt.position import Position
from bomix.io.store import files, records
from bomix.io.store.result_checks import as_result, cleaned, form_faults
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


def log_to(folders: Sequence[Path]) -> None:
    """Have what this process and those that it starts print go to the log of the first of some attempts.

    Args:
        folders: The attempts' folders; those of the others get a link to the log.
    """
    log = os.open(folders[0] / LOG_FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    for folder in folders[1:]:
        with contextlib.suppress(OSError):  # some file systems have no links; an outcome has the end of the log anyway
            (folder / LOG_FILE).symlink_to(os.path.relpath(folders[0] / LOG_FILE, folder))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")


def evaluate(
    evaluator: Evaluator,
    attempts: Sequence[tuple[Trial, Path]],
    *,
    reported: Callable[[progress.Progress], None],
    finished: Callable[[Trial], None],
    before_writing: Callable[[], None] = lambda: None,
) -> int:
    """Evaluate a trial, or several as one, in this process, and leave the end of each in the folder of its attempt.

    A result is in :data:`RESULT_FILE`, an error in :data:`ERROR_FILE`; both are there as a whole or not at all, and
    what is there already is left alone. How far it is, is noted in the folder of the first attempt.

    Args:
        evaluator: What trains; a :class:`~bomix.contracts.evaluator.GroupEvaluator` for more than one trial.
        attempts: Each trial with the folder of its attempt.
        reported: Told of the evaluator's reports of progress.
        finished: Told of each trial of a group as soon as its end is durable, while the others may go on.
        before_writing: Called before anything is written of an end; it may end this process.

    Returns:
        Exit status: 0, :data:`RAISED` or :data:`NO_MEMORY`. No child of this process is left.
    """
    left, itself = {trial.id: workdir for trial, workdir in attempts}, os.getpid()
    position = Position(attempts[0][1])

    def tell(update: progress.Progress) -> None:
        reported(update)
        position.note(update)

    try:
        with progress.reporting_to(tell):
            if not isinstance(evaluator, GroupEvaluator):
                ((trial, workdir),) = attempts
                result = evaluator.evaluate(trial, workdir)
                _end_copy(itself)
                before_writing()
                _write_result(workdir, result)
            else:
                _evaluate_together(evaluator, attempts, left, finished, before_writing)
    except BaseException as error:  # SystemExit of a user's trainer included: every end is recorded
        _end_copy(itself)
        traceback.print_exc()
        before_writing()
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
    finished: Callable[[Trial], None],
    before_writing: Callable[[], None],
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
        before_writing()
        try:
            if isinstance(outcome, Failure):
                raise EvaluationError(outcome.message)
            _write_result(workdir, outcome)
        except BomixError as error:  # the others go on
            _say(f"trial {trial.id}: {error}")
            _write_error(workdir, error)
        sys.stdout.flush()
        sys.stderr.flush()
        finished(trial)
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
    if isinstance(result, Mapping):
        result = as_result(result)
    if not isinstance(result, Result):
        raise EvaluationError(
            f"the evaluator returned {type(result).__name__}; it must return a bomix.Result, or its losses"
        )
    plain = cleaned(result)
    raise_faults(form_faults(plain), "what the evaluator returned cannot be recorded:")
    return plain
