"""Whatever a trial started ends with it, wherever it moved."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from bomix.contracts.executor import Attempt
from bomix.execution.attempt.descendants import end_descendants
from bomix.execution.local.spec import LocalExecution
from bomix.trial import Failure, Result
from tests.execution.evaluators import Ending
from tests.execution.local.test_executor import gone, wait
from tests.execution.local.test_limits import TRIAL, end

SLEEPER = "import time; time.sleep(60)"


def test_all_that_a_process_started_ends_but_what_may_stay() -> None:
    """In a process of its own: the others of this one are other tests'."""
    code = f"""
import subprocess, sys
from bomix.execution.attempt.descendants import end_descendants
start = lambda: subprocess.Popen([sys.executable, "-c", {SLEEPER!r}])
stays, ends = start(), start()
end_descendants(but=[stays.pid])
assert stays.poll() is None
assert ends.wait(1) is not None
end_descendants()
assert stays.wait(1) is not None
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    end_descendants(but=[child.pid for child in psutil.Process(os.getpid()).children()])


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no process adopts orphans")
@pytest.mark.parametrize("how", ["escaping", "escaping and killed"])
def test_what_left_the_process_group_ends_with_the_trial(tmp_path: Path, how: str) -> None:
    executor = LocalExecution().start(Ending(how))
    try:
        executor.submit(TRIAL, Attempt(1, tmp_path))
        outcome = end(executor).outcome
        assert isinstance(outcome, Result if how == "escaping" else Failure)
        left = int((tmp_path / "left").read_text())
        assert not psutil.pid_exists(left) or gone(psutil.Process(left))
    finally:
        executor.close()


@pytest.mark.parametrize("how", ["forking", "forking and killed"])
def test_copies_that_a_trial_forked_end_with_it(tmp_path: Path, how: str) -> None:
    executor = LocalExecution().start(Ending(how))
    try:
        executor.submit(TRIAL, Attempt(1, tmp_path))
        outcome = end(executor).outcome
        assert isinstance(outcome, Result if how == "forking" else Failure)
        for name in ("left", "left too"):
            left = int((tmp_path / name).read_text())
            wait(lambda pid=left: not psutil.pid_exists(pid) or gone(psutil.Process(pid)))
    finally:
        executor.close()


@pytest.mark.parametrize("how", ["forking and returning", "forking and raising"])
def test_a_copy_that_comes_back_has_no_result_to_give(tmp_path: Path, how: str) -> None:
    executor = LocalExecution().start(Ending(how))
    try:
        executor.submit(TRIAL, Attempt(1, tmp_path))
        outcome = end(executor).outcome
        assert isinstance(outcome, Result)
        assert dict(outcome.losses) == {"loss": 1.0}  # that of the trial itself, not that of its copy
        assert "the copy" not in (tmp_path / "log.txt").read_text()
    finally:
        executor.close()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no process adopts orphans")
def test_what_left_the_process_group_ends_with_the_driver(tmp_path: Path) -> None:
    executor = LocalExecution().start(Ending("escaping and waiting"))
    try:
        executor.submit(TRIAL, Attempt(1, tmp_path))
        wait(lambda: (tmp_path / "left").exists() and (tmp_path / "left").read_text() != "")
        left = psutil.Process(int((tmp_path / "left").read_text()))
    finally:
        executor.close()
    wait(lambda: gone(left))
