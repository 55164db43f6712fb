"""Attempts have limits: of time, of silence, of what they may leave in the record; and nothing outlives them."""

from __future__ import annotations

import os
import threading
import time
import tracemalloc
from pathlib import Path

import psutil
import pytest

from bomix.contracts.executor import Attempt, Ended
from bomix.execution.attempt import left_behind
from bomix.execution.attempt.evaluate import LOG_FILE
from bomix.execution.local.executor import LocalExecutor
from bomix.execution.local.spec import LocalExecution
from bomix.trial import LOG_TAIL_LIMIT, MESSAGE_LIMIT, Failure, Result, Trial
from tests.execution.evaluators import Ending
from tests.execution.local.test_executor import gone

TRIAL = Trial(0, {"web": 1.0}, 0, "sobol")


def ended(how: str, folder: Path, **limits: float) -> Ended:
    """How an attempt ends."""
    executor = LocalExecution(**limits).start(Ending(how))  # type: ignore[arg-type]
    try:
        executor.submit(TRIAL, Attempt(1, folder))
        return end(executor)
    finally:
        executor.close()


def end(executor: LocalExecutor) -> Ended:
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline:
        for event in executor.events(0.1):
            if isinstance(event, Ended):
                return event
    raise AssertionError("waited too long")


def test_every_execution_has_limits_of_time_that_a_study_file_may_change() -> None:
    assert (LocalExecution().timeout_s, LocalExecution().silence_s) == (7 * 86400.0, 86400.0)
    assert LocalExecution(timeout_s=None, silence_s=None).faults() == []
    for wrong in (0.0, -1.0, float("nan")):
        faults = LocalExecution(timeout_s=wrong, silence_s=wrong).faults()
        assert [fault.where for fault in faults] == ["timeout_s", "silence_s"]


@pytest.mark.parametrize(
    ("how", "limits", "said"),
    [
        ("silent", {"timeout_s": 1.0}, "took longer than 1 s (execution.timeout_s)"),
        ("talking", {"timeout_s": 5.0, "silence_s": 4.0}, "took longer than 5 s (execution.timeout_s)"),
        ("silent", {"silence_s": 1.0}, "no progress and nothing new in its log for 1 s (execution.silence_s)"),
    ],
)
def test_an_attempt_beyond_its_limits_is_ended_and_says_which(
    tmp_path: Path, how: str, limits: dict[str, float], said: str
) -> None:
    event = ended(how, tmp_path, **limits)
    assert isinstance(event.outcome, Failure)
    assert event.outcome.message.startswith(said)
    assert event.log_tail == event.outcome.log_tail
    assert event.log_tail.splitlines()[-1] == ("still here" if how == "talking" else "evaluating trial 0")


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("hungry", "out of memory: the training process was given no more"),
        ("killed", "killed by signal 9 (SIGKILL), as the system does to a process where memory runs out"),
        ("terminated", "killed by signal 15 (SIGTERM)"),
        ("hung up", "killed by signal 1 (SIGHUP)"),
        ("stopped", "no progress and nothing new in its log for 4 s (execution.silence_s)"),
    ],
)
def test_an_attempt_that_the_system_ends_or_stops_is_a_failure_that_says_so(
    tmp_path: Path, how: str, said: str
) -> None:
    event = ended(how, tmp_path, silence_s=4.0)
    assert isinstance(event.outcome, Failure)
    assert event.outcome.message.startswith(said)
    assert "evaluating trial 0" in event.outcome.log_tail
    assert not psutil.pid_exists(pid := int((tmp_path / "pid").read_text())) or gone(psutil.Process(pid))


def test_an_attempt_within_its_limits_ends_well(tmp_path: Path) -> None:
    assert isinstance(ended("well", tmp_path, timeout_s=60.0, silence_s=30.0).outcome, Result)


def test_a_long_line_and_a_long_error_become_a_small_outcome_in_little_memory(tmp_path: Path) -> None:
    tracemalloc.start()
    try:
        event = ended("chatty", tmp_path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (tmp_path / "log.txt").stat().st_size > 60_000_000
    assert isinstance(event.outcome, Failure)
    assert len(event.outcome.message) <= MESSAGE_LIMIT
    assert 0 < len(event.outcome.log_tail) <= LOG_TAIL_LIMIT
    assert peak < 5_000_000


def test_a_log_that_grows_for_ever_is_cut_and_keeps_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(left_behind, "LOG_LIMIT", 400)
    monkeypatch.setattr(left_behind, "LOG_KEPT", 100)
    event = ended("talking", tmp_path, timeout_s=3.0)
    log = (tmp_path / "log.txt").read_text()
    assert log.startswith("[bomix cut this log")
    assert event.log_tail.endswith("still here")
    assert len(log) < 1500  # what is written between two looks comes on top


def test_a_log_that_is_cut_while_others_write_begins_with_the_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(left_behind, "LOG_LIMIT", 4000)
    monkeypatch.setattr(left_behind, "LOG_KEPT", 1000)
    log, over = tmp_path / LOG_FILE, threading.Event()

    def talk() -> None:
        with log.open("ab", buffering=0) as file:
            while not over.is_set():
                file.write(b"still here\n")

    writer = threading.Thread(target=talk)
    writer.start()
    try:
        cuts = 0
        while cuts < 100:
            if left_behind.log_size(tmp_path) > 4000:
                left_behind.cut_log(tmp_path)
                cuts += 1
                assert log.read_bytes().startswith(b"[bomix cut this log, which was longer than 4,000 bytes]\n")
    finally:
        over.set()
        writer.join()
    assert log.read_bytes().endswith(b"\nstill here\n")


def test_a_result_file_that_is_no_file_is_a_failure_and_nobody_waits_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "result.json")
    event = ended("well", tmp_path)
    assert isinstance(event.outcome, Failure)
