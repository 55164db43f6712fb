"""A worker runs an attempt once, while somebody waits for it, and says so otherwise."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import bomix
from bomix.execution.pool import notes, worker
from bomix.execution.pool.notes import Wanted
from bomix.execution.pool.warm import Limits, Setting, end_idle
from bomix.io.store import records
from bomix.testing.endings import Ending, Unloadable
from bomix.testing.executors import trial


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    yield
    end_idle()


def setting(evaluator: Any, *, timeout_s: float | None = None) -> dict[str, Any]:
    return Setting.of(evaluator, Limits(timeout_s, None, 1.0)).to_data()


def job(folder: Path, **changed: Any) -> dict[str, Any]:
    attempts = [[records.trial_to_json(trial()), str(folder)]]
    return {"attempts": attempts, "slot": 0, "token": "here", "version": bomix.__version__, **changed}


def ends(reply: dict[str, Any]) -> list[dict[str, Any]]:
    return [event for event in reply["events"] if "ended" in event]


def test_what_happened_comes_back_and_stands_in_the_folder(tmp_path: Path) -> None:
    Wanted("here").write(tmp_path)
    reply = worker.run(setting(Ending()), job(tmp_path), "n1")
    told = notes.Reader(tmp_path).read()
    assert told == reply["events"]
    assert told[0]["began"] is True
    assert told[0]["where"] == reply["where"] == "n1"
    assert [event["progress"]["step"] for event in told[1:-1]] == [0, 1, 2]
    assert told[-1]["ended"]["status"] == "completed"


def test_an_attempt_is_run_once(tmp_path: Path) -> None:
    """Engines run a call again whose worker they lost sight of."""
    Wanted("here").write(tmp_path)
    worker.run(setting(Ending()), job(tmp_path))
    result = (tmp_path / "result.json").read_bytes()
    reply = worker.run(setting(Ending()), job(tmp_path))
    assert "the engine ran it a second time" in reply["lost"]
    assert "events" not in reply
    assert (tmp_path / "result.json").read_bytes() == result


def test_what_another_driver_has_taken_over_is_not_begun(tmp_path: Path) -> None:
    Wanted("another").write(tmp_path)
    assert worker.run(setting(Ending()), job(tmp_path))["lost"] == worker.GIVEN_UP
    assert not (tmp_path / notes.CLAIM_FILE).exists()


def test_what_another_driver_takes_over_meanwhile_is_ended(tmp_path: Path) -> None:
    Wanted("here").write(tmp_path)
    threading.Timer(1.0, lambda: Wanted("another").write(tmp_path)).start()
    (end,) = ends(worker.run(setting(Ending("waiting")), job(tmp_path)))
    assert end["lost"] is True
    assert end["ended"]["failure"]["message"] == worker.GIVEN_UP


def test_a_trial_does_not_outlive_its_driver_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody would hear of its end, and it holds a device."""
    monkeypatch.setattr(worker, "DEAD_S", 1.5)
    Wanted("here").write(tmp_path)
    (end,) = ends(worker.run(setting(Ending("waiting")), job(tmp_path)))
    assert end["lost"] is True
    assert "no sign of life" in end["ended"]["failure"]["message"]


def test_a_driver_that_gives_signs_of_life_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "DEAD_S", 1.5)
    writing = notes.Writing("here", beat_s=0.2)
    writing.begin(tmp_path)
    threading.Timer(4.0, lambda: writing.cancel(tmp_path, [0])).start()
    started = time.monotonic()
    (end,) = ends(worker.run(setting(Ending("waiting")), job(tmp_path)))
    writing.close()
    assert time.monotonic() > started + 3.0
    assert end["lost"] is False
    assert end["ended"]["failure"]["message"] == "cancelled"


def test_a_folder_that_appears_late_is_waited_for(tmp_path: Path) -> None:
    """Network file systems show what another machine made after a while."""
    late = tmp_path / "late"

    def appear() -> None:
        late.mkdir()
        Wanted("here").write(late)

    threading.Timer(0.5, appear).start()
    assert ends(worker.run(setting(Ending()), job(late)))


def test_a_folder_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "PATIENCE_S", 0.2)
    assert worker.run(setting(Ending()), job(tmp_path))["unseen"] == str(tmp_path)


def test_an_evaluator_that_cannot_be_loaded_there_is_refused(tmp_path: Path) -> None:
    Wanted("here").write(tmp_path)
    assert "of_this_machine_alone" in worker.run(setting(Unloadable()), job(tmp_path))["refused"]


def test_limits_hold_there(tmp_path: Path) -> None:
    Wanted("here").write(tmp_path)
    (end,) = ends(worker.run(setting(Ending("waiting"), timeout_s=1.0), job(tmp_path)))
    assert "took longer than 1 s" in end["ended"]["failure"]["message"]
