"""Checkpoints come about as often as is asked for, take little of the time, and never end a run."""

from __future__ import annotations

import numpy as np
import pytest

from bomix.training import checkpoint, keeping
from bomix.training.checkpoint import FILE, Place
from bomix.training.keeping import SHARE_OF_TIME, Keeper
from bomix.training.loop import train, train_together
from bomix.training.optim import Optimization
from tests.training.test_loop import corpus as small_corpus
from tests.training.test_loop import make_run

corpus = small_corpus


class Clock:
    """Seconds that a test lets go by."""

    def __init__(self):
        self.now = 100.0

    def perf_counter(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    found = Clock()
    monkeypatch.setattr(keeping, "time", found)
    return found


@pytest.mark.parametrize(("takes", "pause"), [(0.1, 60.0), (30.0, 30.0 / SHARE_OF_TIME)])
def test_the_next_is_due_after_the_interval_or_later_where_writing_takes_long(
    clock, monkeypatch, tmp_path, takes, pause
):
    def write(place, saved):
        clock.now += takes

    monkeypatch.setattr(checkpoint, "write", write)
    keeper = Keeper([Place(tmp_path, "")], 60.0)
    clock.now += 59.9
    assert not keeper.is_due()
    clock.now += 0.1
    assert keeper.is_due()
    keeper.write([(0, None)])
    clock.now += pause - 0.1
    assert not keeper.is_due()
    clock.now += 0.1
    assert keeper.is_due()


def test_without_places_or_an_interval_none_is_ever_due(clock, tmp_path):
    keepers = [Keeper([], 1.0), Keeper([Place(tmp_path, "")], None)]
    clock.now += 1e9
    assert not any(keeper.is_due() for keeper in keepers)


def test_a_disk_that_takes_nothing_ends_no_run(corpus, tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("no folder can be made below a file")
    run = make_run(steps=3)
    wanted = train(corpus, run)
    monkeypatch.setattr(Keeper, "is_due", lambda self: True)
    (found,) = train_together(corpus, [run], places=[Place(tmp_path / "file" / "1", "")])
    assert found.evaluations == wanted.evaluations
    assert "no checkpoint was written" in caplog.text


def test_a_run_that_diverged_writes_none_and_the_others_go_on(corpus, tmp_path, monkeypatch):
    runs = [
        make_run(steps=12, optimization=Optimization(rate=rate, clip=0.0, warmup=0.0), curve_points=1)
        for rate in (1e-2, 1e30)
    ]
    wanted, failed = train_together(corpus, runs)
    monkeypatch.setattr(Keeper, "is_due", lambda self: True)
    places = [Place(tmp_path / name, name) for name in ("good", "bad")]
    found, failed_again = train_together(corpus, runs, places=places)
    assert str(failed_again) == str(failed)
    assert found.evaluations == wanted.evaluations
    assert checkpoint.read(tmp_path / "good" / FILE, "good").step == 11
    assert np.isfinite(checkpoint.read(tmp_path / "bad" / FILE, "bad").losses).all()
