"""An executor that bomix has never heard of runs whole studies, through `bomix optimize` and from Python."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bomix.cli.main import cli
from bomix.config.budget import BudgetSpec
from bomix.contracts.executor import Execution
from bomix.errors import EvaluationError, FaultsError
from bomix.execution.local.spec import LocalExecution
from bomix.execution.observer import Observer
from bomix.strategies.designs import Sobol
from bomix.study.running import run, train_experts
from bomix.study.study import Study
from bomix.testing.executors import ExecutorBattery
from bomix.testing.group_executors import GroupExecutorBattery
from bomix.trial import CONFIRM, Trial
from tests.execution import inline
from tests.execution.evaluators import Ending
from tests.execution.inline import Inline, InlineGroups

pytestmark = pytest.mark.usefixtures("short_chains", "recommended_by_the_mean_alone")

STUDY = """
domains: {code: {}, web: {}}
evaluator: {kind: "tests.execution.evaluators:Ending"}
strategy: sobol
budget: {trials: 3}
confirm: 1
execution: {kind: "tests.execution.inline:Inline", slots: 2}
"""


class TestInline(ExecutorBattery):
    spec = Inline()
    isolated = False

    def sized(self, workers: int) -> Inline:
        return Inline(slots=workers)


class TestInlineGroups(GroupExecutorBattery):
    spec = InlineGroups()
    isolated = False

    def sized(self, workers: int) -> InlineGroups:
        return InlineGroups(slots=workers)


class Seen(Observer):
    """Keeps which trials were started, and what was tried again."""

    def __init__(self) -> None:
        self.started_ids: list[int] = []
        self.retries: list[str] = []
        self.losses: list[tuple[int, str]] = []

    def started(self, trial: Trial) -> None:
        self.started_ids.append(trial.id)

    def retried(self, trial: Trial, message: str) -> None:
        self.retries.append(message)

    def lost(self, trial: Trial, message: str) -> None:
        self.losses.append((trial.id, message))


def make(path: Path | None, execution: Execution, how: str = "well") -> Study:
    return Study(
        ["code", "web"],
        path=path,
        evaluator=Ending(how),
        strategy=Sobol(),
        budget=BudgetSpec(3),
        execution=execution,
    )


@pytest.fixture(autouse=True)
def _slot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOMIX_SLOT", "none")  # the evaluator says which it had


def test_bomix_optimize_runs_a_study_on_it(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(STUDY)
    done = CliRunner().invoke(cli, ["optimize", str(tmp_path)], catch_exceptions=False)
    assert done.exit_code == 0
    records = Study.open(tmp_path).history.records
    assert [record.trial.origin for record in records] == ["uniform", "sobol", "sobol", CONFIRM, CONFIRM]
    assert all(record.result.info["slot"] == "none" for record in records)
    kept = json.loads((tmp_path / "resolved.json").read_text())["spec"]["execution"]
    assert kept["kind"] == "tests.execution.inline:Inline"
    assert kept["slots"] == 2


def test_it_asks_and_records_what_the_local_one_does(tmp_path: Path) -> None:
    own, local = make(tmp_path / "own", Inline()), make(tmp_path / "local", LocalExecution())
    for study in (own, local):
        run(study.records)
    assert [r.trial for r in own.history.records] == [r.trial for r in local.history.records]
    assert [r.result.losses for r in own.history.records] == [r.result.losses for r in local.history.records]


def test_a_study_in_memory_runs_on_it() -> None:
    study = make(None, Inline())
    study.run()
    assert len(study.history.completed) == 3


def test_attempts_and_failures_are_counted_for_it(tmp_path: Path) -> None:
    study, seen = make(tmp_path / "flaky", Inline(attempts=2), "flaky"), Seen()
    run(study.records, observer=seen)
    assert seen.retries == ["the first attempt fails"] * 3
    assert len(study.history.completed) == 3
    with pytest.raises(EvaluationError, match="2 trials failed"):
        run(make(tmp_path / "error", Inline(max_failures=2), "error").records)


def test_what_the_cluster_ends_is_run_again_and_counts_as_no_failure(tmp_path: Path) -> None:
    lost, well, seen = (
        make(tmp_path / "lost", Inline(loses=2, max_failures=1)),
        make(tmp_path / "well", Inline()),
        Seen(),
    )
    run(lost.records, observer=seen)
    run(well.records)
    assert seen.losses == [(number, "preempted") for number in (0, 0, 1, 1, 2, 2)]
    assert seen.retries == []
    assert [(r.trial, r.result.losses) for r in lost.history.records] == [
        (r.trial, r.result.losses) for r in well.history.records
    ]
    # each run had a folder of its own
    assert [len(list(path.iterdir())) for path in sorted(tmp_path.glob("lost/trials/*/attempts"))] == [3] * 3


def test_what_is_lost_for_ever_fails_in_the_end(tmp_path: Path) -> None:
    study, seen = make(tmp_path, Inline(loses=9, max_lost=2, max_failures=1, attempts=5)), Seen()
    with pytest.raises(EvaluationError, match=r"lost 3 times \(execution.max_lost is 2\): preempted"):
        run(study.records, observer=seen)
    assert seen.losses == [(0, "preempted")] * 2


class Impatient(Seen):
    """Stops the driver once so many trials were started."""

    def __init__(self, trials: int) -> None:
        super().__init__()
        self._trials = trials

    def started(self, trial: Trial) -> None:
        super().started(trial)
        if len(self.started_ids) == self._trials:
            raise KeyboardInterrupt


def test_what_still_runs_after_its_driver_ended_is_not_run_again(tmp_path: Path) -> None:
    study, stopped, seen = make(tmp_path, Inline(slots=2, leaves=True)), Impatient(2), Seen()
    with pytest.raises(KeyboardInterrupt):
        run(study.records, observer=stopped)
    assert [trial.id for trial, _ in inline.LEFT_RUNNING] == [0, 1]
    run(make(tmp_path, Inline(slots=2, leaves=True)).records, observer=seen, confirm=1)
    assert (stopped.started_ids, seen.started_ids) == ([0, 1], [2, 3, 4])
    assert [len(list(path.iterdir())) for path in sorted(tmp_path.glob("trials/*/attempts"))] == [1] * 5
    assert inline.LEFT_RUNNING == []


def test_what_has_ended_with_its_driver_is_run_again(tmp_path: Path) -> None:
    study, seen = make(tmp_path, Inline(slots=2)), Seen()
    with pytest.raises(KeyboardInterrupt):
        run(study.records, observer=Impatient(2))
    run(study.records, observer=seen)
    assert seen.started_ids == [0, 1, 2]
    assert (tmp_path / "trials/0001/attempts/2").is_dir()


def test_confirming_trials_that_still_run_are_taken_over(tmp_path: Path) -> None:
    study, seen = make(tmp_path, Inline(slots=2, leaves=True)), Seen()
    run(study.records)
    with pytest.raises(KeyboardInterrupt):
        run(study.records, confirm=1, observer=Impatient(2))
    run(study.records, confirm=1, observer=seen)
    assert seen.started_ids == []
    assert [record.trial.origin for record in study.history.completed] == [
        "uniform",
        "sobol",
        "sobol",
        CONFIRM,
        CONFIRM,
    ]


def test_a_kind_without_workers_says_so(tmp_path: Path) -> None:
    with pytest.raises(FaultsError, match=r"execution\.workers: 'tests\.execution\.inline:Inline' has no number"):
        run(make(tmp_path, Inline()).records, workers=2)


def test_what_cannot_run_trials_is_named() -> None:
    for wrong in (2, Ending()):
        with pytest.raises(FaultsError, match=r"execution: expected an executor"):
            Study(["a"], ["loss"], execution=wrong)  # type: ignore[arg-type]


def test_no_slots_are_an_error_not_a_run_of_nothing(tmp_path: Path) -> None:
    study = make(tmp_path, LocalExecution())
    kept = study.spec
    with pytest.raises(FaultsError, match=r"execution\.workers: expected at least 1, found 0"):
        study.run(workers=0)
    with pytest.raises(FaultsError, match=r"execution\.workers: expected at least 1, found 0"):
        train_experts(study.records, workers=0)
    assert study.spec == kept
