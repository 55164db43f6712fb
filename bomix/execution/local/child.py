"""What runs in the process of a trial, or of several trained as one: it evaluates, and ends with the driver."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bomix.execution.attempt.descendants import adopt_orphans, end_descendants
from bomix.execution.attempt.evaluate import evaluate, log_to

if TYPE_CHECKING:
    from bomix.contracts.evaluator import Evaluator
    from bomix.execution.local.slots import Slot
    from bomix.progress import Progress
    from bomix.trial import Trial


def run(
    evaluator: Evaluator,
    attempts: Sequence[tuple[Trial, Path]],
    *,
    slot: Slot,
    driver: int,
    send: Callable[[dict[str, Any]], None],
) -> int:
    """Evaluate a trial, or several as one, in this process.

    Args:
        evaluator: What trains; a :class:`~bomix.contracts.evaluator.GroupEvaluator` for more than one trial.
        attempts: Each trial with the folder of its attempt, where its result or error is written.
        slot: Which of the driver's slots this is, for evaluators that choose a device by it, and what it has for
            itself.
        driver: Read end of a pipe whose write end only the driver holds: when it hangs up, this process ends.
        send: Sends a message to the driver.

    Returns:
        Exit status: that of :func:`bomix.execution.attempt.evaluate.evaluate`.
    """
    os.setsid()  # Ctrl-C on the terminal is the driver's to handle, and programs we start die with our group
    adopt_orphans()
    log_to([workdir for _, workdir in attempts])
    threading.Thread(target=_end_with, args=(driver, os.getppid()), daemon=True).start()
    _take(slot)
    return evaluate(
        evaluator,
        attempts,
        reported=lambda update: send({"event": "progress", **_as_message(update)}),
        finished=lambda trial: send({"event": "finished", "trial": trial.id}),
    )


def _take(slot: Slot) -> None:
    """Have this process, and what it starts, use what the slot has for itself."""
    os.environ |= {**slot.environment, "BOMIX_SLOT": str(slot.number)}
    if slot.cpus:
        os.sched_setaffinity(0, slot.cpus)
    if slot.cpus and "torch" in sys.modules:  # it has read the environment when it was imported
        import torch

        torch.set_num_threads(len(slot.cpus))


def _as_message(update: Progress) -> dict[str, Any]:
    # A line longer than PIPE_BUF would not be written in one piece; the driver shows the first metrics anyway.
    losses = dict(list(update.losses.items())[:16])
    return {
        "trial": update.trial,
        "step": update.step,
        "steps": update.steps,
        "tokens_per_second": update.tokens_per_second,
        "losses": {name: float(loss) for name, loss in losses.items()},
    }


def _end_with(driver: int, server: int) -> None:
    """End this process group when the driver hangs up, or the server that forked it is gone."""
    poll = select.poll()
    poll.register(driver, 0)  # no events asked for: only a hang-up or an error wakes it
    while not poll.poll(500):
        if os.getppid() != server:
            break
    end_descendants()
    os.killpg(0, signal.SIGKILL)
