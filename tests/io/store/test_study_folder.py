"""The study folder: written once, whole or absent, damage named."""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bomix.errors import StoreError
from bomix.history import History
from bomix.io.store import aside, files, lock
from bomix.io.store.memory_store import MemoryStore
from bomix.io.store.records import TRIAL_SCHEMA
from bomix.io.store.study_folder import FolderStore
from bomix.trial import Failure, Result, Status, Trial


def trial(number: int) -> Trial:
    return Trial(number, {"code": 0.25, "web": 0.75}, 0, "sobol")


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> FolderStore | MemoryStore:
    return FolderStore(tmp_path) if request.param == "folder" else MemoryStore()


def test_records_come_back_in_the_order_of_their_ids(store: FolderStore | MemoryStore) -> None:
    for number in (2, 0, 10001, 1):
        store.create(trial(number))
    store.finish(1, Result({"code": 2.0}))
    store.finish(0, Failure("no"))
    found = store.read().records
    assert [record.trial.id for record in found] == [0, 1, 2, 10001]
    assert [record.status for record in found] == [Status.FAILED, Status.COMPLETED, Status.PENDING, Status.PENDING]
    reading = store.reading()
    assert reading.read().records == reading.read().records == found


def test_an_id_is_taken_once_and_an_outcome_written_once(store: FolderStore | MemoryStore) -> None:
    store.create(trial(0))
    with pytest.raises(files.FolderTaken):
        store.create(trial(0))
    store.finish(0, Result({"code": 2.0}))
    with pytest.raises(StoreError, match="written once"):
        store.finish(0, Result({"code": 3.0}))
    assert store.read().records[0].result.losses == {"code": 2.0}


def test_an_imported_run_is_there_whole_or_not_at_all(store: FolderStore | MemoryStore) -> None:
    store.create(trial(0), Result({"code": 2.0}))
    assert store.read().records[0].status is Status.COMPLETED


def test_nothing_temporary_is_left(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.create(trial(0))
    store.finish(0, Result({"code": 2.0}))
    with pytest.raises(files.FolderTaken):
        store.create(trial(0))
    files.replace(tmp_path / "a", "text")
    names = {path.name for path in tmp_path.rglob("*")}
    assert names == {"trials", "0000", "trial.json", "outcome.json", "a"}


def damage(path: Path, content: bytes | None) -> None:
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)


