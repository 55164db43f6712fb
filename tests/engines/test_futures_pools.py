"""Studies in the executors of Dask, Parsl and executorlib, on this machine."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from bomix.config.budget import BudgetSpec
from bomix.execution.local.spec import LocalExecution
from bomix.execution.observer import Observer
from bomix.strategies.designs import Sobol
from bomix.study.study import Study
from bomix.trial import Trial
from tests.engines.ray_nodes import until
from tests.engines.steady import PID, Steady

pytestmark = [pytest.mark.engines, pytest.mark.filterwarnings("ignore")]


def needs(module: str) -> None:
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed")


@contextmanager
def dask(**options: Any) -> Iterator[Executor]:
    needs("distributed")
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as cluster,
        Client(cluster) as client,
    ):
        yield client.get_executor(**options)


@contextmanager
def parsl() -> Iterator[Executor]:
    needs("parsl")
    from parsl.concurrent import ParslPoolExecutor
    from parsl.config import Config
    from parsl.executors import HighThroughputExecutor
    from parsl.providers import LocalProvider

    workers = HighThroughputExecutor(
        label="here", address="127.0.0.1", max_workers_per_node=2, provider=LocalProvider(init_blocks=1, max_blocks=1)
    )
    with ParslPoolExecutor(Config(executors=[workers], run_dir="parsl")) as executor:
        yield executor


@contextmanager
def executorlib() -> Iterator[Executor]:
    needs("executorlib")
    from executorlib import SingleNodeExecutor

    with SingleNodeExecutor(max_workers=2) as executor:
        yield executor


def make(folder: Path, evaluator: Steady, *, trials: int = 4, attempts: int = 2) -> Study:
    return Study(
        ["code", "web"],
        path=folder,
        evaluator=evaluator,
        strategy=Sobol(),
        budget=BudgetSpec(trials),
        execution=LocalExecution(attempts=attempts),
    )


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parsl writes to the working directory, and looks for its programs beside the interpreter."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))


@pytest.mark.parametrize("pool", [dask, parsl, executorlib])
def test_a_study_is_run_in_it(pool: Any, tmp_path: Path) -> None:
    """Every first attempt leaves by `sys.exit(0)`, and is tried again."""
    study = make(tmp_path / "study", Steady(0.2, how="leaving"))
    with pool() as executor:
        study.run(executor=executor, workers=2)
    assert (len(study.history.completed), len(study.history.failed)) == (4, 0)
    assert [len(list(each.iterdir())) for each in (tmp_path / "study").glob("trials/*/attempts")] == [2] * 4


def test_with_one_slot_it_asks_as_it_does_on_this_machine(tmp_path: Path) -> None:
    local, study = make(tmp_path / "local", Steady()), make(tmp_path / "dask", Steady())
    local.run()
    with dask() as executor:
        study.run(executor=executor)
    assert [record.trial for record in study.history.records] == [record.trial for record in local.history.records]


def test_what_dask_runs_again_is_not_trained_twice(tmp_path: Path) -> None:
    """It does so where a worker dies under a call; the trial gets a new attempt, and its old folder is left alone."""

    class Killing(Observer):
        def __init__(self) -> None:
            self.losses: list[str] = []

        def started(self, trial: Trial) -> None:
            if trial.id == 0 and not self.losses:
                threading.Thread(target=self.kill).start()

        def kill(self) -> None:
            pid = tmp_path / "study" / "trials" / "0000" / "attempts" / "1" / PID
            until(pid.exists, "the trial has not begun")
            server = psutil.Process(int(pid.read_text())).parent()
            assert server is not None
            worker = server.parent()
            assert worker is not None
            os.kill(worker.pid, signal.SIGKILL)

        def lost(self, trial: Trial, message: str) -> None:
            self.losses.append(message)

    seen = Killing()
    study = make(tmp_path / "study", Steady(how="staying"), trials=1)
    with dask() as executor:
        study.run(executor=executor, observer=seen)
    assert len(seen.losses) == 1
    assert "the engine ran it a second time" in seen.losses[0]
    assert (len(study.history.completed), len(study.history.failed)) == (1, 0)
    assert len(list((tmp_path / "study" / "trials" / "0000" / "attempts").iterdir())) == 2
