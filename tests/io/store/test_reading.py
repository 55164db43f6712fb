"""Reading a study folder again and again: what has ended is read once, and what was added since is seen."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from unittest import mock

import pytest

from bomix.io.store import reading as module
from bomix.io.store import trial_files
from bomix.io.store.study_folder import FolderStore
from bomix.trial import Failure, Result, Status, Trial

LONG_AGO = 1_000_000_000
"""A time of change that is beyond doubt, in seconds."""


def trial(number: int) -> Trial:
    return Trial(number, {"code": 0.25, "web": 0.75}, 0, "sobol")


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    made = FolderStore(tmp_path)
    for number in range(3):
        made.create(trial(number), Result({"loss": 2.0 + number}))
    made.create(trial(3))
    return made


def settle(store: FolderStore) -> None:
    """Have the folders of all trials look as if they had not been touched for long."""
    for folder in (store.folder / "trials").iterdir():
        os.utime(folder, (LONG_AGO, LONG_AGO))


@pytest.mark.parametrize("settled", [False, True])
def test_what_has_ended_is_read_once_and_kept_as_it_is(store: FolderStore, settled: bool) -> None:
    if settled:
        settle(store)
    reading = store.reading()
    first = reading.read()
    with mock.patch.object(trial_files, "read", wraps=trial_files.read) as reads:
        assert reading.read() is first
    assert [call.args[1] for call in reads.call_args_list] == [3], "the trial that is pending"


@pytest.mark.parametrize("settled", [False, True])
def test_what_was_added_since_is_seen(store: FolderStore, settled: bool) -> None:
    reading = store.reading()
    if settled:
        settle(store)
    before = reading.read()
    store.finish(3, Failure("out of memory"))
    store.withdraw(1, why="wrong data")
    store.revise(dataclasses.replace(before.records[2], outcome=Result({"loss": 1.0})), why="corrected")
    store.create(trial(4))
    after = reading.read()
    states = [Status.COMPLETED, Status.WITHDRAWN, Status.COMPLETED, Status.FAILED, Status.PENDING]
    assert [record.status for record in after.records] == states
    assert after.records[2].result.losses == {"loss": 1.0}
    assert after.records[0] is before.records[0]
    assert after == store.read()


def test_a_trial_that_was_changed_within_a_tick_of_the_clock_is_read_again(store: FolderStore) -> None:
    """Two changes within a tick leave one time: that of a folder is believed once it is some seconds old."""
    reading = store.reading()
    reading.read()
    folder = store.trial_folder(0)
    before = folder.stat()
    store.withdraw(0, why="wrong data")
    os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert reading.read().records[0].status is Status.WITHDRAWN


def test_a_trial_that_was_moved_away_is_gone_and_a_file_in_its_place_is_damage(store: FolderStore) -> None:
    reading = store.reading()
    reading.read()
    store.trial_folder(1).rename(store.folder / "elsewhere")
    assert [record.trial.id for record in reading.read().records] == [0, 2, 3]
    store.trial_folder(1).write_text("no folder")
    assert [damage.trial for damage in reading.read().damages] == [1]


def test_damage_is_looked_at_again_as_it_may_be_mended_in_place(store: FolderStore) -> None:
    file = store.trial_folder(1) / "outcome.json"
    whole = file.read_bytes()
    reading = store.reading()
    reading.read()
    other = store.reading()
    file.write_bytes(b"{")
    settle(store)
    assert [damage.trial for damage in other.read().damages] == [1]
    file.write_bytes(whole)
    settle(store)
    assert not other.read().damages


def test_a_study_without_trials_has_none(tmp_path: Path) -> None:
    assert FolderStore(tmp_path).reading().read() == ((), ())


@pytest.mark.parametrize("settled", [False, True])
def test_a_trial_whose_outcome_is_gone_is_pending_again(store: FolderStore, settled: bool) -> None:
    if settled:
        settle(store)
    reading = store.reading()
    reading.read()
    (store.trial_folder(1) / "outcome.json").unlink()
    assert [record.trial.id for record in reading.read().records if record.status is Status.PENDING] == [1, 3]


@pytest.fixture
def glances(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a test takes, no glance is a look at all for the time that has gone by."""
    monkeypatch.setattr(module, "LOOKING_SHARE", 1e-12)
    monkeypatch.setattr(module, "LONGEST_GLANCING", 1e9)


@pytest.mark.usefixtures("glances")
def test_a_glance_sees_pending_and_new_trials_and_the_others_once_it_is_a_look(store: FolderStore) -> None:
    reading = store.reading()
    store.create(trial(4))
    first = reading.glance()
    assert reading.glance() is first
    assert len(first.records) == 5
    store.withdraw(1, why="wrong data")
    assert reading.glance() is first
    store.finish(3, Result({"loss": 1.0}))
    store.withdraw(4, why="never run")
    store.create(trial(5))
    store.create(trial(6), Failure("out of memory"))
    seen = [record.status for record in reading.glance().records]
    end = [Status.COMPLETED, Status.WITHDRAWN, Status.PENDING, Status.FAILED]
    assert seen == [Status.COMPLETED] * 3 + end
    reading.look_at_all()
    assert reading.glance() == store.read()
    assert reading.glance().records[1].status is Status.WITHDRAWN


@pytest.mark.usefixtures("glances")
def test_a_glance_that_finds_no_pending_trial_in_its_place_looks_at_all(store: FolderStore) -> None:
    reading = store.reading()
    reading.glance()
    store.trial_folder(3).rename(store.folder / "elsewhere")
    store.withdraw(1, why="wrong data")
    assert reading.glance() == store.read()


def test_a_glance_is_a_look_at_all_after_fifty_times_what_a_look_took(store: FolderStore) -> None:
    reading = store.reading()
    clock = [0.0, 0.01, 0.5, 0.52]
    with mock.patch.object(module.time, "monotonic", side_effect=lambda: clock.pop(0) if clock else 0.52):
        reading.read()
        store.withdraw(1, why="wrong data")
        assert reading.glance().records[1].status is Status.COMPLETED, "half a second after a look of 10 ms"
        assert reading.glance().records[1].status is Status.WITHDRAWN
