"""Executors of somebody else's: nothing but the contract is known of them."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from bomix.contracts.evaluator import Evaluator, GroupEvaluator
from bomix.contracts.executor import Attempt, Ended, Event, Reported
from bomix.errors import BomixError, Fault, count_faults
from bomix.progress import Progress, reporting_to
from bomix.trial import Failure, Outcome, Result, Trial

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
        loses: How often each trial is lost, as on a cluster that preempts, before it is run.
        max_lost: See the contract.
    """

    slots: int = 1
    attempts: int = 1
    max_failures: int = 3
    leaves: bool = False
    loses: int = 0
    max_lost: int | None = None

    def faults(self) -> list[Fault]:
        return [
            *count_faults(1, slots=self.slots, attempts=self.attempts, max_failures=self.max_failures),
            *count_faults(0, loses=self.loses),
        ]

    def start(self, evaluator: Evaluator, *, folder: Path | None) -> InlineExecutor:
        return InlineExecutor(evaluator, self)


class InlineExecutor:
    """Trials in the order in which they came."""

    def __init__(self, evaluator: Evaluator, spec: Inline) -> None:
        self._evaluator = evaluator
        self._spec = spec
        self._waiting: list[tuple[Trial, Attempt]] = []
        self._cancelled: set[int] = set()
        self._lost: Counter[int] = Counter()

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
        if self._lost[trial.id] < self._spec.loses:
            self._lost[trial.id] += 1
            self._waiting.pop(0)
            yield Ended(trial, Failure("preempted"), lost=True)
            return
        reports: list[Progress] = []
        log = io.StringIO()
        with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log), reporting_to(reports.append):
            outcome = self._outcome(trial, attempt.folder)
        tail = "\n".join(log.getvalue().splitlines()[-20:])
        if isinstance(outcome, Failure):
            outcome = dataclasses.replace(outcome, log_tail=tail)
        yield from (Reported(trial, progress) for progress in reports)
        self._waiting.pop(0)
        yield Ended(trial, outcome, tail)

    def _outcome(self, trial: Trial, folder: Path) -> Outcome:
        """What the evaluator returns or raises; artifacts are made absolute from the attempt's folder."""
        try:
            result = self._evaluator.evaluate(trial, folder)
        except (Exception, SystemExit) as error:
            return Failure(str(error) if isinstance(error, BomixError) else f"{type(error).__name__}: {error}")
        if not isinstance(result, Result):
            return Failure(f"the evaluator returned {type(result).__name__}; it must return a bomix.Result")
        artifacts = {name: str((folder / path).absolute()) for name, path in result.artifacts.items()}
        return dataclasses.replace(result, artifacts=artifacts)

    def cancel(self, trial: Trial) -> None:
        self._cancelled.add(trial.id)

    def close(self) -> None:
        if self._spec.leaves:
            LEFT_RUNNING.extend(self._waiting)


@dataclasses.dataclass(frozen=True)
class InlineGroups(Inline):
    """The same, which can have several trials trained as one."""

    def start(self, evaluator: Evaluator, *, folder: Path | None) -> InlineGroupExecutor:
        return InlineGroupExecutor(evaluator, self)


class InlineGroupExecutor(InlineExecutor):
    """Trials, or groups of them, in the order in which they came."""

    def __init__(self, evaluator: Evaluator, spec: Inline) -> None:
        super().__init__(evaluator, spec)
        self._groups: list[list[tuple[Trial, Attempt]]] = []

    @property
    def free(self) -> int:
        return super().free - len(self._groups)

    def submit_together(self, group: Sequence[tuple[Trial, Attempt]]) -> None:
        assert self.free > 0
        assert len(group) > 1
        assert [list(attempt.folder.iterdir()) for _, attempt in group] == [[]] * len(group)
        self._groups.append(list(group))

    def events(self, timeout: float) -> Iterator[Event]:
        if self._waiting or not self._groups:
            yield from super().events(timeout)
            return
        assert isinstance(self._evaluator, GroupEvaluator)
        group = {trial.id: (trial, attempt.folder) for trial, attempt in self._groups[0]}
        left, reports, log = list(group), list[Progress](), io.StringIO()
        failure = Failure("it came to its end without the trial")
        with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log), reporting_to(reports.append):
            ends: list[Ended] = []
            try:
                for trial, outcome in self._evaluator.evaluate_together(list(group.values())):
                    left.remove(trial.id)
                    ends.append(Ended(trial, self._kept(outcome, group[trial.id][1], log), _tail(log)))
            except (Exception, SystemExit) as error:
                failure = Failure(str(error) if isinstance(error, BomixError) else f"{type(error).__name__}: {error}")
        for progress in reports:
            told = group if progress.trial is None else [progress.trial]
            yield from (Reported(group[number][0], progress) for number in told)
        self._groups.pop(0)
        yield from ends
        for number in left:
            outcome = dataclasses.replace(failure, log_tail=_tail(log))
            yield Ended(group[number][0], outcome, _tail(log), by_group=True)

    @staticmethod
    def _kept(outcome: Outcome, folder: Path, log: io.StringIO) -> Outcome:
        if isinstance(outcome, Failure):
            return dataclasses.replace(outcome, log_tail=_tail(log))
        if not isinstance(outcome, Result):
            what = f"the evaluator returned {type(outcome).__name__}; it must return a bomix.Result"
            return Failure(what, log_tail=_tail(log))
        artifacts = {name: str((folder / path).absolute()) for name, path in outcome.artifacts.items()}
        return dataclasses.replace(outcome, artifacts=artifacts)


def _tail(log: io.StringIO) -> str:
    return "\n".join(log.getvalue().splitlines()[-20:])
