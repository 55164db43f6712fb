"""Running trials in processes of their own: order, failures, retries, the budget, and ends that come from outside."""

from __future__ import annotations

import dataclasses
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from bomix.config.budget import BudgetSpec
from bomix.contracts.strategy import Strategy
from bomix.errors import EvaluationError, StoreError, StudyError
from bomix.execution.local.spec import LocalExecution
from bomix.execution.observer import Observer
from bomix.history import History
from bomix.io.store import lock, reading
from bomix.io.store.study_folder import FolderStore
from bomix.problem import Problem
from bomix.progress import Progress
from bomix.recommendation.confirmation import SEED_OFFSET
from bomix.strategies.bayesian.whole_space import Bayesian
from bomix.strategies.designs import Sobol
from bomix.study import running
from bomix.study.confirmation import confirming_trial
from bomix.study.study import Study
from bomix.trial import CONFIRM, Failure, Record, Result, Trial
from tests.execution.evaluators import Ending
from tests.execution.inline import Inline

pytestmark = pytest.mark.usefixtures("short_chains")

DOMAINS = ["code", "web"]


class Seen(Observer):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.started_ids: list[int] = []
        self.most_at_once = 0
        self.reports: list[tuple[int, Progress]] = []
        self.retries: list[str] = []
        self.reasons: list[str] = []
        self._running = 0

    def stopped(self, reason: str) -> None:
        self.reasons.append(reason)

    def started(self, trial: Trial) -> None:
        self.started_ids.append(trial.id)
        self._running += 1
        self.most_at_once = max(self.most_at_once, self._running)

    def progressed(self, trial: Trial, progress: Progress) -> None:
        self.reports.append((trial.id, progress))

    def retried(self, trial: Trial, message: str) -> None:
        self.retries.append(message)
        self._running -= 1

    def ended(self, study: Study, record: Record) -> None:
        self._running -= 1


def make(
    path: Path | None,
    how: str = "well",
    *,
    seconds: float = 0.0,
    strategy: Strategy | None = None,
    budget: BudgetSpec | None = None,
    **execution: int,
) -> Study:
    return Study(
        domains=DOMAINS,
        path=path,
        evaluator=Ending(how, seconds),
        strategy=strategy or Sobol(),
        budget=budget or BudgetSpec(4),
        execution=LocalExecution(**execution),
    )


def test_trials_run_in_processes_of_their_own_and_leave_a_log(tmp_path: Path) -> None:
    study, seen = make(tmp_path), Seen()
    study.run(observer=seen)
    assert seen.started_ids == [0, 1, 2, 3]
    assert [progress.step for number, progress in seen.reports if number == 0] == [0, 1, 2]
    pids = {(tmp_path / f"trials/000{number}/attempts/1/pid").read_text() for number in range(4)}
    assert len(pids) == 4
    assert str(os.getpid()) not in pids
    assert "evaluating trial 2" in (tmp_path / "trials/0002/attempts/1/log.txt").read_text()
    assert (tmp_path / "results.nc").exists()
    assert lock.read(tmp_path) is None


def test_a_study_in_memory_runs_too() -> None:
    study = make(None)
    study.run()
    assert len(study.history.completed) == 4


def test_workers_share_the_slots_and_the_budget(tmp_path: Path) -> None:
    study, seen = make(tmp_path, seconds=0.3, workers=2), Seen()
    study.run(observer=seen, trials=5)
    assert seen.most_at_once == 2
    assert len(study.history.completed) == 5
    assert {record.result.info["slot"] for record in study.history.completed} == {"0", "1"}


def test_a_spent_budget_trains_nothing_more(tmp_path: Path) -> None:
    study, seen = make(tmp_path), Seen()
    study.run()
    study.run(observer=seen)
    assert seen.started_ids == []
    study.run(observer=seen, trials=6)
    assert seen.started_ids == [4, 5]


def test_the_budget_may_be_device_seconds(tmp_path: Path) -> None:
    study = make(tmp_path, budget=BudgetSpec(trials=100, device_seconds=3.0))
    study.run()
    assert sum(record.result.cost or 0 for record in study.history.completed) == 3.0


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("error", "the loss is not finite at step 2"),
        ("bug", "KeyError: 'weights'"),
        ("exit", "exited with 7"),
        ("killed", "killed by signal 9"),
        ("other", "losses.loss: missing"),
        ("nothing", "must return a bomix.Result"),
    ],
)
def test_a_failure_is_recorded_with_its_log_and_too_many_end_the_run(tmp_path: Path, how: str, message: str) -> None:
    study = make(tmp_path, how, max_failures=2)
    with pytest.raises(EvaluationError, match="2 trials failed") as caught:
        study.run()
    assert message in str(caught.value)
    failures = [record.outcome for record in study.history.failed]
    assert len(failures) == 2
    for failure in failures:
        assert isinstance(failure, Failure)
        assert message in failure.message
        assert "evaluating trial" in failure.log_tail


