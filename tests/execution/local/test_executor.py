"""The executor of this machine: cancelling ends a trial and everything that it started, and gives its slot back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from bomix.contracts.executor import Attempt, Ended, Event, Execution
from bomix.execution.local.executor import LocalExecutor
from bomix.execution.local.spec import LocalExecution
from bomix.trial import Failure, Result, Trial
from tests.execution.evaluators import Ending

SECONDS = 60.0


@pytest.fixture
def executor() -> Iterator[LocalExecutor]:
    started = LocalExecution(workers=2).start(Ending("parent", SECONDS))
    yield started
    started.close()


def trial(number: int) -> Trial:
    return Trial(number, {"web": 1.0}, 0, "sobol")


def begun(executor: LocalExecutor, number: int, folder: Path) -> list[psutil.Process]:
    """A trial's process and the one that it started, both running."""
    folder.mkdir()
    executor.submit(trial(number), Attempt(1, folder))
    wait(lambda: (folder / "left").exists() and (folder / "left").read_text() != "")
    return [psutil.Process(int((folder / name).read_text())) for name in ("pid", "left")]


def wait(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def gone(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def ends(executor: LocalExecutor, count: int = 1) -> list[Ended]:
    """The next trials that end."""
    found: list[Event] = []
    deadline = time.monotonic() + SECONDS
    while len(ended := [event for event in found if isinstance(event, Ended)]) < count:
        assert time.monotonic() < deadline, "waited too long"
        found += executor.events(0.5)
    return ended


def test_it_is_what_the_contract_calls_an_execution() -> None:
    assert isinstance(LocalExecution(), Execution)


def test_cancelling_kills_the_trial_and_what_it_started_and_frees_the_slot(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    first, other = begun(executor, 0, tmp_path / "0"), begun(executor, 1, tmp_path / "1")
    assert executor.free == 0
    executor.cancel(trial(0))
    (ended,) = ends(executor)
    assert ended.trial == trial(0)
    assert isinstance(ended.outcome, Failure)
    assert ended.outcome.message == "cancelled"
    assert "evaluating trial 0" in ended.log_tail
    assert executor.free == 1
    wait(lambda: all(map(gone, first)))
    assert not any(map(gone, other))
    # The slot serves the next trial, of the same number too.
    assert len(begun(executor, 0, tmp_path / "again")) == 2
    executor.cancel(trial(0))
    executor.cancel(trial(1))
    assert {event.trial.id for event in ends(executor, 2)} == {0, 1}
    assert executor.free == 2


def test_cancelling_at_once_ends_a_trial_that_has_hardly_begun(executor: LocalExecutor, tmp_path: Path) -> None:
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        executor.submit(trial(number), Attempt(1, tmp_path / str(number)))
        executor.cancel(trial(number))
    outcomes = [event.outcome for event in ends(executor, 2)]
    assert [outcome.message for outcome in outcomes if isinstance(outcome, Failure)] == ["cancelled"] * 2
    assert executor.free == 2


def test_what_has_ended_cannot_be_cancelled(tmp_path: Path) -> None:
    executor = LocalExecution().start(Ending())
    executor.submit(trial(0), Attempt(1, tmp_path))
    (ended,) = ends(executor)
    executor.cancel(trial(0))
    assert isinstance(ended.outcome, Result)
    (tmp_path / "next").mkdir()
    executor.submit(trial(0), Attempt(2, tmp_path / "next"))
    assert isinstance(ends(executor)[0].outcome, Result)
    executor.close()


def test_nothing_of_an_earlier_driver_is_left_to_take_over(executor: LocalExecutor, tmp_path: Path) -> None:
    assert executor.reattach([(trial(0), Attempt(1, tmp_path))]) == ()
    assert executor.free == 2