@pytest.mark.parametrize("name", ["trial.json", "outcome.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"{}", b"[]", b"null"])
def test_a_damaged_trial_is_named_and_the_others_are_read(tmp_path: Path, name: str, content: bytes) -> None:
    store = FolderStore(tmp_path)
    for number in range(3):
        store.create(trial(number), Result({"code": 2.0}))
    file = tmp_path / "trials" / "0001" / name
    damage(file, content)
    kept = store.read()
    assert [record.trial.id for record in kept.records] == [0, 2]
    (found,) = kept.damages
    assert (found.trial, found.path) == (1, file)
    assert found.reason
    assert History(kept.records, damaged=(1,)).next_id == 3


def test_a_trial_without_its_file_is_damaged_and_its_number_stays_taken(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.create(trial(0))
    store.create(trial(1))
    damage(tmp_path / "trials" / "0001" / "trial.json", None)
    kept = store.read()
    assert [found.trial for found in kept.damages] == [1]
    history = History(kept.records, damaged=(1,))
    assert (history.next_id, history.n_asked) == (2, 2)


def test_what_is_set_aside_is_kept_and_the_trial_is_pending_again(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    for round_ in range(2):
        if round_ == 0:
            store.create(trial(0), Result({"code": 2.0}))
        else:
            store.finish(0, Result({"code": 2.0}))
        damage(tmp_path / "trials/0000/outcome.json", b"{")
        (found,) = store.read().damages
        moved = aside.move_damage(store, found)
        assert moved.read_bytes() == b"{"
        (record,) = store.read().records
        assert record.status is Status.PENDING
    damage(tmp_path / "trials/0000/trial.json", b"{")
    moved = aside.move_damage(store, store.read().damages[0])
    assert (moved / "trial.json").read_bytes() == b"{"
    assert store.read() == ((), ())
    assert len(list((tmp_path / "damaged").iterdir())) == 3


def test_a_trial_of_a_newer_version_is_named_and_not_called_damaged(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.create(Trial(0, {"a": 1.0}, 0, "sobol"))
    file = tmp_path / "trials/0000/trial.json"
    data = json.loads(file.read_text())
    file.write_text(json.dumps({**data, "schema": TRIAL_SCHEMA + 1}))
    with pytest.raises(StoreError, match=r"0000/trial\.json: it is of schema .* take a newer bomix$"):
        store.read()


def test_an_outcome_of_another_trial_is_damage(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.create(trial(0), Result({"code": 2.0}))
    store.create(trial(1))
    outcome = tmp_path / "trials" / "0000" / "outcome.json"
    (tmp_path / "trials" / "0001" / "outcome.json").write_bytes(outcome.read_bytes())
    (found,) = store.read().damages
    assert (found.trial, found.reason) == (1, "it belongs to trial 0")


def test_unfinished_files_are_swept_wherever_a_writer_left_them_and_nothing_else_is(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.create(trial(0), Result({"code": 2.0}))
    _, attempt = store.new_attempt(0)
    kept = attempt / "work" / ".mine.tmp"
    kept.parent.mkdir()
    left = [tmp_path, tmp_path / "trials", tmp_path / "trials/0000", attempt.parent, attempt]
    for path in [*(folder / ".outcome.json.0a1b.tmp" for folder in left), kept]:
        path.write_text("half")
    (tmp_path / "trials/.0001.0a1b.tmp.tmp").mkdir()
    store.sweep()
    assert list(tmp_path.rglob("*.tmp")) == [kept]


def test_attempts_are_numbered(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.create(trial(0))
    assert [store.new_attempt(0)[0] for _ in range(3)] == [1, 2, 3]


WRITER = """
import sys
from pathlib import Path
from bomix.io.store.study_folder import FolderStore
from bomix.trial import Result, Trial
store = FolderStore(Path(sys.argv[1]))
number = int(sys.argv[2])
while True:
    store.create(Trial(number, {"code": 1.0}, 0, "sobol"))
    store.finish(number, Result({"code": float(number)}, info={"text": "x" * 20000}))
    print(number, flush=True)
    number += 1
"""


def test_a_writer_killed_anywhere_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    acknowledged: list[int] = []
    for kill in range(12):
        start = len(store.read().records)
        # A trial whose writer died before its outcome is pending, which is what a driver resumes.
        command = [sys.executable, "-c", WRITER, str(tmp_path), str(start)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        acknowledged.append(int(process.stdout.readline()))
        time.sleep(0.003 * kill)
        process.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in process.stdout.read().split("\n")[:-1]]
        process.wait()
        process.stdout.close()
        found = {record.trial.id: record for record in store.read().records}
        assert all(found[number].result.losses == {"code": float(number)} for number in acknowledged)
    assert len(acknowledged) >= 12


def test_a_second_driver_is_refused_and_the_first_keeps_its_lock(tmp_path: Path) -> None:
    assert lock.is_held(tmp_path) is False
    with lock.holding(tmp_path):
        with pytest.raises(StoreError, match=f"process {os.getpid()} on this host"), lock.holding(tmp_path):
            pass
        assert lock.is_held(tmp_path) is True
    assert lock.is_held(tmp_path) is False
    assert lock.read(tmp_path) is None


HOLDER = """
import os, sys, time
from pathlib import Path
from bomix.io.store import lock
with lock.holding(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def other_driver(folder: Path) -> subprocess.Popen[str]:
    """Another process that holds the lock of a folder."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    process.stdout.close()
    return process


def test_the_lock_of_a_driver_that_was_killed_is_free(tmp_path: Path) -> None:
    process = other_driver(tmp_path)
    process.kill()
    process.wait()
    assert lock.is_held(tmp_path) is False
    assert (lock.read(tmp_path) or {})["pid"] == process.pid
    with lock.holding(tmp_path):
        assert (lock.read(tmp_path) or {})["pid"] == os.getpid()


@pytest.mark.parametrize(("how", "held"), [(signal.SIGSTOP, True), (signal.SIGHUP, False), (signal.SIGTERM, False)])
def test_a_driver_that_is_stopped_holds_its_study_and_one_that_ended_does_not(
    tmp_path: Path, how: signal.Signals, held: bool
) -> None:
    process = other_driver(tmp_path)
    try:
        process.send_signal(how)
        if not held:
            process.wait()
        assert lock.is_held(tmp_path) is held
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    "written",
    [
        pytest.param({"pid": 999_999_999}, id="a pid of another namespace"),
        pytest.param({"host": "another-name"}, id="renamed or in a container"),
        pytest.param({"boot": "elsewhere", "machine": "elsewhere", "host": "elsewhere"}, id="another host's words"),
        pytest.param(None, id="no words at all"),
    ],
)
@pytest.mark.parametrize("take_over", [False, True])
def test_nothing_that_is_written_takes_the_lock_of_a_live_driver(
    tmp_path: Path, written: dict[str, object] | None, take_over: bool
) -> None:
    process = other_driver(tmp_path)
    try:
        file = tmp_path / lock.HOLDER
        if written is None:
            file.unlink()
        else:
            file.write_text(json.dumps({**json.loads(file.read_text()), **written}))
        assert lock.is_held(tmp_path) is True
        with pytest.raises(StoreError, match="already optimising"), lock.holding(tmp_path, take_over=take_over):
            pass
    finally:
        process.kill()
        process.wait()


def as_written(folder: Path, **changed: object) -> None:
    """Leave the words of a driver that is gone, some of them changed."""
    with lock.holding(folder):
        holder = lock.read(folder) or {}
    (folder / lock.HOLDER).write_text(json.dumps({**holder, **changed}))


@pytest.mark.parametrize("changed", [{"boot": "x"}, {"machine": None, "host": "x"}, {"pid": 1}])
def test_a_driver_of_this_kernel_or_of_this_machine_before_its_restart_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, object]
) -> None:
    for number, name in enumerate(("_BOOT_FILE", "_MACHINE_FILE")):
        (tmp_path / name).write_text(f"{number}\n")
        monkeypatch.setattr(lock, name, tmp_path / name)
    as_written(tmp_path, **changed)
    assert lock.is_held(tmp_path) is False
    with lock.holding(tmp_path):
        pass


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"host": "elsewhere", "boot": "x", "machine": "x"}, id="another host"),
        pytest.param({"boot": "x", "machine": "x"}, id="another host that is called alike"),
        pytest.param({"boot": "x", "machine": None}, id="nobody can tell"),
        pytest.param({"host": "elsewhere", "boot": None, "machine": None}, id="a host that knows no boot"),
    ],
)
def test_a_driver_on_another_host_is_replaced_only_on_request(tmp_path: Path, changed: dict[str, object]) -> None:
    as_written(tmp_path, **changed)
    assert lock.is_held(tmp_path) is None
    with pytest.raises(StoreError, match="--take-over"), lock.holding(tmp_path):
        pass
    with lock.holding(tmp_path, take_over=True):
        assert (lock.read(tmp_path) or {})["pid"] == os.getpid()


def test_who_took_a_study_over_keeps_it(tmp_path: Path) -> None:
    with lock.holding(tmp_path):
        (tmp_path / lock.HOLDER).write_text(json.dumps({"host": "elsewhere", "boot": "x", "pid": 1}))
    assert (lock.read(tmp_path) or {})["host"] == "elsewhere"


def test_the_last_attempt_is_the_one_of_the_highest_number(store: FolderStore | MemoryStore) -> None:
    assert store.last_attempt(7) is None
    made = [store.new_attempt(7) for _ in range(11)]
    assert [number for number, _ in made] == list(range(1, 12))
    assert len({path for _, path in made}) == 11
    assert all(path.is_dir() for _, path in made)
    assert store.last_attempt(7) == made[-1]
    assert store.last_attempt(8) is None


def test_work_folders_of_a_study_in_memory_last_as_long_as_it_does() -> None:
    store = MemoryStore()
    _, path = store.new_attempt(0)
    (path / "note.txt").write_text("kept")
    assert path.is_dir()
    del store
    gc.collect()
    assert not path.parent.exists()


@pytest.mark.parametrize("name", ["trial.json", "outcome.json"])
@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "loop"])
def test_what_is_no_file_of_a_trial_is_damage_and_nobody_waits_for_it(tmp_path: Path, name: str, kind: str) -> None:
    store = FolderStore(tmp_path)
    for number in range(2):
        store.create(Trial(number, {"web": 1.0}, 0, "sobol"))
    path = tmp_path / "trials/0001" / name
    path.unlink(missing_ok=True)
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "folder":
            path.mkdir()
        case "loop":
            path.symlink_to(path)
    kept = store.read()
    assert [record.trial.id for record in kept.records] == [0]
    (damage,) = kept.damages
    assert (damage.trial, damage.path) == (1, path)
    assert "it is not what bomix wrote" in damage.reason


