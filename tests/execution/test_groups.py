"""Trials that are trained as one: the same asks, nothing lost of a group that dies, no trial failed for another."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from bomix.config.budget import BudgetSpec
from bomix.contracts.evaluator import Evaluator
from bomix.contracts.strategy import Strategy
from bomix.errors import EvaluationError
from bomix.evaluators.synthetic.spec import Synthetic
from bomix.execution.groups import Groups, named
from bomix.execution.local.spec import LocalExecution
from bomix.execution.observer import Observer
from bomix.io.store import lock
from bomix.strategies.auto import Auto
from bomix.strategies.baselines.simple import Uniform
from bomix.strategies.designs import Dirichlet, Sobol, Vertices
from bomix.strategies.sequence import Sequence as Steps
from bomix.strategies.sequence import Step
from bomix.study.running import run, train_experts
from bomix.study.study import Study
from bomix.testing.endings import lives
from bomix.trial import CONFIRM, EXPERT, Failure, Outcome, Record, Status, Trial
from tests.execution.evaluators import Ending, SeveralAtOnce, Together
from tests.execution.inline import Inline, InlineGroups
from tests.execution.test_driver import Content

pytestmark = pytest.mark.usefixtures("short_chains", "recommended_by_the_mean_alone")

DOMAINS = ["code", "web"]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _slot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOMIX_SLOT", "none")  # the evaluator says which it had


class Seen(Observer):
    """Keeps what it is told of groups; stops the driver once so many trials have ended."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.groups: list[list[int]] = []
        self.started_ids: list[int] = []
        self.parted_ids: list[tuple[str, int]] = []
        self.messages: list[str] = []
        self.retries: list[str] = []
        self._stop_after, self._ended = stop_after, 0

    def grouped(self, trials: Sequence[Trial]) -> None:
        self.groups.append([trial.id for trial in trials])

    def started(self, trial: Trial) -> None:
        self.started_ids.append(trial.id)

    def parted(self, trials: Sequence[Trial], message: str, width: int) -> None:
        self.parted_ids.append((named(trials), width))
        self.messages.append(message)

    def retried(self, trial: Trial, message: str) -> None:
        self.retries.append(message)

    def ended(self, study: object, record: Record) -> None:
        self._ended += 1
        if self._ended == self._stop_after:
            raise KeyboardInterrupt


def make(
    path: Path | None,
    evaluator: Evaluator | None = None,
    *,
    strategy: Strategy | None = None,
    budget: BudgetSpec | None = None,
    here: bool = True,
    **execution: int,
) -> Study:
    """A study whose trials run in this process, or, not ``here``, in processes of their own."""
    kind = InlineGroups if here else LocalExecution
    return Study(
        DOMAINS,
        path=path,
        evaluator=evaluator or Together(),
        strategy=strategy or Sobol(),
        budget=budget or BudgetSpec(6),
        execution=kind(**execution),
        seed=3,
    )


def attempts(path: Path) -> list[int]:
    """How many attempts each trial had."""
    return [len(list(folder.iterdir())) for folder in sorted(path.glob("trials/*/attempts"))]


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60.0
    while not path.exists():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def losses(study: Study) -> dict[int, float]:
    return {record.trial.id: record.result.losses["loss"] for record in study.history.completed}


def test_a_design_is_trained_as_one(tmp_path: Path) -> None:
    study, seen = make(tmp_path, here=False), Seen()
    study.run(observer=seen)
    assert seen.groups == [[0, 1, 2, 3, 4, 5]]
    assert seen.started_ids == [0, 1, 2, 3, 4, 5]
    assert losses(study) == {record.trial.id: record.trial.weights["code"] for record in study.history.records}
    assert attempts(tmp_path) == [1] * 6


def test_groups_are_spread_over_the_slots() -> None:
    study, seen = make(None, budget=BudgetSpec(16), slots=2), Seen()
    study.run(observer=seen)
    assert [len(group) for group in seen.groups] == [8, 8]
    assert len(study.history.completed) == 16


def test_no_more_is_asked_for_than_can_be_started() -> None:
    class Counting(Seen):
        def grouped(self, trials: Sequence[Trial]) -> None:
            super().grouped(trials)
            asked.append(len(study.history.records))

    asked: list[int] = []
    study = make(None, Together(widest=4), budget=BudgetSpec(10))
    study.run(observer=(seen := Counting()))
    assert [len(group) for group in seen.groups] == [4, 4, 2]
    assert asked == [4, 8, 10]


def test_an_executor_that_knows_no_groups_is_given_one_trial_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    study = make(None)
    study.spec = dataclasses.replace(study.spec, execution=Inline(slots=2))
    run(study.records, observer=(seen := Seen()))
    assert seen.groups == []
    assert len(study.history.completed) == 6


