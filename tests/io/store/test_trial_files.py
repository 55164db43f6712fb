"""The files of one trial: what they hold, or which of them is damaged and what is lost with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bomix.errors import StoreError
from bomix.io.store import trial_files
from bomix.io.store.study_folder import FolderStore
from bomix.io.store.trial_files import Damage
from bomix.trial import Record, Result, Trial

TRIAL = Trial(3, {"code": 0.25, "web": 0.75}, 0, "sobol")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    FolderStore(tmp_path).create(TRIAL, Result({"loss": 2.0}, artifacts={"model": str(tmp_path / "trials/0003/a")}))
    return tmp_path / "trials/0003"


def test_a_whole_trial_is_its_record_with_absolute_artifacts(folder: Path) -> None:
    found = trial_files.read(folder, 3)
    assert isinstance(found, Record)
    assert (found.trial, found.result.losses) == (TRIAL, {"loss": 2.0})
    assert found.result.artifacts == {"model": str(folder / "a")}


@pytest.mark.parametrize(
    ("name", "lost"), [("trial.json", "trial 3, mixture and all"), ("outcome.json", "the outcome of trial 3")]
)
def test_a_damaged_file_says_what_is_lost_with_it(folder: Path, name: str, lost: str) -> None:
    (folder / name).write_text("{")
    found = trial_files.read(folder, 3)
    assert isinstance(found, Damage)
    assert (found.trial, found.path, found.lost) == (3, folder / name, lost)
    assert not found.is_amendment


def test_a_folder_of_another_number_is_damaged_and_a_newer_version_is_not(folder: Path) -> None:
    found = trial_files.read(folder, 4)
    assert isinstance(found, Damage)
    assert "says it is trial 3" in found.reason
    data = json.loads((folder / "trial.json").read_text())
    (folder / "trial.json").write_text(json.dumps({**data, "schema": 99}))
    with pytest.raises(StoreError, match="newer bomix"):
        trial_files.read(folder, 3)
