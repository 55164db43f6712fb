"""Executors that break, or say what is not so: the cause is told, and no outcome is lost or counted twice."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from bomix.config.budget import BudgetSpec
from bomix.contracts.evaluator import Evaluator
from bomix.contracts.executor import Attempt, Ended, Event, Reported
from bomix.errors import EvaluationError
from bomix.execution.observer import Observer
from bomix.progress import Progress
from bomix.strategies.designs import Sobol
from bomix.study.study import Study
from bomix.trial import Failure, Outcome, Result, Status, Trial
from tests.execution.evaluators import Ending

pytestmark = pytest.mark.usefixtures("short_chains")

GOOD, BAD = Result({"loss": 1.0}), Failure("the disk is full")


@dataclasses.dataclass(frozen=True)
class Scripted:
    """Ends the trials that run side by side all at once, each as the script says.

    Attributes:
        outcomes: Trial to how its attempts end; those that are not named end well.
        broken: Methods that raise.
        extra: Whether each end is told twice, and one of a trial that nobody submitted, with a report, in addition.
        slots: Trials at a time.
        attempts: See the contract.
        max_failures: See the contract.
    """

    outcomes: dict[int, Outcome] = dataclasses.field(default_factory=dict)
    broken: tuple[str, ...] = ()
    extra: bool = False
    slots: int = 1
    attempts: int = 1
    max_failures: int = 3

    def start(self, evaluator: Evaluator, *, folder: Path | None) -> ScriptedExecutor:
        return ScriptedExecutor(self)


class ScriptedExecutor:
    """Runs nothing."""

    def __init__(self, spec: Scripted) -> None:
        self._spec = spec
        self._running: list[Trial] = []

    @property
    def free(self) -> int:
        return self._spec.slots - len(self._running)

    def reattach(self, pending: Sequence[tuple[Trial, Attempt]]) -> Sequence[Trial]:
        self._break("reattach")
        return ()

    def submit(self, trial: Trial, attempt: Attempt) -> None:
        self._break("submit")
        self._running.append(trial)

    def events(self, timeout: float) -> Iterator[Event]:
        ended, self._running = self._running, []
        for trial in ended:
            for _ in range(1 + self._spec.extra):
                yield Ended(trial, self._spec.outcomes.get(trial.id, GOOD))
        if self._spec.extra:
            stranger = Trial(99, {"code": 1.0, "web": 0.0}, 0, "sobol")
            yield Reported(stranger, Progress(1, 2))
            yield Ended(stranger, BAD)
        self._break("events")

    def cancel(self, trial: Trial) -> None:
        raise AssertionError("nothing was taken over")

    def close(self) -> None:
        self._break("close")

    def _break(self, method: str) -> None:
        if method in self._spec.broken:
            raise EvaluationError(f"{method}: the scheduler does not answer")


def make(execution: Scripted, path: Path | None = None) -> Study:
    return Study(
        ["code", "web"],
        path=path,
        evaluator=Ending(),
        strategy=Sobol(),
        budget=BudgetSpec(3),
        execution=execution,
    )


def statuses(study: Study) -> list[Status]:
    return [record.status for record in study.history.records]


def test_what_ended_beside_the_last_failure_that_is_allowed_is_recorded() -> None:
    study = make(Scripted({0: BAD, 2: BAD}, slots=3, max_failures=1))
    with pytest.raises(
        EvaluationError, match=r"2 trials failed, and execution\.max_failures is 1; the last one, trial 2"
    ):
        study.run()
    assert statuses(study) == [Status.FAILED, Status.COMPLETED, Status.FAILED]


def test_what_an_executor_told_before_it_broke_is_recorded() -> None:
    study = make(Scripted(slots=2, broken=("events",)))
    with pytest.raises(EvaluationError, match="events: the scheduler does not answer"):
        study.run()
    assert statuses(study) == [Status.COMPLETED, Status.COMPLETED]


def test_an_executor_that_cannot_be_closed_hides_no_earlier_error(caplog: pytest.LogCaptureFixture) -> None:
    study = make(Scripted({0: BAD}, broken=("close",), max_failures=1))
    with pytest.raises(EvaluationError, match="1 trial failed"):
        study.run()
    (said,) = caplog.records
    assert said.name == "bomix.execution.driver"
    assert "close: the scheduler does not answer" in caplog.text


def test_an_executor_that_cannot_be_closed_is_an_error_after_a_run_that_went_well() -> None:
    study = make(Scripted(broken=("close",)))
    with pytest.raises(EvaluationError, match="close: the scheduler does not answer"):
        study.run()
    assert statuses(study) == [Status.COMPLETED] * 3


def test_a_trial_that_could_not_be_submitted_stays_pending_and_is_resumed(tmp_path: Path) -> None:
    started: list[int] = []

    class Seen(Observer):
        def started(self, trial: Trial) -> None:
            started.append(trial.id)

    study = make(Scripted(broken=("submit",)), tmp_path)
    with pytest.raises(EvaluationError, match="submit: the scheduler does not answer"):
        study.run(observer=Seen())
    assert statuses(study) == [Status.PENDING]
    assert started == []
    make(Scripted(), tmp_path).run(observer=Seen())
    assert started == [0, 1, 2]
    assert sorted(path.name for path in (tmp_path / "trials/0000/attempts").iterdir()) == ["1", "2"]


def test_nothing_is_submitted_where_it_is_not_known_what_still_runs(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="submit"):
        make(Scripted(broken=("submit",)), tmp_path).run()
    with pytest.raises(EvaluationError, match="reattach: the scheduler does not answer"):
        make(Scripted(broken=("reattach",)), tmp_path).run()
    assert [path.name for path in (tmp_path / "trials/0000/attempts").iterdir()] == ["1"]


@pytest.mark.parametrize("tries", [1, 2])
def test_an_end_that_is_told_twice_or_of_no_trial_that_runs_is_ignored(
    tries: int, caplog: pytest.LogCaptureFixture
) -> None:
    study = make(Scripted({0: BAD}, extra=True, attempts=tries, max_failures=2))
    study.run()
    assert statuses(study) == [Status.FAILED, *[Status.COMPLETED] * 3]
    failure = study.history.failed[0].outcome
    assert isinstance(failure, Failure)
    assert failure.attempts == tries
    assert "of trial 99, which does not run" in caplog.text
    assert "of trial 0, which does not run" in caplog.text
