"""An evaluator that trains nothing and ends in every way that there is, for tests of executors."""

from __future__ import annotations

import dataclasses
import math
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from bomix.errors import EvaluationError
from bomix.progress import Progress, report
from bomix.trial import Failure, Outcome, Result, Trial

Way = Literal[
    "well", "keeping", "error", "bug", "leaving", "exit", "killed", "nothing", "verbose", "wide", "littering", "waiting"
]

LINES = 60_000
"""Lines of a verbose trial's log, some four megabytes."""
LAST_WORDS = "these are the last words"
"""The last line of a verbose trial's log."""
WIDE = 2_000
"""Losses in each report of a wide trial: far more than a pipe takes in one piece."""
ENDS_ITS_PROCESS = ("exit", "killed", "littering", "waiting")
"""Ways that would end the process they happen in, or hold it up: for trials in processes of their own."""
PID = "pid"
"""The file in which a trial notes its process, and a littering one the process that it leaves behind."""


@dataclasses.dataclass(frozen=True)
class Ending:
    """Ends as ``how`` says; the loss is the weight of the first domain.

    Attributes:
        how: ``well``; ``keeping`` an artifact; with an ``error`` on purpose or a ``bug``; ``leaving`` by
            ``sys.exit``; by ``exit`` of the process; ``killed`` by a signal; returning ``nothing``; ``verbose``, with a
            log of megabytes; ``wide``, with reports of thousands of losses; ``littering``, with a process left
            behind; ``waiting`` for an hour.
        driver: The process, as :func:`this_process` names it, that does not end by a trial: there, the ways of
            :data:`ENDS_ITS_PROCESS` are an error instead.
    """

    how: Way = "well"
    driver: str = ""

    def evaluate(self, trial: Trial, workdir: Path) -> Result:
        """End."""
        self.begin(trial, workdir)
        losses = {f"loss{number}": float(number) for number in range(WIDE)} if self.how == "wide" else {"loss": 1.0}
        for step in range(3):
            report(Progress(step, 3, 100.0, losses))
        return self.end(trial, workdir)

    def begin(self, trial: Trial, workdir: Path) -> None:
        """Say which trial it is, and note the process."""
        _say(f"evaluating trial {trial.id}")
        sys.stdout.flush()
        (workdir / PID).write_text(str(os.getpid()))
        if self.how in ENDS_ITS_PROCESS and self.driver == this_process():
            raise EvaluationError("the trial runs in the process of its driver; give the battery `isolated = False`")

    def end(self, trial: Trial, workdir: Path) -> Result:
        """End as ``how`` says."""
        match self.how:
            case "keeping":
                (workdir / "note.txt").write_text("kept")
                return Result({"loss": 1.0}, artifacts={"note": "note.txt"})
            case "error":
                raise EvaluationError("the loss is not finite at step 2")
            case "bug":
                raise KeyError("weights")
            case "leaving":
                sys.exit("no device left")
            case "exit":
                os._exit(7)
            case "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            case "nothing":
                return None  # type: ignore[return-value]
            case "verbose":
                for line in range(LINES):
                    _say(f"{line}: the loss is {line / 7.0:.9f}, and the rest is silence and more silence")
                _say(LAST_WORDS)
            case "littering":
                left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
                (workdir / PID).write_text(str(left.pid))
            case "waiting":
                time.sleep(3600.0)
        return Result({"loss": next(iter(trial.weights.values()))}, cost=1.0)


@dataclasses.dataclass(frozen=True)
class GroupEnding(Ending):
    """Trains several trials as one; some of them end as ``how`` says, in a group and alone, the others well.

    Attributes:
        trials: Ids of those that end as ``how`` says. In a group an ``error`` is that trial's own, as is ``nothing``;
            the others are the end of the group.
        widest: The most trials of a group.
    """

    trials: tuple[int, ...] = ()
    widest: int = 16

    def evaluate(self, trial: Trial, workdir: Path) -> Result:
        """End alone."""
        return self._alone(trial).evaluate(trial, workdir)

    def groups(self, trials: Sequence[Trial], slots: int) -> list[list[Trial]]:
        """All alike, spread over the slots."""
        width = min(self.widest, math.ceil(len(trials) / slots))
        return [list(trials[first : first + width]) for first in range(0, len(trials), width)]

    def evaluate_together(self, attempts: Sequence[tuple[Trial, Path]]) -> Iterator[tuple[Trial, Outcome]]:
        """End one after the other, after reports of all and of each."""
        for step in range(3):
            report(Progress(step, 3, 100.0 * len(attempts)))
        for trial, workdir in attempts:
            report(Progress(3, 3, 100.0, {"loss": 1.0}, trial.id))
            ending = self._alone(trial)
            try:
                ending.begin(trial, workdir)
                yield trial, ending.end(trial, workdir)
            except EvaluationError as error:
                yield trial, Failure(str(error))

    def _alone(self, trial: Trial) -> Ending:
        return Ending(self.how if trial.id in self.trials else "well", self.driver)


def this_process() -> str:
    """The name of this process, on whichever machine."""
    return f"{platform.node()}/{os.getpid()}"


def lives(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        os.kill(pid, 0)
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False


def _say(line: str) -> None:
    """Write a line to standard output, as trainers do."""
    sys.stdout.write(f"{line}\n")


@dataclasses.dataclass(frozen=True)
class Unloadable:
    """An evaluator that can be sent to another process and not be loaded there."""

    def __reduce__(self) -> tuple[object, ...]:
        return _refuse, ()

    def evaluate(self, trial: Trial, workdir: Path) -> Result:
        """Never called."""
        raise AssertionError


def _refuse() -> None:
    raise ModuleNotFoundError("No module named 'of_this_machine_alone'")
