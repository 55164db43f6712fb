"""How trials run on this machine, as a study file says it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bomix.errors import Fault

if TYPE_CHECKING:
    from bomix.contracts.evaluator import Evaluator
    from bomix.execution.local.executor import LocalExecutor


@dataclass(frozen=True)
class LocalExecution:
    """Trials run on this machine, each in a process of its own that ends with the driver.

    Example:
        >>> execution = bomix.LocalExecution(workers=4, attempts=2)  # four trainings at a time, each tried twice
        >>> study = bomix.Study(["code", "web"], ["loss"], execution=execution)
        >>> bomix.Study(["code", "web"], ["loss"], execution=bomix.LocalExecution(workers=0))
        Traceback (most recent call last):
        bomix.errors.FaultsError: execution.workers: expected at least 1, found 0

    Attributes:
        workers: Trials at a time.
        attempts: How often a trial is tried before it counts as failed.
        max_failures: Failed trials after which a run of the study gives up.
    """

    workers: int = 1
    attempts: int = 1
    max_failures: int = 3

    def faults(self) -> list[Fault]:
        """Counts must be positive."""
        named = {"workers": self.workers, "attempts": self.attempts, "max_failures": self.max_failures}
        return [Fault(k, f"expected at least 1, found {v}") for k, v in named.items() if v < 1]

    def start(self, evaluator: Evaluator, *, folder: Path | None = None) -> LocalExecutor:
        """Start the process that trials are forked from.

        Args:
            evaluator: What trains; it is pickled, so its class lives in an importable module.
            folder: Not used: nothing is kept beside the attempts' own folders.

        Raises:
            EvaluationError: The evaluator cannot be pickled.
        """
        from bomix.execution.local.executor import LocalExecutor

        return LocalExecutor(evaluator, workers=self.workers)
