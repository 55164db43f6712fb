"""What runs in a trial's own process: evaluate, write the result, end with the driver."""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bomix import progress
from bomix.errors import BomixError, EvaluationError, raise_faults
from bomix.execution.local.descendants import adopt_orphans, end_descendants
from bomix.io.store import files, records
from bomix.io.store.result_checks import cleaned, form_faults
from bomix.trial import Result

if TYPE_CHECKING:
    from bomix.contracts.evaluator import Evaluator
    from bomix.trial import Trial

LOG_FILE = "log.txt"
RESULT_FILE = "result.json"
ERROR_FILE = "error.txt"
MESSAGE_LIMIT = 10_000
"""Characters of an error that are kept: it becomes a line of the record, and the log has all of it."""


def run(
    evaluator: Evaluator,
    trial: Trial,
    workdir: Path,
    *,
    slot: int,
    driver: int,
    send: Callable[[dict[str, Any]], None],
) -> int:
    """Evaluate a trial in this process.

    Args:
        evaluator: What trains.
        trial: What to train.
        workdir: The attempt's folder; the log, the result or the error is written there.
        slot: Which of the driver's slots this is, for evaluators that choose a device by it.
        driver: Read end of a pipe whose write end only the driver holds: when it hangs up, this process ends.
        send: Sends a message to the driver.

    Returns:
        Exit status.
    """
    os.setsid()  # Ctrl-C on the terminal is the driver's to handle, and programs we start die with our group
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    adopt_orphans()
    _log_to(workdir / LOG_FILE)
    threading.Thread(target=_end_with, args=(driver, os.getppid()), daemon=True).start()
    os.environ["BOMIX_SLOT"] = str(slot)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")

    def report(update: progress.Progress) -> None:
        send({"event": "progress", "trial": trial.id, **_as_message(update)})

    try:
        with progress.reporting_to(report):
            result = evaluator.evaluate(trial, workdir)
        files.write_new(workdir / RESULT_FILE, json.dumps(records.result_to_data(_checked(result))))
    except BaseException as error:  # SystemExit of a user's trainer included: every end is recorded
        traceback.print_exc()
        message = str(error) if isinstance(error, BomixError) else f"{type(error).__name__}: {error}"
        files.write_new(workdir / ERROR_FILE, message[:MESSAGE_LIMIT])
        return 1
    finally:
        end_descendants()
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


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
        "step": update.step,
        "steps": update.steps,
        "tokens_per_second": update.tokens_per_second,
        "losses": {name: float(loss) for name, loss in losses.items()},
    }


def _log_to(path: Path) -> None:
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


def _end_with(driver: int, server: int) -> None:
    """End this process group when the driver hangs up, or the server that forked it is gone."""
    poll = select.poll()
    poll.register(driver, 0)  # no events asked for: only a hang-up or an error wakes it
    while not poll.poll(500):
        if os.getppid() != server:
            break
    end_descendants()
    os.killpg(0, signal.SIGKILL)
