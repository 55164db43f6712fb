"""Evaluators for tests on engines: they train nothing, take a while, and end in every way that an engine must tell."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bomix.contracts.preparation import Preparation
from bomix.problem import Metric
from bomix.trial import Result, Trial

PID, SEEN = "pid", "seen.json"


@dataclasses.dataclass(frozen=True)
class Steady:
    """Takes some seconds; the loss is smallest at a third of the first domain.

    Attributes:
        seconds: How long a trial takes.
        how: ``well``; ``leaving`` by ``sys.exit(0)``; ``filling`` the memory; ``staying`` for ten minutes.
        first: Whether only the first attempt at a trial is as ``how`` says.
        mebibytes: What one that fills the memory takes.
    """

    seconds: float = 0.0
    how: str = "well"
    first: bool = True
    mebibytes: int = 0

    def prepare(self, domains: Sequence[str]) -> Preparation:
        """One metric."""
        return Preparation(metrics=(Metric("loss"),))

    def evaluate(self, trial: Trial, workdir: Path) -> Result:
        """Note where it runs and what it sees, wait, and end."""
        names = ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "BOMIX_SLOT", "BOMIX_DEVICE_SHARE")
        (workdir / SEEN).write_text(json.dumps({name: os.environ.get(name) for name in names}))
        (workdir / f"{PID}.half").write_text(str(os.getpid()))
        (workdir / f"{PID}.half").rename(workdir / PID)
        print(f"evaluating trial {trial.id}", flush=True)
        if workdir.name == "1" or not self.first:
            if self.how == "leaving":
                sys.exit(0)
            held = b"\1" * (self.mebibytes << 20)
            if self.how in ("filling", "staying"):
                time.sleep(600.0)
            assert len(held) == self.mebibytes << 20
        time.sleep(self.seconds)
        first = next(iter(trial.weights.values()))
        return Result({"loss": (first - 1 / 3) ** 2}, cost=self.seconds)
