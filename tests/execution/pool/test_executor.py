"""What the executor makes of a pool that loses jobs, has blind nodes, or does not let go of what it runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from bomix.contracts.executor import Attempt, Ended, Reported
from bomix.errors import EvaluationError
from bomix.execution.attempt.redaction import MASK
from bomix.execution.pool import executor as executors
from bomix.execution.pool import notes
from bomix.execution.pool.calls import Gone
from bomix.execution.pool.executor import PoolExecutor
from bomix.execution.pool.notes import Wanted
from bomix.execution.pool.warm import Limits, Setting
from bomix.progress import Progress
from bomix.testing.endings import Ending
from bomix.testing.executors import trial
from bomix.trial import Failure, Result

TOKEN = "hf_" + "a" * 24


class Scripted:
    """A pool that runs nothing: a test says what comes back."""

    def __init__(self, *, others: bool = False, ends: bool = False) -> None:
        self.jobs: dict[int, Mapping[str, Any]] = {}
        self.replies: list[tuple[int, Mapping[str, Any] | Gone]] = []
        self.stopped: list[int] = []
        self.others, self.ends = others, ends

    def submit(self, number: int, job: Mapping[str, Any]) -> None:
        self.jobs[number] = job

    def wait(self, timeout: float) -> Iterator[tuple[int, Mapping[str, Any] | Gone]]:
        while self.replies:
            yield self.replies.pop(0)

    def stop(self, number: int) -> None:
        self.stopped.append(number)

    def unseen(self, where: str) -> bool:
        return self.others

    def close(self) -> bool:
        return self.ends


def started(pool: Scripted, *folders: Path, workers: int = 1) -> PoolExecutor:
    setting = Setting.of(Ending(), Limits(None, None, 0.0))
    executor = PoolExecutor(pool, workers=workers, setting=setting)
    for number, folder in enumerate(folders):
        folder.mkdir()
        executor.submit(trial(number), Attempt(1, folder))
    return executor


def test_what_a_worker_tells_comes_as_it_is_told_and_once(tmp_path: Path) -> None:
    pool = Scripted()
    executor = started(pool, tmp_path / "0")
    writer = notes.Writer(tmp_path / "0")
    writer.append([{"began": True, "node": "n1", "where": "1"}])
    writer.append([notes.to_data(Reported(trial(), Progress(1, 2, losses={"loss": 0.5})))])
    assert list(executor.events(0.0)) == [Reported(trial(), Progress(1, 2, losses={"loss": 0.5}))]
    writer.append([notes.to_data(Ended(trial(), Result({"loss": 0.5}), "the end"))])
    pool.replies.append((0, {"node": "n1", "where": "1", "events": writer.kept}))
    assert list(executor.events(0.0)) == [Ended(trial(), Result({"loss": 0.5}), "the end")]
    assert executor.free == 1


def test_a_list_that_is_not_seen_comes_with_the_reply(tmp_path: Path) -> None:
    """Network file systems may show it late."""
    pool = Scripted()
    executor = started(pool, tmp_path / "0")
    writer = notes.Writer(tmp_path / "elsewhere")
    writer.append([notes.to_data(Reported(trial(), Progress(step, 100))) for step in range(100)])
    writer.append([notes.to_data(Ended(trial(), Result({"loss": 0.5})))])
    pool.replies.append((0, {"node": "n1", "where": "", "events": writer.kept}))
    *reports, end = executor.events(0.0)
    assert [event.progress.step for event in reports if isinstance(event, Reported)] == list(range(68, 100))
    assert end == Ended(trial(), Result({"loss": 0.5}))


@pytest.mark.parametrize("line", ["", "[]", "{", '{"number": 0}', '{"number": 1, "trial": 7, "ended": {}}', "[" * 9999])
def test_lines_that_no_worker_wrote_are_left_out(line: str, tmp_path: Path) -> None:
    """The folder is the trainer's as well."""
    executor = started(Scripted(), tmp_path / "0")
    (tmp_path / "0" / notes.EVENTS_FILE).write_text(f"{line}\n")
    assert list(executor.events(0.0)) == []


