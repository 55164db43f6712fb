"""Runs that do not wait: what failed in earlier ones counts in later ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bomix.config.spec import BudgetSpec
from bomix.contracts.executor import Attempt, Ended
from bomix.contracts.queued import LeavingError, QueuedJob
from bomix.errors import EvaluationError
from bomix.strategies.designs import Sobol
from bomix.study.running import run
from bomix.study.study import Study
from bomix.testing.endings import Ending
from bomix.trial import Failure, Outcome, Result, Trial

pytestmark = pytest.mark.usefixtures("short_chains")


@dataclass
class Cluster:
    """Jobs that end with what is said, at the next look of a later driver.

    Attributes:
        ends: What comes back of trials, by their ids, and whether it was lost; others fail.
        submitted: Ids of the trials that were submitted, in order.
    """

    ends: dict[int, tuple[Outcome, bool]] = field(default_factory=dict)
    submitted: list[int] = field(default_factory=list)


CLUSTER = Cluster()


@dataclass(frozen=True)
class Queue:
    """A queue whose jobs go on without a driver."""

    workers: int = 1
    attempts: int = 1
    max_failures: int = 3
    max_lost: int | None = 10

    def start(self, evaluator: object, *, folder: Path | None = None) -> _Executor:
        return _Executor(self.workers)

    def leaving(self) -> Queue:
        return self

    def jobs(self, attempts: Sequence[tuple[Trial, Attempt]]) -> list[QueuedJob]:
        return []

    def cancel(self, attempts: Sequence[tuple[Trial, Attempt]]) -> list[QueuedJob]:
        return []

    def preview(self, attempts: Sequence[tuple[Trial, Attempt]], *, folder: Path) -> list[str]:
        return []


class _Executor:
    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._taken_over: list[Trial] = []
        self._new: list[Trial] = []

    @property
    def free(self) -> int:
        return self._workers - len(self._taken_over) - len(self._new)

    def reattach(self, pending: Sequence[tuple[Trial, Attempt]]) -> list[Trial]:
        self._taken_over = [trial for trial, _ in pending]
        return list(self._taken_over)

    def submit(self, trial: Trial, attempt: Attempt) -> None:
        CLUSTER.submitted.append(trial.id)
        self._new.append(trial)

    def events(self, timeout: float) -> list[Ended]:
        if not self._taken_over:
            raise LeavingError
        found = []
        for trial in self._taken_over:
            outcome, lost = CLUSTER.ends.get(trial.id, (Failure("diverged"), False))
            found.append(Ended(trial, outcome, lost=lost))
        self._taken_over = []
        return found

    def cancel(self, trial: Trial) -> None:
        raise AssertionError

    def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def cluster() -> Cluster:
    CLUSTER.ends.clear()
    CLUSTER.submitted.clear()
    return CLUSTER


def study(folder: Path, execution: Queue) -> Study:
    return Study(
        ["code", "web"],
        ["loss"],
        evaluator=Ending(),
        strategy=Sobol(),
        budget=BudgetSpec(trials=9),
        execution=execution,
        path=folder,
    )


def leave(folder: Path, execution: Queue) -> Study:
    opened = study(folder, execution)
    run(opened.records, detach=True)
    return opened


def test_failures_of_earlier_runs_count_and_nothing_more_is_submitted(tmp_path: Path) -> None:
    for _ in range(3):
        leave(tmp_path, Queue())
    for _ in range(2):
        with pytest.raises(EvaluationError, match=r"(?s)3 trials failed.*max_failures is 3.*bomix withdraw"):
            leave(tmp_path, Queue())
    assert CLUSTER.submitted == [0, 1, 2]


def test_a_trial_that_completes_has_failures_counted_anew(tmp_path: Path) -> None:
    CLUSTER.ends[2] = (Result({"loss": 1.0}), False)
    for _ in range(6):
        leave(tmp_path, Queue())
    with pytest.raises(EvaluationError, match="3 trials failed"):
        leave(tmp_path, Queue())
    assert CLUSTER.submitted == [0, 1, 2, 3, 4, 5]


def test_what_completed_meanwhile_is_recorded_before_a_run_gives_up(tmp_path: Path) -> None:
    CLUSTER.ends[3] = (Result({"loss": 1.0}), False)
    for _ in range(2):
        leave(tmp_path, Queue(workers=2))
    opened = leave(tmp_path, Queue(workers=2, max_failures=2))
    assert [record.trial.id for record in opened.history.completed] == [3]


def test_withdrawn_failures_have_the_run_go_on(tmp_path: Path) -> None:
    for _ in range(3):
        leave(tmp_path, Queue())
    with pytest.raises(EvaluationError):
        leave(tmp_path, Queue())
    study(tmp_path, Queue()).withdraw(0, why="a wrong module")
    leave(tmp_path, Queue())
    assert CLUSTER.submitted == [0, 1, 2, 3]


def test_attempts_and_losses_of_earlier_runs_count(tmp_path: Path) -> None:
    CLUSTER.ends[1] = (Failure("node gone"), True)
    for _ in range(6):
        opened = leave(tmp_path, Queue(attempts=3, max_lost=2))
    assert CLUSTER.submitted == [0, 0, 0, 1, 1, 1]
    opened = leave(tmp_path, Queue(attempts=3, max_lost=2))
    said = [record.outcome for record in opened.history.failed]
    assert [(each.message, each.attempts) for each in said if isinstance(each, Failure)] == [
        ("diverged", 3),
        ("lost 3 times (execution.max_lost is 2): node gone", 1),
    ]