@pytest.mark.parametrize("name", ["1", "00001", "\u00b2", "99999999999999999999", "0001x", "0001 "])
def test_a_folder_that_bomix_did_not_name_is_no_trial_beside_another(tmp_path: Path, name: str) -> None:
    store = FolderStore(tmp_path)
    for number in range(2):
        store.create(Trial(number, {"web": 1.0}, 0, "sobol"))
    shutil.copytree(tmp_path / "trials/0001", tmp_path / "trials" / name)
    assert [record.trial.id for record in store.read().records] == [0, 1]
    assert store.read().damages == ()


def test_a_folder_that_was_renamed_is_named(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.create(Trial(0, {"web": 1.0}, 0, "sobol"))
    (tmp_path / "trials/0000").rename(tmp_path / "trials/0")
    (damage,) = store.read().damages
    assert "its folder is called '0', and a trial's folder cannot be renamed" in damage.reason
    assert aside.move_damage(store, damage) == tmp_path / "damaged/0000-trial.json"
    assert store.read() == ((), ())


@pytest.mark.parametrize("content", ["pipe", "[" * 100_000, "{", "[]"])
def test_a_holder_that_says_nothing_keeps_nobody_waiting(tmp_path: Path, content: str) -> None:
    for name in ("driver.json", "lock"):
        if content == "pipe":
            os.mkfifo(tmp_path / name)
        else:
            (tmp_path / name).write_text(content)
    assert lock.read(tmp_path) == {}
    assert lock.is_held(tmp_path) is False
