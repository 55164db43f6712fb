"""Trials in any executor of concurrent.futures: its contract, and what becomes of an executor that fails."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from bomix.config.budget import BudgetSpec
from bomix.errors import EvaluationError, FaultsError
from bomix.execution.local.spec import LocalExecution
from bomix.execution.observer import Observer
from bomix.execution.pool import worker
from bomix.strategies.designs import Sobol
from bomix.study.study import Study
from bomix.testing.group_executors import GroupExecutorBattery
from bomix.trial import Failure, Trial
from tests.execution.evaluators import Ending
from tests.execution.pools import InPool

pytestmark = pytest.mark.usefixtures("short_chains", "recommended_by_the_mean_alone")


class TestThreads(GroupExecutorBattery):
    spec = InPool()


# A test before it may have ended the process by which multiprocessing tracks what it shares; a new one is begun.
@pytest.mark.filterwarnings("ignore:resource_tracker:UserWarning")
class TestProcesses(GroupExecutorBattery):
    spec = InPool(of="processes")


class Seen(Observer):
    """Keeps what was lost, and what was tried again."""

    def __init__(self) -> None:
        self.losses: list[str] = []
        self.retries: list[str] = []

    def lost(self, trial: Trial, message: str) -> None:
        self.losses.append(message)

    def retried(self, trial: Trial, message: str) -> None:
        self.retries.append(message)


class Failing(ThreadPoolExecutor):
    """Its first calls come back with an error of the engine, though some of them were run."""

    def __init__(self, *errors: BaseException, runs: bool = False) -> None:
        super().__init__(1)
        self.errors = list(errors)
        self.runs = runs

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if not self.errors:
            return super().submit(call, *args, **kwargs)
        if self.runs:
            super().submit(call, *args, **kwargs).result()
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        future.set_exception(self.errors.pop(0))
        return future


def make(path: Path | None = None, how: str = "well", **execution: Any) -> Study:
    return Study(
        ["code", "web"],
        path=path,
        evaluator=Ending(how),
        strategy=Sobol(),
        budget=BudgetSpec(3),
        execution=LocalExecution(**execution),
    )


def asked(study: Study) -> list[dict[str, float]]:
    return [dict(record.trial.weights) for record in study.history.records]


def test_with_one_slot_a_study_asks_as_it_does_on_this_machine(tmp_path: Path) -> None:
    local = make()
    local.run()
    study = make(tmp_path)
    with ThreadPoolExecutor() as pool:
        study.run(executor=pool)
    assert asked(study) == asked(local)
    assert [record.outcome for record in study.history.records] == [record.outcome for record in local.history.records]
    assert Study.open(tmp_path).spec.execution == LocalExecution()


def test_numbers_and_limits_are_those_of_the_study_file() -> None:
    study = make(how="error", attempts=2, max_failures=1)
    seen = Seen()
    with ThreadPoolExecutor() as pool, pytest.raises(EvaluationError, match=r"execution.max_failures is 1"):
        study.run(executor=pool, observer=seen)
    assert seen.retries == ["the loss is not finite at step 2"]


def test_what_is_no_executor_is_refused() -> None:
    with pytest.raises(FaultsError, match=r"executor: expected a concurrent.futures.Executor, found int"):
        make().run(executor=3)  # type: ignore[arg-type]
    with ThreadPoolExecutor() as pool, pytest.raises(FaultsError, match="workers is 0; give at least 1"):
        make().run(executor=pool, workers=0)


def test_a_trial_whose_worker_is_lost_is_run_again(tmp_path: Path) -> None:
    """In the folder of a new attempt, and it counts as no failure."""
    seen = Seen()
    study = make(tmp_path)
    with Failing(OSError("node 7 is gone"), OSError("and node 8")) as pool:
        study.run(executor=pool, observer=seen)
    assert seen.losses == ["its worker was lost (OSError: node 7 is gone)", "its worker was lost (OSError: and node 8)"]
    assert len(study.history.completed) == 3
    assert [len(list(folder.iterdir())) for folder in sorted(tmp_path.glob("trials/*/attempts"))] == [3, 1, 1]


def test_a_result_that_is_whole_counts_though_its_worker_was_lost(tmp_path: Path) -> None:
    """It was finished, and the node went in the moment after."""
    seen = Seen()
    with Failing(OSError("node 7 is gone"), runs=True) as pool:
        make(tmp_path).run(executor=pool, observer=seen)
    assert seen.losses == []


def test_a_trial_that_is_lost_too_often_has_failed() -> None:
    study = make(max_failures=1)
    with Failing(*(OSError("gone") for _ in range(20))) as pool, pytest.raises(EvaluationError, match="lost 11 times"):
        study.run(executor=pool)
    (failed,) = study.history.failed
    assert isinstance(failed.outcome, Failure)


def test_an_executor_that_breaks_ends_the_run_and_the_next_one_goes_on(tmp_path: Path) -> None:
    """A worker that somebody killed takes a pool of processes with it; no trial has failed by that."""
    study = make(tmp_path)

    class Killing(Observer):
        def started(self, trial: Trial) -> None:
            if trial.id == 1:
                for pid in list(pool._processes):
                    os.kill(pid, signal.SIGKILL)

    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        with pytest.raises(EvaluationError, match=r"the executor has broken.*BrokenProcessPool.*make a new one"):
            study.run(executor=pool, observer=Killing())
        with pytest.raises(EvaluationError, match="ProcessPoolExecutor takes no trials"):
            study.run(executor=pool)
    assert not study.history.failed
    again = Study.open(tmp_path)
    with ThreadPoolExecutor() as threads:
        again.run(executor=threads)
    assert len(again.history.completed) == 3


def test_workers_without_bomix_end_the_run() -> None:
    """Every trial would meet the same."""
    error = ModuleNotFoundError("No module named 'bomix'")
    with Failing(error) as pool, pytest.raises(EvaluationError, match=r"No module named 'bomix'.*install bomix"):
        make().run(executor=pool)


def test_a_worker_that_does_not_see_the_folder_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "PATIENCE_S", 0.2)
    monkeypatch.setattr(worker.platform, "node", lambda: "node7")

    class Elsewhere(ThreadPoolExecutor):
        def submit(self, call: Callable[..., Any], /, setting: Any, job: Any) -> Future[Any]:  # type: ignore[override]
            ((trial, folder),) = job["attempts"]
            return super().submit(call, setting, {**job, "attempts": [[trial, f"{folder}/elsewhere"]]})

    with (
        Elsewhere() as pool,
        pytest.raises(EvaluationError, match=r"node7 does not see .*elsewhere; driver and workers"),
    ):
        make().run(executor=pool)


def test_another_version_of_bomix_is_named() -> None:
    class Older(ThreadPoolExecutor):
        def submit(self, call: Callable[..., Any], /, setting: Any, job: Any) -> Future[Any]:  # type: ignore[override]
            return super().submit(call, setting, {**job, "version": "0.0.1"})

    with Older() as pool, pytest.raises(EvaluationError, match=r"bomix is .* there and 0.0.1 here; install the same"):
        make().run(executor=pool)


def test_an_executor_that_is_shut_down_says_so() -> None:
    pool: Executor = ThreadPoolExecutor()
    pool.shutdown()
    with pytest.raises(EvaluationError, match="ThreadPoolExecutor takes no trials"):
        make().run(executor=pool)