@pytest.mark.parametrize("reply", [Gone("its node is gone"), {"node": "n", "where": "w", "lost": "claimed before"}])
def test_a_job_that_is_lost_leaves_a_note_that_nobody_wants_it(reply: Any, tmp_path: Path) -> None:
    """Its worker may be cut off, and come back; or be the first of two, of which the second came back."""
    pool = Scripted()
    executor = started(pool, tmp_path / "0")
    mine = Wanted.read(tmp_path / "0")
    pool.replies.append((0, reply))
    (end,) = executor.events(0.0)
    assert isinstance(end, Ended)
    assert end.lost
    assert (now := Wanted.read(tmp_path / "0")) is not None
    assert mine is not None
    assert now.token != mine.token


def test_a_node_that_sees_nothing_costs_a_try_where_there_is_another(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pool = Scripted(others=True)
    executor = started(pool, tmp_path / "0", tmp_path / "1", workers=2)
    pool.replies.append((0, {"node": "n7", "where": "7", "unseen": "/study/0"}))
    (end,) = executor.events(0.0)
    assert isinstance(end, Ended)
    assert end.lost
    assert "n7 does not see /study/0, and gets no more trials" in caplog.text
    pool.others = False
    pool.replies.append((1, {"node": "n7", "where": "7", "unseen": "/study/1"}))
    with pytest.raises(EvaluationError, match="n7 does not see /study/1; driver and workers must see the study folder"):
        list(executor.events(0.0))


def test_what_is_cancelled_before_it_began_is_stopped_at_once(tmp_path: Path) -> None:
    pool = Scripted()
    executor = started(pool, tmp_path / "0")
    executor.cancel(trial())
    assert pool.stopped == [0]
    assert (note := Wanted.read(tmp_path / "0")) is not None
    assert note.cancelled == (0,)
    pool.replies.append((0, Gone("the executor cancelled it")))
    (end,) = executor.events(0.0)
    assert isinstance(end, Ended)
    assert isinstance(end.outcome, Failure)
    assert (end.outcome.message, end.lost) == ("cancelled", False)


def test_what_runs_is_asked_to_end_and_its_worker_ended_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "ENDING_S", 0.0)
    pool = Scripted()
    executor = started(pool, tmp_path / "0")
    notes.Writer(tmp_path / "0").append([{"began": True, "node": "n1", "where": "1"}])
    assert list(executor.events(0.0)) == []
    executor.cancel(trial())
    assert pool.stopped == []
    list(executor.events(0.0))
    assert pool.stopped == [0]


def test_a_pool_that_does_not_let_go_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "ENDING_S", 0.0)
    with pytest.raises(EvaluationError, match=r"may still run .*: 0, 1"):
        started(Scripted(), tmp_path / "0", tmp_path / "1", workers=2).close()
    started(Scripted(ends=True), tmp_path / "2").close()


def test_a_folder_that_cannot_be_written_to_ends_the_run(tmp_path: Path) -> None:
    executor = started(Scripted())
    with pytest.raises(EvaluationError, match="gone cannot be written to"):
        executor.submit(trial(), Attempt(1, tmp_path / "gone"))
    assert executor.free == 1


def test_secrets_are_in_no_log_of_a_worker_that_was_killed_as_the_run_ended(tmp_path: Path) -> None:
    pool = Scripted()
    executor = started(pool, tmp_path / "0")
    (tmp_path / "0" / "log.txt").write_text(f"token {TOKEN}")
    pool.replies.append((0, Gone("killed")))
    executor.close()
    assert (tmp_path / "0" / "log.txt").read_text() == f"token {MASK}"


def test_secrets_are_in_no_error_that_ends_a_run(tmp_path: Path) -> None:
    pool = Scripted()
    executor = started(pool, tmp_path / "0")
    pool.replies.append((0, {"node": "n", "where": "w", "refused": f"no access with {TOKEN}"}))
    with pytest.raises(EvaluationError, match=r"on n: no access with \[redacted\]$"):
        list(executor.events(0.0))
