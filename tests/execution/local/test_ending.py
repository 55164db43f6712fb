"""A trial that has to end is asked first; after a while it is made to, and so is all that it started."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from bomix.contracts.executor import Attempt
from bomix.execution.local.executor import LocalExecutor
from bomix.execution.local.spec import LocalExecution
from bomix.trial import Failure, Result, Trial
from tests.execution.local.test_executor import gone, wait
from tests.execution.local.test_limits import TRIAL, end

TRAINER = """
import os, signal, sys, time
how, folder = sys.argv[1:]
if "moved" in how:
    os.setsid()
def saves(*_):
    time.sleep(0.3)
    open(f"{folder}/saved", "w").write("all of it")
    sys.exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN if "ignores" in how else saves)
open(f"{folder}/half", "w").write(str(os.getpid()))
os.rename(f"{folder}/half", f"{folder}/trainer")
while True:
    time.sleep(60)
"""


@dataclasses.dataclass(frozen=True)
class Waiting:
    """Waits for a program, or for ever.

    Attributes:
        how: ``saves``, or ``ignores`` SIGTERM; ``moved`` as well, into a session of its own; ``alone`` for this process
            alone, which then saves something itself; ``stopped``, so that it must go on before it can save.
    """

    how: str = "saves"

    def evaluate(self, trial: Trial, workdir: Path) -> Result:
        if self.how == "alone":
            signal.signal(signal.SIGTERM, lambda *_: (workdir / "saved").write_text("all of it") and os._exit(0))
            (workdir / "trainer").write_text(str(os.getpid()))
            (workdir / "ready").touch()
            while True:
                time.sleep(60)
        started = subprocess.Popen([sys.executable, "-c", TRAINER, self.how, str(workdir)])
        wait(lambda: (workdir / "trainer").exists())
        if "stopped" in self.how:
            os.kill(started.pid, signal.SIGSTOP)
        (workdir / "ready").touch()
        started.wait()
        return Result({"loss": 0.5})


@contextmanager
def waiting(how: str, folder: Path, **limits: float) -> Iterator[tuple[LocalExecutor, psutil.Process]]:
    """A trial that waits, and its trainer."""
    executor = LocalExecution(**limits).start(Waiting(how))  # type: ignore[arg-type]
    try:
        executor.submit(TRIAL, Attempt(1, folder))
        wait(lambda: (folder / "ready").exists())
        yield executor, psutil.Process(int((folder / "trainer").read_text()))
    finally:
        executor.close()


@pytest.mark.parametrize("how", ["saves", "saves, moved", "alone", "saves, stopped"])
def test_a_trainer_that_is_to_end_may_save_what_it_has(tmp_path: Path, how: str) -> None:
    with waiting(how, tmp_path) as (executor, trainer):
        executor.cancel(TRIAL)
        end(executor)
        assert (tmp_path / "saved").read_text() == "all of it"
        assert gone(trainer)


def test_a_result_that_comes_of_it_counts(tmp_path: Path) -> None:
    with waiting("saves", tmp_path, timeout_s=2.0) as (executor, _):
        outcome = end(executor).outcome
    assert isinstance(outcome, Result)
    assert dict(outcome.losses) == {"loss": 0.5}


@pytest.mark.parametrize("how", ["ignores", "ignores, moved"])
def test_one_that_ignores_it_is_killed_after_the_grace(tmp_path: Path, how: str) -> None:
    with waiting(how, tmp_path, timeout_s=1.0, grace_s=1.0) as (executor, trainer):
        started = time.monotonic()
        outcome = end(executor).outcome
        assert isinstance(outcome, Failure)
        assert outcome.message == "took longer than 1 s (execution.timeout_s)"
        assert time.monotonic() - started > 0.5
        assert gone(trainer)


def test_without_grace_it_is_killed_at_once(tmp_path: Path) -> None:
    with waiting("saves", tmp_path, grace_s=0.0) as (executor, trainer):
        executor.cancel(TRIAL)
        assert isinstance(end(executor).outcome, Failure)
        assert gone(trainer)
    assert not (tmp_path / "saved").exists()


@pytest.mark.parametrize("how", ["saves", "saves, moved", "ignores, moved"])
def test_closing_asks_first_too(tmp_path: Path, how: str) -> None:
    with waiting(how, tmp_path, grace_s=2.0) as (_, trainer):
        pass
    assert gone(trainer)
    assert (tmp_path / "saved").exists() is ("saves" in how)


def test_closing_that_is_interrupted_kills(tmp_path: Path) -> None:
    """Who presses Ctrl-C twice does not want to wait for the trainers."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt), waiting("ignores, moved", tmp_path, grace_s=600.0) as (_, trainer):
            signal.setitimer(signal.ITIMER_REAL, 1.0)
        wait(lambda: gone(trainer), 20.0)
    finally:
        signal.signal(signal.SIGALRM, before)
