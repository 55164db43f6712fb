"""An evaluator for tests of engines: it sleeps, keeps count of what really ran, and knows the answer."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from bomix.contracts.preparation import Preparation
from bomix.errors import EvaluationError
from bomix.problem import Metric
from bomix.progress import Progress, report
from bomix.trial import Result, Trial

RUNS = "runs.log"
"""Lines of what began and what ended, in the folder of all trials: one for each process that trained."""


@dataclasses.dataclass(frozen=True)
class Sleeper:
    """Sleeps; the loss is least at a third of the first domain.

    Attributes:
        seconds: How long.
        failing: Trials that fail, as ``how`` says.
        how: ``error`` raises one, ``exit`` ends the process, ``hungry`` says that memory ran out, ``half`` leaves half
            a result and is killed, ``silent`` says nothing for ten minutes.
        keeps: Whether each attempt leaves at once what a later one could go on from.
        first: Seconds of the first attempt at a trial, where that is another number.
    """

    seconds: float = 1.0
    first: float | None = None
    failing: tuple[int, ...] = ()
    how: str = "error"
    keeps: bool = False

    may_change: ClassVar[tuple[str, ...]] = ("seconds", "first", "failing", "how", "keeps")
    scratch: ClassVar[tuple[str, ...]] = ("kept",)

    def prepare(self, domains: Sequence[str]) -> Preparation:
        return Preparation(metrics=(Metric("loss"),))

    def evaluate(self, trial: Trial, workdir: Path) -> Result:
        note(workdir, "began", trial)
        if self.keeps:
            (workdir / "kept").touch()
        if self.how == "silent" and trial.id in self.failing:
            time.sleep(600.0)
        seconds = self.first if self.first is not None and workdir.name == "1" else self.seconds
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            report(Progress(int(100 * (1.0 - (until - time.monotonic()) / seconds)), 100, 1.0))
            time.sleep(min(0.2, seconds))
        if trial.id in self.failing:
            print(f"trial {trial.id} fails by {self.how}")
            if self.how == "exit":
                sys.stdout.flush()
                os._exit(7)
            if self.how == "hungry":
                raise MemoryError
            if self.how == "half":
                (workdir / "result.json").write_text('{"losses": {"lo')
                os.kill(os.getpid(), signal.SIGKILL)
            raise EvaluationError("the loss is not finite at step 2")
        first = next(iter(trial.weights.values()))
        result = Result({"loss": 2.0 + (first - 1.0 / 3.0) ** 2}, cost=self.seconds)
        note(workdir, "ended", trial)
        return result


def note(workdir: Path, what: str, trial: Trial) -> None:
    """Write down that a training began or ended; lines of this length are appended in one piece."""
    line = json.dumps([what, trial.id, int(workdir.name), trial.seed, os.getpid()])
    with (workdir.parents[2] / RUNS).open("a") as file:
        file.write(line + "\n")


def runs(study: Path) -> list[tuple[str, int, int]]:
    """What began and ended, the trial, and its attempt."""
    file = study / "trials" / RUNS
    lines = file.read_text().splitlines() if file.exists() else []
    return [(what, trial, attempt) for what, trial, attempt, _, _ in map(json.loads, lines)]