def test_an_attempt_that_failed_is_tried_again(tmp_path: Path) -> None:
    study, seen = make(tmp_path, "flaky", attempts=2), Seen()
    study.run(observer=seen)
    assert seen.retries == ["the first attempt fails"] * 4
    assert len(study.history.completed) == 4
    assert (tmp_path / "trials/0000/attempts/2/log.txt").exists()


def test_confirmation_trains_the_recommendation_beside_the_references_on_fresh_seeds(tmp_path: Path) -> None:
    study, seen = make(tmp_path, workers=2), Seen()
    study.run(confirm=2, observer=seen)
    confirming = [record for record in study.history.completed if record.trial.origin == CONFIRM]
    seeds = sorted({record.trial.seed for record in confirming})
    assert len(seeds) == 2
    assert len(confirming) == 4
    study.run(confirm=2, observer=seen)
    assert len(seen.started_ids) == 8


def test_more_trials_after_a_confirmation_are_confirmed_on_fresh_seeds(tmp_path: Path) -> None:
    study, seen = make(tmp_path), Seen()
    study.run(confirm=1)
    study.run(confirm=1, trials=5, observer=seen)
    assert len(seen.started_ids) == 3
    confirming = [record.trial.seed for record in study.history.completed if record.trial.origin == CONFIRM]
    assert confirming == [confirming[0]] * 2 + [confirming[0] + 1] * 2
    study.run(confirm=1, trials=5, observer=seen)
    assert len(seen.started_ids) == 3


@dataclasses.dataclass(frozen=True)
class Content(Sobol):
    """Expects little from the third trial on."""

    def expected_improvement(self, problem: Problem, history: History, *, seed: int) -> float | None:
        return 0.5 if len(history.observations) < 3 else 0.001


def test_a_search_that_expects_little_ends_says_why_and_stays_ended(tmp_path: Path) -> None:
    study, seen = make(tmp_path, strategy=Content(), budget=BudgetSpec(trials=9, improvement=0.01)), Seen()
    study.run(observer=seen)
    assert seen.started_ids == [0, 1, 2, 3]
    assert seen.reasons == ["an expected improvement below 0.01 at 2 asks in a row (now 0.001)"]
    study.run(confirm=1, observer=seen)
    assert [record.trial.origin == CONFIRM for record in study.history.records] == [False] * 4 + [True] * 2
    study.run(confirm=1, observer=seen)
    assert len(study.history.records) == 6


def test_what_was_interrupted_is_trained_first_with_the_same_weights_and_seed(tmp_path: Path) -> None:
    study, seen = make(tmp_path), Seen()
    trial = study.ask()
    study.run(observer=seen)
    assert seen.started_ids == [0, 1, 2, 3]
    assert study.history.records[0].trial == trial


def test_a_study_without_an_evaluator_cannot_run() -> None:
    with pytest.raises(StudyError, match="ask"):
        Study(domains=DOMAINS, metrics=["loss"]).run()


def test_an_evaluator_that_cannot_travel_is_refused() -> None:
    @dataclasses.dataclass(frozen=True)
    class Local(Ending):
        """A class that no other process can import."""

    with pytest.raises(EvaluationError, match="top of a module"):
        Study(domains=DOMAINS, evaluator=Local()).run()


def test_a_folder_that_is_being_optimised_is_refused(tmp_path: Path) -> None:
    study = make(tmp_path)
    with lock.holding(tmp_path), pytest.raises(StoreError, match="already optimising"):
        study.run()


DRIVER = """
import sys
from pathlib import Path
from tests.execution.test_driver import make
make(Path(sys.argv[1]), seconds=60.0, workers=2).run()
"""


@pytest.mark.parametrize("victim", ["driver", "server"])
def test_no_process_outlives_the_driver_or_the_server(tmp_path: Path, victim: str) -> None:
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, str(tmp_path)], stderr=subprocess.PIPE, text=True)
    pids = [tmp_path / f"trials/000{number}/attempts/1/pid" for number in range(2)]
    _wait(lambda: all(path.exists() and path.read_text() for path in pids))
    children = [psutil.Process(int(path.read_text())) for path in pids]
    (server,) = psutil.Process(driver.pid).children()
    (server if victim == "server" else psutil.Process(driver.pid)).kill()
    _, said = driver.communicate(timeout=20)
    _wait(lambda: not server.is_running() and not any(_alive(child) for child in children))
    if victim == "server":
        assert "the process that starts the trials ended" in said
        assert lock.read(tmp_path) is None
    assert len(Study.open(tmp_path).history.pending) == 2