@pytest.mark.parametrize(
    ("strategy", "groups"),
    [
        (Sobol(), [6]),
        (Dirichlet(), [6]),
        (Vertices(), [6]),
        (Uniform(), [6]),
        (Steps((Step(Sobol(), 2), Step(Dirichlet()))), [6]),
        (Steps((Step(Uniform(), 2), Step(Auto(n_init=5)))), [5]),
        (Auto(n_init=4), [4]),
    ],
    ids=["sobol", "dirichlet", "vertices", "uniform", "sequence", "sequence with a model", "auto"],
)
def test_asks_are_those_of_trials_that_are_run_one_by_one(strategy: Strategy, groups: list[int]) -> None:
    one_by_one = make(None, Ending(), strategy=strategy)
    together = make(None, strategy=strategy)
    confirm = 2 if isinstance(strategy, Auto) else 0  # it takes a model to know what to confirm
    one_by_one.run(confirm=confirm)
    together.run(confirm=confirm, observer=(seen := Seen()))
    assert [record.trial for record in together.history.records] == [
        record.trial for record in one_by_one.history.records
    ]
    assert [record.result.losses for record in together.history.records] == [
        record.result.losses for record in one_by_one.history.records
    ]
    confirming = [record.trial.id for record in together.history.records if record.trial.origin == CONFIRM]
    assert [group for group in seen.groups if group == confirming] == [confirming] * bool(confirm)
    assert [len(group) for group in seen.groups if group != confirming] == groups


TOKENS = Synthetic(family="token_experts", domains=3, noise=0.0)


def of_tokens(evaluator: Evaluator) -> Study:
    names = list(TOKENS.domain_names)
    return Study(
        names,
        list(TOKENS.metrics),
        evaluator=evaluator,
        strategy=Sobol(),
        budget=BudgetSpec(3),
        execution=InlineGroups(),
    )


def test_experts_are_trained_as_one() -> None:
    studies = [of_tokens(TOKENS), of_tokens(SeveralAtOnce(TOKENS))]
    seen = Seen()
    for study, observer in zip(studies, (None, seen), strict=True):
        train_experts(study.records, observer=observer)
        study.run(observer=observer)
    assert seen.groups == [[0, 1, 2], [3, 4, 5]]
    one_by_one, together = ([record.trial for record in study.history.records] for study in studies)
    assert together == one_by_one
    assert [trial.origin for trial in together[:3]] == [EXPERT] * 3


def test_a_budget_of_device_seconds_is_not_overdrawn() -> None:
    one_by_one = make(None, Ending(), budget=BudgetSpec(trials=100, device_seconds=7.0))
    together = make(None, budget=BudgetSpec(trials=100, device_seconds=7.0))
    one_by_one.run()
    together.run(observer=(seen := Seen()))
    assert len(together.history.records) == len(one_by_one.history.records) == 7
    assert [len(group) for group in seen.groups] == [6]  # after the first, which says what one costs


def test_a_search_that_may_expect_little_goes_on_one_by_one() -> None:
    study = make(None, strategy=Content(), budget=BudgetSpec(trials=9, improvement=0.01))
    study.run(observer=(seen := Seen()))
    assert seen.started_ids == [0, 1, 2, 3]
    assert seen.groups == []


def test_a_trial_that_fails_by_itself_is_tried_again_by_itself(tmp_path: Path) -> None:
    study = make(tmp_path, Together("error", trials=(2,)), attempts=2, max_failures=2)
    study.run(observer=(seen := Seen()))
    assert seen.retries == ["the loss is not finite at step 2"]
    assert seen.groups == [[0, 1, 2, 3, 4, 5]]
    (failed,) = study.history.failed
    assert isinstance(failed.outcome, Failure)
    assert (failed.trial.id, failed.outcome.attempts) == (2, 2)
    assert "evaluating trial 2" in failed.outcome.log_tail
    assert len(study.history.completed) == 6  # another takes its place in the budget


def test_too_many_failures_end_a_run_and_what_came_back_beside_them_is_recorded() -> None:
    study = make(None, Together("error", trials=(1, 2)), max_failures=2)
    with pytest.raises(EvaluationError, match=r"2 trials failed, and execution\.max_failures is 2"):
        study.run()
    assert [record.status for record in study.history.records[:3]] == [
        Status.COMPLETED,
        Status.FAILED,
        Status.FAILED,
    ]


