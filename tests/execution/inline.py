"""Executors of somebody else's: nothing but the contract is known of them."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bomix.contracts.evaluator import Evaluator
from bomix.contracts.executor import Attempt, Ended, Event, Reported
from bomix.errors import EvaluationError
from bomix.progress import Progress, reporting_to
from bomix.trial import Failure, Outcome, Trial

LEFT_RUNNING: list[tuple[Trial, Attempt]] = []
"""What drivers that were stopped have left running, and nobody has heard the end of."""


@dataclasses.dataclass(frozen=True)
class Inline:
    """Trains in the driver's own process, while it waits for events.

    Attributes:
        slots: Trials at a time.
        attempts: See the contract.
        max_failures: See the contract.
        leaves: Whether trials outlive their driver.
    """

    slots: int = 1
    attempts: int = 1
    max_failures: int = 3
    leaves: bool = False

    def start(self, evaluator: Evaluator, *, folder: Path | None) -> InlineExecutor:
        return InlineExecutor(evaluator, self)


class InlineExecutor:
    """Trials in the order in which they came."""

    def __init__(self, evaluator: Evaluator, spec: Inline) -> None:
        self._evaluator = evaluator
        self._spec = spec
        self._waiting: list[tuple[Trial, Attempt]] = []
        self._cancelled: set[int] = set()

    @property
    def free(self) -> int:
        return self._spec.slots - len(self._waiting)

    def reattach(self, pending: Sequence[tuple[Trial, Attempt]]) -> list[Trial]:
        found = [pair for pair in pending if pair in LEFT_RUNNING]
        self._waiting += found
        for pair in found:
            LEFT_RUNNING.remove(pair)
        return [trial for trial, _ in found]

    def submit(self, trial: Trial, attempt: Attempt) -> None:
        assert self.free > 0
        assert list(attempt.folder.iterdir()) == []
        self._waiting.append((trial, attempt))

    def events(self, timeout: float) -> Iterator[Event]:
        if not self._waiting:
            time.sleep(timeout)
            return
        trial, attempt = self._waiting[0]
        if trial.id in self._cancelled:
            self._waiting.pop(0)
            yield Ended(trial, Failure("cancelled"))
            return
        reports: list[Progress] = []
        outcome: Outcome
        try:
            with reporting_to(reports.append):
                result = self._evaluator.evaluate(trial, attempt.folder)
            paths = {name: str((attempt.folder / path).absolute()) for name, path in result.artifacts.items()}
            outcome = dataclasses.replace(result, artifacts=paths)
        except EvaluationError as error:
            outcome = Failure(str(error))
        yield from (Reported(trial, progress) for progress in reports)
        self._waiting.pop(0)
        yield Ended(trial, outcome)

    def cancel(self, trial: Trial) -> None:
        self._cancelled.add(trial.id)

    def close(self) -> None:
        if self._spec.leaves:
            LEFT_RUNNING.extend(self._waiting)
