"""``results.nc`` is there only while it holds every result, whoever records one and whenever they are killed."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
import xarray as xr

from bomix.io.store import aside, files, netcdf, results_file
from bomix.io.store.results_file import RESULTS_FILE
from bomix.io.store.study_folder import FolderStore
from bomix.study.study import Study
from bomix.trial import Failure, Result, Trial

CHANGES: dict[str, Callable[[FolderStore], object]] = {
    "an outcome": lambda store: store.finish(1, Failure("no")),
    "an imported run": lambda store: store.create(Trial(2, {"a": 1.0}, 0, "imported"), Result({"loss": 1.0})),
    "a revision": lambda store: store.revise(
        dataclasses.replace(store.read().records[0], outcome=Result({"loss": 1.0})), why="corrected"
    ),
    "a withdrawal": lambda store: store.withdraw(0, why="wrong data"),
}


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    made = FolderStore(tmp_path)
    made.create(Trial(0, {"a": 1.0}, 0, "sobol"), Result({"loss": 2.0}))
    made.create(Trial(1, {"a": 1.0}, 0, "sobol"))
    (tmp_path / RESULTS_FILE).write_text("derived")
    return made


@pytest.mark.parametrize("change", CHANGES)
def test_it_is_gone_before_anything_is_recorded_that_it_lacks(store: FolderStore, change: str) -> None:
    path, seen = store.folder / RESULTS_FILE, []
    link = mock.patch("os.link", side_effect=lambda *_: seen.append(path.exists()))
    rename = mock.patch.object(Path, "rename", autospec=True, side_effect=lambda *_: seen.append(path.exists()))
    with link, rename:
        CHANGES[change](store)
    assert seen == [False]
    assert not path.exists()


def test_it_stays_with_a_trial_that_is_only_asked_for(store: FolderStore) -> None:
    store.create(Trial(2, {"a": 1.0}, 0, "sobol"))
    assert (store.folder / RESULTS_FILE).exists()


def test_what_another_process_writes_of_the_record_as_it_was_goes_too(tmp_path: Path) -> None:
    with results_file.changing(tmp_path):
        (tmp_path / RESULTS_FILE).write_text("of the record before")
    assert not (tmp_path / RESULTS_FILE).exists()


def test_a_result_that_is_told_while_it_is_written_takes_it_away(tmp_path: Path) -> None:
    study = Study(["a", "b"], ["loss"], path=tmp_path)
    first, second = study.ask(), study.ask()
    study.tell(first, {"loss": 2.0})
    other = Study(["a", "b"], ["loss"], path=tmp_path)

    replace = files.replace

    def told_meanwhile(path: Path, content: str | bytes) -> None:
        other.tell(second.id, {"loss": 3.0})
        replace(path, content)

    with mock.patch.object(files, "replace", told_meanwhile):
        study.records.save_results()
    assert not (tmp_path / RESULTS_FILE).exists()
    study.records.save_results()
    with xr.open_dataset(tmp_path / RESULTS_FILE, engine="h5netcdf") as found:
        assert found.loss.values.tolist() == [[2.0], [3.0]]


def test_what_lacks_a_result_that_was_told_while_it_was_made_is_not_put_there(tmp_path: Path) -> None:
    """A process that is killed right after that would leave it."""
    study = Study(["a", "b"], ["loss"], path=tmp_path)
    first, second = study.ask(), study.ask()
    study.tell(first, {"loss": 2.0})
    other = Study(["a", "b"], ["loss"], path=tmp_path)
    content = netcdf.content

    def told_meanwhile(dataset: xr.Dataset) -> bytes:
        other.tell(second.id, {"loss": 3.0})
        return content(dataset)

    with mock.patch.object(netcdf, "content", told_meanwhile), mock.patch.object(files, "replace") as replace:
        study.records.save_results()
    replace.assert_not_called()


def test_damage_that_is_set_aside_and_trials_that_begin_anew_take_it_away(store: FolderStore) -> None:
    path = store.folder / RESULTS_FILE
    (store.trial_folder(0) / "outcome.json").write_text("{")
    aside.move_damage(store, store.read().damages[0])
    assert not path.exists()
    path.write_text("derived")
    aside.move_trials(store)
    assert not path.exists()


def test_a_result_is_recorded_where_it_cannot_be_removed_and_that_is_said(
    store: FolderStore, caplog: pytest.LogCaptureFixture
) -> None:
    refused = mock.patch.object(Path, "unlink", side_effect=PermissionError(13, "not yours"))
    with caplog.at_level(logging.WARNING), refused:
        results_file.remove(store.folder)
    assert (store.folder / RESULTS_FILE).exists()
    assert "lacks what was recorded since it was written" in caplog.text


def test_a_folder_of_its_name_is_somebody_elses(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / RESULTS_FILE).mkdir()
    results_file.remove(tmp_path)
    results_file.write(tmp_path, xr.Dataset(), is_current=lambda: True)
    assert (tmp_path / RESULTS_FILE).is_dir()
    assert "could not be written" in caplog.text