@pytest.mark.parametrize(("how", "said"), [("killed", "killed by signal 9"), ("bug", "KeyError: 'weights'")])
def test_a_trial_that_ends_its_group_is_found_and_fails_alone(tmp_path: Path, how: Any, said: str) -> None:
    study = make(tmp_path, Together(how, trials=(5,)), budget=BudgetSpec(8), attempts=1, here=how == "bug")
    study.run(observer=(seen := Seen()))
    assert seen.groups[0] == [0, 1, 2, 3, 4, 5, 6, 7]
    assert seen.parted_ids == [("5-7", 4), ("5-7", 1)]
    assert all(said in message for message in seen.messages)
    (failed,) = study.history.failed
    assert isinstance(failed.outcome, Failure)
    assert (failed.trial.id, failed.outcome.attempts) == (5, 1)
    assert said in failed.outcome.message
    assert len(study.history.completed) == 8
    assert attempts(tmp_path)[:8] == [1] * 5 + [3] * 3


def test_a_group_that_does_not_fit_is_halved_until_it_does(tmp_path: Path) -> None:
    study = make(tmp_path, Together(holds=3, widest=8), budget=BudgetSpec(12), max_failures=1)
    study.run(observer=(seen := Seen()))
    assert len(study.history.completed) == 12
    assert seen.messages[0] == "MemoryError: 8 models do not fit"
    assert [len(group) for group in seen.groups] == [8, 4, 2, 2, 4, 2, 2, 4, 2, 2]


def test_an_error_that_meets_every_trial_is_found_by_trying_them_alone(tmp_path: Path) -> None:
    """Sixteen as one, then three alone, which is what may fail: not all of them five times."""
    study = make(tmp_path, Together(broken="no such shape"), budget=BudgetSpec(16), here=False)
    with pytest.raises(EvaluationError, match=r"3 trials failed, .*no such shape"):
        study.run(observer=(seen := Seen()))
    assert [len(group) for group in seen.groups] == [16]
    assert seen.parted_ids == [("0", 1), ("1-15", 8)]
    assert attempts(tmp_path) == [2, 2, 2, *[1] * 13]
    assert [record.trial.id for record in study.history.failed] == [0, 1, 2]


def test_one_at_fault_is_found_alone_and_the_others_go_on_as_one(tmp_path: Path) -> None:
    study = make(tmp_path, Together("bug", trials=(2,)), budget=BudgetSpec(8), here=False)
    study.run(observer=(seen := Seen()))
    assert seen.parted_ids == [("2", 1), ("3-7", 4)]
    assert seen.groups == [[0, 1, 2, 3, 4, 5, 6, 7], [4, 5, 6, 7]]  # the third alone, by it the fourth, then the others
    assert [record.trial.id for record in study.history.failed] == [2]
    assert len(study.history.completed) == 8


def test_memory_that_does_not_suffice_is_no_error_of_each(tmp_path: Path) -> None:
    study = make(tmp_path, Together(broken="CUDA out of memory. Tried to allocate 2 GiB"), here=False)
    with pytest.raises(EvaluationError, match="3 trials failed"):
        study.run(observer=(seen := Seen()))
    assert seen.parted_ids[:2] == [("0-5", 3), ("0-2", 1)]


def test_a_result_that_is_refused_is_the_failure_of_its_trial_alone() -> None:
    study = make(None, Together(unlike=1))
    study.run()
    (failed,) = study.history.failed
    assert isinstance(failed.outcome, Failure)
    assert failed.trial.id == 1
    assert "losses.loss: missing" in failed.outcome.message
    assert "evaluating trial" in failed.outcome.log_tail


def test_a_run_that_is_stopped_in_mid_group_goes_on_with_the_rest(tmp_path: Path) -> None:
    undisturbed = make(None)
    undisturbed.run()
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, Together("waiting", trials=(3,)), here=False).run(observer=Seen(stop_after=2))
    study = Study.open(tmp_path)
    assert [record.status for record in study.history.records] == [Status.COMPLETED] * 2 + [Status.PENDING] * 4
    make(tmp_path).run(observer=(seen := Seen()))
    assert seen.groups == [[2, 3, 4, 5]]
    assert [record.trial for record in study.history.records] == [r.trial for r in undisturbed.history.records]
    assert losses(study) == losses(undisturbed)


STUDY = """
domains: {code: {}, web: {}}
evaluator: {kind: "tests.execution.evaluators:Together", how: waiting, trials: [2]}
strategy: sobol
budget: {trials: 4}
"""