def _alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _wait(condition, seconds: float = 20.0) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def test_a_bayesian_run_asks_the_same_with_one_worker(tmp_path: Path) -> None:
    def run(path: Path) -> list[dict[str, float]]:
        study = make(path, strategy=Bayesian(n_init=3), budget=BudgetSpec(6))
        study.run()
        return [dict(record.trial.weights) for record in study.history.records]

    assert run(tmp_path / "a") == run(tmp_path / "b")
    assert isinstance(Study.open(tmp_path / "a").history.records[0].outcome, Result)


def test_what_a_trial_leaves_running_ends_with_it(tmp_path: Path) -> None:
    make(tmp_path, "littering", budget=BudgetSpec(1)).run()
    left = int((tmp_path / "trials/0000/attempts/1/left").read_text())
    _wait(lambda: not psutil.pid_exists(left) or not _alive(psutil.Process(left)))


def test_results_are_derived_again_where_they_were_deleted(tmp_path: Path) -> None:
    make(tmp_path).run()
    (tmp_path / "results.nc").unlink()
    make(tmp_path).run()
    assert (tmp_path / "results.nc").exists()


def test_an_outcome_that_somebody_told_meanwhile_counts(tmp_path: Path) -> None:
    class Teller(Seen):
        def started(self, trial: Trial) -> None:
            super().started(trial)
            if trial.id == 1:
                Study.open(tmp_path).tell(trial, {"loss": 0.125})

    study = make(tmp_path)
    study.run(observer=Teller())
    assert study.history.records[1].result.losses == {"loss": 0.125}
    assert len(study.history.completed) == 4


def test_a_confirming_trial_of_an_older_recommendation_is_not_resumed(tmp_path: Path) -> None:
    study, seen = make(tmp_path), Seen()
    study.run()
    stale = confirming_trial(study.records, {"code": 0.123, "web": 0.877}, SEED_OFFSET)
    study.run(trials=5, observer=seen)
    assert stale.trial.id not in seen.started_ids
    assert len(seen.started_ids) == 1


def test_an_artifact_is_found_below_the_trials_folder(tmp_path: Path) -> None:
    study = make(tmp_path, "keeping", budget=BudgetSpec(1))
    study.run()
    path = study.history.completed[0].result.artifacts["note"]
    assert (tmp_path / "trials/0000" / path).read_text() == "kept"


@pytest.fixture
def looks_at_all_only_where_it_must(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a run took no time: what is done for a share of it is done once."""
    monkeypatch.setattr(reading, "LOOKING_SHARE", 1e-12)
    monkeypatch.setattr(reading, "LONGEST_GLANCING", 1e9)
    monkeypatch.setattr(running, "RESULTS_SHARE", 1e-12)
    monkeypatch.setenv("BOMIX_SLOT", "0")


def recorded(path: Path, count: int, *, trials: int) -> Study:
    """A study of trials that never ran, with a budget of so many more."""
    study = Study(
        DOMAINS,
        path=path,
        evaluator=Ending(),
        strategy=Sobol(),
        budget=BudgetSpec(count + trials),
        execution=Inline(),
    )
    study.records.prepare()
    for number in range(count):
        study.records.store.create(Trial(number, {"code": 0.5, "web": 0.5}, 0, "sobol"), Result({"loss": 2.0}))
    return study


class Looks(Observer):
    """Counts calls to the file system, and notes how many there were at the end of each trial."""

    CALLS = ("stat", "lstat", "listdir", "scandir", "open", "mkdir", "unlink")

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, self.at_ends = 0, list[int]()
        for name in self.CALLS:
            monkeypatch.setattr(os, name, self._counted(getattr(os, name)))

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **options: Any) -> Any:
            self.count += 1
            return call(*args, **options)

        return counted

    def ended(self, study: Study, record: Record) -> None:
        self.at_ends.append(self.count)


@pytest.mark.usefixtures("looks_at_all_only_where_it_must")
def test_a_trial_costs_the_same_looks_at_files_however_many_have_ended(tmp_path: Path) -> None:
    found = []
    for count in (3, 60):
        study = recorded(tmp_path / str(count), count, trials=5)
        with pytest.MonkeyPatch.context() as patch:
            looks = Looks(patch)
            running.run(study.records, confirm=0, observer=looks)
        found.append([after - before for before, after in itertools.pairwise(looks.at_ends)][1:])
    assert found[0] == found[1]
    assert max(found[0]) < 150


@pytest.mark.usefixtures("looks_at_all_only_where_it_must")
def test_a_run_looks_at_all_trials_before_it_ends(tmp_path: Path) -> None:
    study = recorded(tmp_path, 3, trials=1)

    class Withdrawing(Observer):
        def ended(self, study: Study, record: Record) -> None:
            if record.trial.id == 3:
                FolderStore(tmp_path).withdraw(1, why="wrong data")

    running.run(study.records, confirm=0, observer=Withdrawing())
    assert [record.trial.id for record in study.history.completed] == [0, 2, 3, 4]
