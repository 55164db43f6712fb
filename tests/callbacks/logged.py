"""A run of three trials that a logger is told of, without a network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bomix
from bomix.contracts.callback import Callback
from tests.execution.inline import Inline

NAMES = {"objective", "best", "loss/c++", "loss/web", "weight/c++", "weight/web"}
"""What every logger has of each trial."""


@dataclass(frozen=True)
class Bowl:
    def evaluate(self, trial: Any, workdir: Any) -> Any:
        return bomix.Result({name: 2.0 + weight for name, weight in trial.weights.items()})


def run(folder: Path, logger: Callback, trials: int = 3) -> bomix.Study:
    """Run a study in a folder called ``mixture``, so many trials in all, and leave it."""
    options: dict[str, Any] = {"evaluator": Bowl(), "strategy": "sobol", "execution": Inline()}
    study = bomix.Study(["c++", "web"], ["c++", "web"], path=folder / "mixture", **options)
    study.run(trials=trials, callbacks=[logger])
    return study
