"""Trials as tasks of Ray, for which something stands in here: tests/engines has a cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from bomix.contracts.executor import Attempt, Ended
from bomix.errors import EvaluationError, SetupError
from bomix.execution.ray import pool
from bomix.execution.ray.spec import RayExecution
from bomix.testing.endings import Ending
from bomix.testing.executors import trial
from bomix.trial import Failure, Result

STAND_IN = Path(__file__).parent / "stand_in"


@pytest.fixture(autouse=True)
def ray(monkeypatch: pytest.MonkeyPatch) -> None:
    path = os.pathsep.join([str(STAND_IN), *filter(None, [os.environ.get("PYTHONPATH"), str(Path.cwd())])])
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.setattr(pool, "installed", lambda: True)


def ended(folder: Path, monkeypatch: pytest.MonkeyPatch, how: Any = "well", **said: Any) -> Ended:
    """How a trial ends, where Ray is as it is told to be."""
    monkeypatch.setenv("STAND_IN", json.dumps(said))
    executor, ends = RayExecution(grace_s=1.0).start(Ending(how)), []
    try:
        executor.submit(trial(), Attempt(1, folder))
        while executor.free == 0:
            ends += [event for event in executor.events(0.5) if isinstance(event, Ended)]
        (end,) = ends
        return end
    finally:
        executor.close()


def test_a_trial_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    end = ended(tmp_path, monkeypatch)
    assert isinstance(end.outcome, Result)
    assert "evaluating trial 0" in end.log_tail
    assert sorted(path.name for path in tmp_path.glob(".*")) == [".claim"]


def test_how_a_trial_ends_is_told_by_its_own_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    end = ended(tmp_path, monkeypatch, "exit")
    assert isinstance(end.outcome, Failure)
    assert end.outcome.message == "the training process exited with 7"
    assert not end.lost


@pytest.mark.parametrize(
    ("error", "said", "lost"),
    [
        ("NodeDiedError", "its node is gone: as it was told", True),
        ("LocalRayletDiedError", "its node is gone: as it was told", True),
        ("ObjectLostError", "Ray lost it: ObjectLostError: as it was told", True),
        ("WorkerCrashedError", "lost with its node: as it was told", True),
        ("OutOfMemoryError", "out of memory: Ray ended the trial", False),
    ],
)
def test_what_ray_says_is_told_apart(
    error: str, said: str, lost: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = ended(tmp_path, monkeypatch, errors=[error], dies=error == "WorkerCrashedError")
    assert isinstance(end.outcome, Failure)
    assert said in end.outcome.message
    assert end.lost is lost


def test_a_worker_that_ends_before_it_began_has_failed_where_no_node_died(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a start that is certain to crash would be made again as often as nodes may be lost."""
    end = ended(tmp_path, monkeypatch, errors=["WorkerCrashedError"])
    assert isinstance(end.outcome, Failure)
    assert "ended before it began, and no node did: as it was told" in end.outcome.message
    assert not end.lost


def test_a_cluster_that_cannot_run_a_task_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EvaluationError, match=r"a worker cannot load what it is to call .*install bomix"):
        ended(tmp_path, monkeypatch, errors=["RuntimeEnvSetupError"])


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (["ConnectionError", "nobody"], "no Ray cluster runs here; start one"),
        (["AuthenticationError", "no token"], "lets nobody in without its token: .*RAY_AUTH_MODE=token"),
        (["RuntimeError", "Version mismatch: Ray 2.1"], "Version mismatch: Ray 2.1; install the Python and the Ray"),
    ],
)
def test_why_there_is_no_cluster_is_explained(
    error: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EvaluationError, match=said):
        ended(tmp_path, monkeypatch, init=error)


def test_ray_that_is_gone_says_what_it_said_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_IN", "{}")
    executor = RayExecution(grace_s=1.0).start(Ending("waiting"))
    executor.submit(trial(), Attempt(1, tmp_path))
    executor._pool._bridge.kill()  # type: ignore[attr-defined]
    executor._pool._bridge.wait()  # type: ignore[attr-defined]
    with pytest.raises(EvaluationError, match="Ray has ended, and all running trials with it"):
        list(executor.events(0.5))
    executor.close()


NEED_RAY = (
    "bomix.execution.ray.bridge",
    "bomix.execution.ray.cluster",
    "bomix.execution.ray.outcomes",
    "bomix.execution.ray.task",
)


def test_only_the_process_with_ray_and_its_tasks_import_it() -> None:
    """It ends the process that it was started in when it loses the cluster."""
    root = Path(pool.__file__).parents[2]
    found = {
        ".".join(("bomix", *path.relative_to(root).with_suffix("").parts))
        for path in root.rglob("*.py")
        if any(line.startswith(("import ray", "from ray")) for line in path.read_text().splitlines())
    }
    assert found == set(NEED_RAY)


TALKER = """
import json, sys
def say(message):
    print(json.dumps(message), flush=True)
sys.stdin.readline()
say({"event": "ready"})
for number, _ in enumerate(sys.stdin):
    if number == 1:
        for over in range(2):
            say({"event": "over", "number": over, "reply": {"events": ["c" * 400_000]}})
"""


def test_neither_process_waits_for_the_other_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    popen, made = subprocess.Popen, []

    def talker(_: Any, **options: Any) -> Any:
        made.append(popen([sys.executable, "-c", TALKER], **options))
        return made[0]

    monkeypatch.setattr(pool.subprocess, "Popen", talker)
    ray = pool.RayPool({"address": "local"})
    late = threading.Timer(30.0, made[0].kill)
    late.start()
    try:
        for number in range(3):  # what is longer than a pipe holds, while what comes is, too
            ray.submit(number, {"attempts": [["x" * 200_000, "folder"]]})
        over: list[int] = []
        while len(over) < 2:
            over += [number for number, _ in ray.wait(0.5)]
        assert over == [0, 1]
        assert made[0].poll() is None
    finally:
        late.cancel()
        ray.close()


def test_what_ray_says_of_a_secret_is_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_IN", json.dumps({"init": ["RuntimeError", "no room for hunter-2-hunter"]}))
    with pytest.raises(SetupError, match=r"no room for \[redacted\]$"):
        pool.RayPool({"address": "auto", "demand": {}}, {"hunter-2-hunter"})
    monkeypatch.setenv("STAND_IN", "{}")
    executor = RayExecution(grace_s=1.0).start(Ending("waiting"))
    own = executor._pool
    assert isinstance(own, pool.RayPool)
    own._secrets = {"hunter-2-hunter"}
    own._log.write(b"x" * 2100 + b"hunter-2-hunter" + b"y" * (pool._TOLD - 8))  # the cut is within the secret
    own._log.flush()
    assert "hunter" not in own._said()
    executor.close()
