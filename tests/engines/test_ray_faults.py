"""Faults of a Ray cluster, caused for real: no trial is lost, none counts twice, and each end says what it was."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from bomix.config.budget import BudgetSpec
from bomix.errors import EvaluationError
from bomix.execution.local.spec import LocalExecution
from bomix.execution.observer import Observer
from bomix.execution.ray.spec import RayExecution
from bomix.strategies.designs import Sobol
from bomix.study.study import Study
from bomix.testing.endings import lives
from bomix.trial import Result, Trial
from tests.engines.ray_nodes import ADDRESS, Cluster, until
from tests.engines.steady import PID, SEEN, Steady

pytestmark = pytest.mark.engines


@pytest.fixture
def nodes(ray_cluster: Cluster) -> Iterator[Cluster]:
    """The cluster, with nobody but the head in it, and that it is left as."""
    yield ray_cluster
    ray_cluster.mend()
    ray_cluster.leave()
    ray_cluster.kill("b")


class Told(Observer):
    """Keeps what became of trials, and does something once when the first has begun."""

    def __init__(self, folder: Path, then: Callable[[int], object] | None = None) -> None:
        self.folder = folder
        self.then = then
        self.losses: list[str] = []
        self.retries: list[str] = []

    def started(self, trial: Trial) -> None:
        if (then := self.then) is not None:
            self.then = None
            threading.Thread(target=lambda: then(process(self.folder))).start()

    def lost(self, trial: Trial, message: str) -> None:
        self.losses.append(message)

    def retried(self, trial: Trial, message: str) -> None:
        self.retries.append(message)


def process(folder: Path, trial: int = 0, attempt: int = 1) -> int:
    """The process of a trial, once it has begun."""
    pid = folder / "trials" / f"{trial:04d}" / "attempts" / str(attempt) / PID
    until(pid.exists, f"{pid} has not appeared")
    return int(pid.read_text())


def make(folder: Path, evaluator: Steady, *, trials: int = 2, **execution: Any) -> Study:
    return Study(
        ["code", "web"],
        path=folder,
        evaluator=evaluator,
        strategy=Sobol(),
        budget=BudgetSpec(trials),
        execution=RayExecution(**{"address": ADDRESS, "grace_s": 1.0, **execution}),
    )


def attempts(folder: Path) -> list[int]:
    """How many attempts each trial had."""
    return [len(list(each.iterdir())) for each in sorted(folder.glob("trials/*/attempts"))]


def whole(study: Study, trials: int = 2) -> bool:
    """Whether every trial has come back once, without a failure."""
    return len(study.history.completed) == trials == len(study.history.records) and not study.history.failed


def test_a_worker_that_is_killed_is_a_failure_and_its_trial_goes_with_it(nodes: Cluster, tmp_path: Path) -> None:
    nodes.join()
    study, pids = make(tmp_path, Steady(4.0), attempts=2), []

    def kill(pid: int) -> None:
        server = psutil.Process(pid).parent()
        assert server is not None
        worker = server.parent()
        assert worker is not None
        assert "ray::" in worker.name() or "ray" in " ".join(worker.cmdline())
        pids.append(pid)
        worker.kill()

    told = Told(tmp_path, kill)
    study.run(observer=told)
    assert told.losses == []
    (said,) = told.retries
    assert "the Ray worker of the trial was killed on" in said
    assert not lives(pids[0])
    assert whole(study)
    assert attempts(tmp_path) == [2, 1]


def test_what_a_dead_node_ran_is_run_again_on_one_that_joins(
    nodes: Cluster, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    nodes.join()

    def die(pid: int) -> None:
        nodes.kill("b")
        until(lambda: "no node of the Ray cluster could hold a trial" in caplog.text, "nobody said so")
        nodes.join()

    told, study = Told(tmp_path, die), make(tmp_path, Steady(2.0))
    study.run(observer=told)
    assert len(told.losses) == 1
    assert told.retries == []
    assert whole(study)
    assert attempts(tmp_path) == [2, 1]
    assert "Trials wait for 600 s at most for one that joins" in caplog.text


def test_a_link_that_is_cut_for_a_moment_costs_nothing(nodes: Cluster, tmp_path: Path) -> None:
    nodes.join()

    def cut(pid: int) -> None:
        nodes.cut()
        time.sleep(5.0)
        nodes.mend()

    told, study = Told(tmp_path, cut), make(tmp_path, Steady(8.0))
    study.run(observer=told)
    assert (told.losses, told.retries) == ([], [])
    assert whole(study)


def test_what_is_cut_off_for_long_is_run_again_and_ends_there(nodes: Cluster, tmp_path: Path) -> None:
    """Ray takes a minute to call the node dead, and goes on waiting for what ran there."""
    nodes.join()
    pids: list[int] = []

    def cut(pid: int) -> None:
        pids.append(pid)
        nodes.cut()
        until(lambda: told.losses, "the trial is not lost", patience=180.0)
        nodes.join("a")  # the head's machine takes trials now

    told, study = Told(tmp_path, cut), make(tmp_path, Steady(how="staying"), trials=1)
    study.run(observer=told)
    assert len(told.losses) == 1
    assert whole(study, 1)
    assert attempts(tmp_path) == [2]
    until(lambda: not lives(pids[0]), "the old copy still runs", patience=120.0)


def test_a_trial_that_leaves_by_exit_0_has_failed_and_is_run_once(nodes: Cluster, tmp_path: Path) -> None:
    """Ray runs such a task four times by default."""
    nodes.join()
    study = make(tmp_path, Steady(how="leaving", first=False), max_failures=1)
    with pytest.raises(EvaluationError, match="SystemExit: 0"):
        study.run()
    assert attempts(tmp_path) == [1]


def test_a_node_without_memory_ends_the_trial_which_is_a_failure(nodes: Cluster, tmp_path: Path) -> None:
    memory = psutil.virtual_memory()
    limit = (memory.total - memory.available + (2000 << 20)) / memory.total
    nodes.join(cpus=1, RAY_memory_usage_threshold=f"{limit:.4f}", RAY_memory_monitor_refresh_ms="200")
    study, told = make(tmp_path, Steady(how="filling", mebibytes=3500), attempts=5, trials=1), Told(tmp_path)
    study.run(observer=told)
    assert told.losses == []
    # It is the memory of the machine that counts: others may fill it at a second attempt as well.
    assert told.retries
    assert all("out of memory: Ray ended the trial" in said for said in told.retries)
    assert whole(study, 1)


def test_a_driver_that_is_killed_takes_its_trials_with_it_and_the_next_one_goes_on(
    nodes: Cluster, tmp_path: Path
) -> None:
    nodes.join()
    make(tmp_path / "study", Steady(3.0), trials=3, workers=2).ask()
    code = f"import bomix; bomix.Study.open({str(tmp_path / 'study')!r}).run()"
    driver = subprocess.Popen([sys.executable, "-c", code])
    pids = [process(tmp_path / "study", trial) for trial in (0, 1)]
    driver.kill()
    driver.wait()
    until(lambda: not any(lives(pid) for pid in pids), "trials outlive their driver", patience=20.0)
    study = Study.open(tmp_path / "study")
    study.run(take_over=True)
    assert whole(study, 3)
    assert attempts(tmp_path / "study") == [2, 2, 1]


def test_a_result_that_a_dead_driver_did_not_hear_of_is_taken_over(nodes: Cluster, tmp_path: Path) -> None:
    nodes.join()
    study = make(tmp_path / "study", Steady(1.0), trials=1)
    study.ask()
    code = (
        "import bomix, os, signal, time\n"
        "from bomix.execution.pool.executor import PoolExecutor\n"
        "PoolExecutor.events = lambda self, timeout: time.sleep(3600)\n"
        f"bomix.Study.open({str(tmp_path / 'study')!r}).run()\n"
    )
    driver = subprocess.Popen([sys.executable, "-c", code])
    folder = tmp_path / "study" / "trials" / "0000" / "attempts" / "1"
    until((folder / "result.json").exists, "the trial has not ended")
    driver.kill()
    driver.wait()
    study = Study.open(tmp_path / "study")
    study.run(take_over=True)
    assert whole(study, 1)
    assert attempts(tmp_path / "study") == [1]


def test_a_node_that_joins_is_used(nodes: Cluster, tmp_path: Path) -> None:
    nodes.join(cpus=1)
    told = Told(tmp_path, lambda pid: nodes.join(cpus=1))
    study = make(tmp_path, Steady(40.0), workers=2)
    started = time.monotonic()
    study.run(observer=told)
    assert whole(study)
    ends = [(tmp_path / "trials" / f"{n:04d}" / "attempts" / "1" / "result.json").stat().st_mtime for n in (0, 1)]
    assert abs(ends[1] - ends[0]) < 39.0, "the second waited for the first"
    assert time.monotonic() < started + 240.0


def test_a_node_that_does_not_see_the_folder_gets_no_more_trials(
    nodes: Cluster, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    nodes.blind(tmp_path)
    study = make(tmp_path, Steady())
    with pytest.raises(EvaluationError, match=r"does not see .*driver and workers must see the study folder"):
        study.run()
    assert not study.history.failed
    told = Told(tmp_path)

    nodes.join("a", cpus=1)
    study.run(observer=told)
    assert whole(study)


def test_trials_that_no_node_could_hold_do_not_wait_for_ever(nodes: Cluster, tmp_path: Path) -> None:
    nodes.join(gpus=1)
    study = make(tmp_path, Steady(), gpus_per_trial=2.0, placement_s=4.0)
    with pytest.raises(EvaluationError, match=r"2 GPU; .*10.77.0.2 has 3 CPU and 1 GPU.*execution.placement_s"):
        study.run()
    assert not study.history.failed


def test_a_trial_sees_the_devices_and_threads_that_it_asked_for(nodes: Cluster, tmp_path: Path) -> None:
    """None where it asked for none: Ray would show it all."""
    nodes.join(gpus=2)
    for gpus, devices, share in ((0.0, "", None), (0.5, "0", "0.5"), (2.0, "0,1", None)):
        folder = tmp_path / str(gpus)
        make(folder, Steady(), trials=1, cpus_per_trial=2.0, gpus_per_trial=gpus).run()
        seen = json.loads(next(folder.glob(f"trials/*/attempts/1/{SEEN}")).read_text())
        assert (seen["CUDA_VISIBLE_DEVICES"], seen["BOMIX_DEVICE_SHARE"]) == (devices, share)
        assert seen["OMP_NUM_THREADS"] == "2"


def test_with_one_slot_a_study_asks_as_it_does_on_this_machine(nodes: Cluster, tmp_path: Path) -> None:
    nodes.join()
    studies = [make(tmp_path / "ray", Steady(), trials=4), make(tmp_path / "local", Steady(), trials=4)]
    studies[0].run()
    studies[1].spec = dataclasses.replace(studies[1].spec, execution=LocalExecution())
    studies[1].run()
    records = [[(record.trial, record.outcome) for record in study.history.records] for study in studies]
    assert records[0] == records[1]
    assert all(isinstance(outcome, Result) for _, outcome in records[0])


def test_without_the_token_it_is_said_where_to_put_it(
    nodes: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH")
    with pytest.raises(EvaluationError, match=r"does not let this process in.*~/.ray/auth_token.*RAY_AUTH_MODE"):
        make(tmp_path, Steady()).run()
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    with pytest.raises(EvaluationError, match=r"lets nobody in without its token.*~/.ray/auth_token"):
        make(tmp_path, Steady()).run()


def test_another_version_of_ray_is_named(nodes: Cluster) -> None:
    code = (
        "import ray; ray.__version__ = '2.40.0'\n"
        "from bomix.execution.ray.cluster import connected\n"
        f"with connected('{ADDRESS}', {{}}): pass\n"
    )
    environment = {**os.environ, "RAY_AUTH_MODE": "token"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert "SetupError: the Ray cluster cannot be joined: Version mismatch" in done.stderr
    assert "2.40.0" in done.stderr
    assert "install the Python and the Ray of the cluster" in done.stderr


def test_a_head_that_is_killed_ends_the_run_with_a_message_and_not_the_driver(nodes: Cluster, tmp_path: Path) -> None:
    """Ray ends the process that it was started in a minute later; that is none that anybody needs. It is the last."""
    nodes.join()

    def kill(pid: int) -> None:
        nodes.lose_head()

    study, told = make(tmp_path, Steady(300.0), trials=1), Told(tmp_path, kill)
    with pytest.raises(EvaluationError, match=r"Ray has ended, and all running trials with it"):
        study.run(observer=told)
    assert not study.history.failed
    pid = process(tmp_path)
    until(lambda: not lives(pid), "the trial outlives the cluster", patience=120.0)