def test_a_signal_in_mid_group_stops_cleanly_and_the_same_command_goes_on(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(STUDY)
    command = [sys.executable, "-m", "bomix.cli.main", "optimize", str(tmp_path)]
    settings = {"env": {**os.environ, "PYTHONPATH": str(ROOT)}, "stderr": subprocess.PIPE, "text": True}
    driver = subprocess.Popen(command, **settings)  # type: ignore[call-overload]
    wait_for(tmp_path / "trials/0001/outcome.json")
    pid = int((tmp_path / "trials/0001/attempts/1/pid").read_text())
    driver.send_signal(signal.SIGTERM)
    _, said = driver.communicate(timeout=60)
    assert driver.returncode == 130
    assert "trials 0-3 (4 as one)" in said
    assert not lives(pid)
    assert [record.status for record in Study.open(tmp_path).history.records] == [
        *[Status.COMPLETED] * 2,
        *[Status.PENDING] * 2,
    ]
    (tmp_path / "study.yaml").write_text(STUDY.replace("waiting", "well"))
    Study.open(tmp_path).run()
    assert attempts(tmp_path) == [1, 1, 2, 2]
    assert len(Study.open(tmp_path).history.completed) == 4


def test_what_was_finished_as_the_driver_was_killed_is_not_trained_again(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, Together("waiting", trials=(3,)), here=False).run(observer=Seen(stop_after=1))
    finished = [number for number in range(6) if (tmp_path / f"trials/000{number}/attempts/1/result.json").exists()]
    assert finished[:1] == [0]
    assert finished[-1] < 3
    make(tmp_path, here=False).run(observer=(seen := Seen()))
    assert seen.started_ids == [number for number in range(6) if number not in finished]
    assert len(Study.open(tmp_path).history.completed) == 6


DRIVER = """
import sys
from pathlib import Path
from tests.execution.evaluators import Together
from tests.execution.test_groups import make
make(Path(sys.argv[1]), Together("waiting", trials=(3,)), here=False).run()
"""


def test_of_a_driver_that_is_killed_in_mid_group_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, str(tmp_path)], stderr=subprocess.DEVNULL)
    wait_for(tmp_path / "trials/0002/outcome.json")
    driver.kill()
    driver.wait()
    study = Study.open(tmp_path)
    assert losses(study).keys() == {0, 1, 2}
    kept = losses(study)
    make(tmp_path).run(observer=(seen := Seen()), take_over=False)
    assert seen.groups == [[3, 4, 5]]
    assert attempts(tmp_path) == [1, 1, 1, 2, 2, 2]
    assert losses(study).items() >= kept.items()
    assert losses(study) == {record.trial.id: record.trial.weights["code"] for record in study.history.records}
    assert lock.read(tmp_path) is None


@dataclasses.dataclass(frozen=True)
class Forgetful(Together):
    """Leaves the last trial out of its groups."""

    def groups(self, trials: Sequence[Trial], slots: int) -> list[list[Trial]]:
        return super().groups(trials[:-1], slots) if len(trials) > 1 else [list(trials)]


def test_groups_that_lack_a_trial_are_an_error_that_names_the_evaluator() -> None:
    with pytest.raises(EvaluationError, match=r"Forgetful\.groups must return each of the trials"):
        make(None, Forgetful()).run()


@dataclasses.dataclass(frozen=True)
class Half(Ending):
    """Trains several trials as one, and does not say which."""

    def evaluate_together(self, attempts: Sequence[tuple[Trial, Path]]) -> Iterator[tuple[Trial, Outcome]]:
        raise AssertionError


def test_one_of_the_two_methods_is_an_error_that_names_the_other() -> None:
    with pytest.raises(EvaluationError, match=r"Half has evaluate_together and lacks groups\(trials, slots\)"):
        make(None, Half()).run()


def trials(*numbers: int) -> list[Trial]:
    return [Trial(number, {"code": 1.0}, 0, "sobol") for number in numbers]


class Fitting:
    """An executor of groups that runs nothing."""

    free = 1

    def reattach(self, pending: object) -> tuple[()]:
        return ()

    def submit(self, trial: object, attempt: object) -> None: ...
    def submit_together(self, group: object) -> None: ...
    def events(self, timeout: float) -> tuple[()]:
        return ()

    def cancel(self, trial: object) -> None: ...
    def close(self) -> None: ...


def test_trials_are_halved_for_good_and_others_once() -> None:
    groups = Groups(Together(widest=8), Fitting())
    first = trials(*range(8))
    assert groups.full(first, 1)
    assert not groups.full(first[:7], 1)
    assert [len(group) for group in groups.of(trials(*range(20)), 2)] == [8, 8, 4]
    groups.submitted(first)
    assert [groups.died(trial) for trial in first[4:]] == [4] * 4
    assert [named(group) for group in groups.of(trials(*range(4, 14)), 1)] == ["4-7", "8-11", "12-13"]
    groups.submitted(first[4:])
    assert [groups.died(trial) for trial in first[6:]] == [2, 2]
    assert [named(group) for group in groups.of(trials(6, 7, *range(8, 14)), 1)] == ["6-7", "8-11", "12-13"]
    groups.submitted(first[7:])
    assert groups.died(first[7]) is None


def test_numbers_of_trials_are_said_in_short() -> None:
    assert named(trials(3, 1, 2, 7, 9, 8, 11)) == "1-3, 7-9, 11"
    assert named(trials(5)) == "5"
