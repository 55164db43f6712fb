"""Revisions and withdrawals: files of their own, written once, with a checksum; nothing recorded is changed."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from bomix.errors import StoreError
from bomix.io.store.amendments import WITHDRAWN_FILE, Standing, standing
from bomix.io.store.memory_store import MemoryStore
from bomix.io.store.study_folder import FolderStore
from bomix.scale import Scale
from bomix.study.repair import repair
from bomix.trial import IMPORTED, Record, Result, Status, Trial

HALF = {"code": 0.5, "web": 0.5}
TRIAL = Trial(0, HALF, 3, IMPORTED)
RESULT = Result({"a": 2.0}, info={"run": "x"}, unmeasured=("b",))
CHANGED = Record(
    dataclasses.replace(TRIAL, weights={"code": 0.4, "web": 0.6}, scale=Scale(7)), Result({"a": 2.0, "b": 3.0})
)


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> FolderStore | MemoryStore:
    made = FolderStore(tmp_path) if request.param == "folder" else MemoryStore()
    made.create(TRIAL, RESULT)
    return made


def test_a_revision_takes_the_place_of_what_was_recorded(store: FolderStore | MemoryStore) -> None:
    reading = store.reading()
    assert len(reading.read().records) == 1
    store.revise(CHANGED, why="corrected")
    (record,) = reading.read().records
    assert record == dataclasses.replace(CHANGED, revision=1)
    store.revise(dataclasses.replace(record, outcome=RESULT), why="back")
    (again,) = reading.read().records
    assert (again.revision, again.result, again.trial.scale) == (2, RESULT, Scale(7))


def test_a_withdrawal_is_said_once_and_keeps_the_outcome(store: FolderStore | MemoryStore) -> None:
    reading = store.reading()
    assert len(reading.read().records) == 1
    store.withdraw(0, why="wrong data")
    (record,) = reading.read().records
    assert (record.status, record.withdrawn, record.outcome) == (Status.WITHDRAWN, "wrong data", RESULT)
    with pytest.raises(StoreError, match="trial 0 is withdrawn already"):
        store.withdraw(0, why="again")
    assert store.furthest() is None


def test_what_was_recorded_first_stays_on_the_disk(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.create(TRIAL, RESULT)
    folder = store.trial_folder(0)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    store.revise(CHANGED, why="corrected")
    store.withdraw(0, why="wrong data")
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {name: after[name] for name in before} == before
    assert after.keys() - before.keys() == {"revision-1.json", WITHDRAWN_FILE}
    assert json.loads(after["revision-1.json"])["why"] == "corrected"
    assert standing([path.name for path in folder.iterdir()]) == Standing(1, True)


def test_a_revision_of_two_processes_is_refused_to_the_second(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.create(TRIAL, RESULT)
    store.revise(CHANGED, why="first")
    with pytest.raises(StoreError, match="trial 0 was revised by another process meanwhile"):
        store.revise(CHANGED, why="second")


@pytest.mark.parametrize("name", ["revision-1.json", WITHDRAWN_FILE])
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'"trial": 0', b'"trial": 1', "checksum does not match"),
        (b"{", b"[", "Expecting"),
        (b'"checksum"', b'"sum"', "checksum does not match"),
    ],
)
def test_a_damaged_file_is_named_with_the_cure(tmp_path: Path, name: str, old: bytes, new: bytes, said: str) -> None:
    store = FolderStore(tmp_path)
    store.create(TRIAL, RESULT)
    store.revise(CHANGED, why="corrected")
    store.withdraw(0, why="wrong data")
    path = store.trial_folder(0) / name
    path.write_bytes(path.read_bytes().replace(old, new, 1))
    (damage,) = store.read().damages
    assert (damage.path, damage.trial) == (path, 0)
    assert said in damage.reason
    assert damage.lost in ("the last revision of trial 0", "the withdrawal of trial 0")
    (done,) = repair(tmp_path)
    assert "what was recorded before it counts again" in str(done)
    assert len(store.read().records) == 1


def test_every_changed_digit_of_a_revision_is_seen(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.create(TRIAL, RESULT)
    store.revise(CHANGED, why="corrected")
    path = store.trial_folder(0) / "revision-1.json"
    text = path.read_text()
    version = text.index('"schema": ') + len('"schema": ')  # a newer one is told otherwise
    for at, letter in enumerate(text):
        if letter.isdigit() and at != version:
            path.write_text(text[:at] + str((int(letter) + 1) % 10) + text[at + 1 :])
            assert store.read().damages
