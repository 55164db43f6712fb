"""Evaluators for the tests of execution: they train nothing and end in every way that there is."""

from __future__ import annotations

import dataclasses
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import psutil

from bomix.contracts.preparation import Preparation
from bomix.errors import EvaluationError
from bomix.evaluators.synthetic.spec import Synthetic
from bomix.problem import Metric
from bomix.progress import Progress, report
from bomix.testing.endings import GroupEnding
from bomix.trial import Outcome, Result, Trial


@dataclasses.dataclass(frozen=True)
class Ending:
    """Ends as ``how`` says; the loss is the weight of the first domain."""

    how: str = "well"
    seconds: float = 0.0

    def prepare(self, domains: Sequence[str]) -> Preparation:
        return Preparation(metrics=(Metric("loss"),))

    def _fork(self, workdir: Path) -> None:
        """Copies of this process that outlive it, one that ignores all that can be ignored and one of its own."""
        for name in ("left", "left too"):
            if not os.fork():
                for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                    signal.signal(number, signal.SIG_IGN)
                if name == "left" and os.fork():
                    time.sleep(60)
                (workdir / name).write_text(str(os.getpid()))
                time.sleep(60)
                os._exit(0)
        while not all((workdir / name).exists() for name in ("left", "left too")):
            time.sleep(0.01)

    def evaluate(self, trial: Trial, workdir: Path) -> Result:
        print(f"evaluating trial {trial.id}")
        (workdir / "pid").write_text(str(os.getpid()))
        if self.how == "parent":
            started = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
            (workdir / "left").write_text(str(started.pid))
        for step in range(3):
            report(Progress(step, 3, 100.0, {"loss": float(step)}))
            time.sleep(self.seconds / 3)
        match self.how:
            case "error":
                raise EvaluationError("the loss is not finite at step 2")
            case "bug":
                raise KeyError("weights")
            case "exit":
                os._exit(7)
            case "littering":
                left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
                (workdir / "left").write_text(str(left.pid))
            case "escaping":
                # Out of the process group and away from its parent, as daemons go.
                code = (
                    "import os, sys, time\n"
                    "os.setsid()\n"
                    "if os.fork(): os._exit(0)\n"
                    "open(sys.argv[1], 'w').write(str(os.getpid()))\n"
                    "time.sleep(60)\n"
                )
                subprocess.run([sys.executable, "-c", code, str(workdir / "left")], check=True)
                while not (workdir / "left").exists() or not (workdir / "left").read_text():
                    time.sleep(0.01)
            case "chatty":
                print("x" * 30_000_000)
                raise EvaluationError("y" * 30_000_000)
            case "silent":
                time.sleep(60)
            case "talking":
                while True:
                    print("still here", flush=True)
                    time.sleep(0.05)
            case "keeping":
                (workdir / "note.txt").write_text("kept")
                return Result({"loss": 1.0}, artifacts={"note": "note.txt"})
            case "other":
                return Result({"another": 1.0})
            case "nothing":
                return None  # type: ignore[return-value]
            case "killed" | "terminated" | "hung up" | "stopped":
                sent = {"terminated": signal.SIGTERM, "hung up": signal.SIGHUP, "stopped": signal.SIGSTOP}
                os.kill(os.getpid(), sent.get(self.how, signal.SIGKILL))
            case "hungry":
                used = psutil.Process().memory_info().vms
                resource.setrlimit(resource.RLIMIT_AS, (used + 2**26, used + 2**26))
                taken = []
                while True:
                    taken.append(bytearray(2**20))
            case "forking" | "forking and killed":
                self._fork(workdir)
                if self.how == "forking and killed":
                    os.kill(os.getpid(), signal.SIGKILL)
            case "forking and returning" | "forking and raising":
                # A forgotten os._exit: the copy goes on as if it were the trial.
                if not (copy := os.fork()):
                    (workdir / "left").write_text(str(os.getpid()))
                    if self.how == "forking and raising":
                        raise KeyError("the copy")
                    return Result({"loss": 99.0})
                os.waitpid(copy, 0)
            case "escaping and killed":
                dataclasses.replace(self, how="escaping", seconds=0.0).evaluate(trial, workdir)
                os.kill(os.getpid(), signal.SIGKILL)
            case "escaping and waiting":
                dataclasses.replace(self, how="escaping", seconds=0.0).evaluate(trial, workdir)
                time.sleep(60)
            case "flaky":
                marker = workdir.parent / "tried"
                if not marker.exists():
                    marker.touch()
                    raise EvaluationError("the first attempt fails")
        return Result({"loss": next(iter(trial.weights.values()))}, cost=1.0, info={"slot": os.environ["BOMIX_SLOT"]})


@dataclasses.dataclass(frozen=True)
class Together(GroupEnding):
    """Trains several trials as one; the loss is the weight of the first domain.

    Attributes:
        holds: Trials that memory holds; a group of more is an error.
        unlike: Trial whose result names another metric.
        broken: What an error says that meets every training, before its first trial has ended; empty for none.
    """

    may_change: ClassVar[tuple[str, ...]] = ("how", "driver", "trials", "widest", "holds", "unlike", "broken")

    holds: int = 1000
    unlike: int | None = None
    broken: str = ""

    def prepare(self, domains: Sequence[str]) -> Preparation:
        return Preparation(metrics=(Metric("loss"),))

    def evaluate_together(self, attempts: Sequence[tuple[Trial, Path]]) -> Iterator[tuple[Trial, Outcome]]:
        if self.broken:
            raise RuntimeError(self.broken)
        if len(attempts) > self.holds:
            raise MemoryError(f"{len(attempts)} models do not fit")
        for trial, outcome in super().evaluate_together(attempts):
            yield trial, Result({"another": 1.0}) if trial.id == self.unlike else outcome


@dataclasses.dataclass(frozen=True)
class SeveralAtOnce:
    """Another evaluator, for several trials as one: each by itself, one after the other."""

    inner: Synthetic

    def prepare(self, domains: Sequence[str]) -> Preparation:
        return self.inner.prepare(domains)

    def evaluate(self, trial: Trial, workdir: Path) -> Result:
        return self.inner.evaluate(trial, workdir)

    def groups(self, trials: Sequence[Trial], slots: int) -> list[list[Trial]]:
        return GroupEnding().groups(trials, slots)

    def evaluate_together(self, attempts: Sequence[tuple[Trial, Path]]) -> Iterator[tuple[Trial, Outcome]]:
        for trial, workdir in attempts:
            yield trial, self.evaluate(trial, workdir)
