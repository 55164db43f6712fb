"""A study has one name, whoever draws it, and keeps it until it begins anew."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bomix.errors import StoreError
from bomix.io.store import aside, study_id
from bomix.io.store.study_folder import FolderStore
from bomix.trial import Trial


def test_all_who_ask_at_once_get_the_same_name(tmp_path: Path) -> None:
    assert study_id.read(tmp_path) is None
    with ThreadPoolExecutor(8) as pool:
        names = set(pool.map(lambda _: study_id.ensured(tmp_path), range(32)))
    assert names == {study_id.read(tmp_path)}


def test_two_studies_are_called_differently(tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    assert len({study_id.ensured(folder) for folder in folders}) == 2


def test_a_study_that_begins_anew_has_another_name(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.create(Trial(0, {"a": 1.0}, 0, "sobol"))
    name = study_id.ensured(tmp_path)
    kept = aside.move_trials(store)
    assert study_id.read(kept) == name
    assert study_id.ensured(tmp_path) != name


@pytest.mark.parametrize("content", [b"", b"{", b'{"schema": 1, "id": "x"}', b"\xff", b'{"schema": 2, "id": "x"}'])
def test_a_damaged_name_is_said_with_its_cure(tmp_path: Path, content: bytes) -> None:
    (tmp_path / study_id.ID_FILE).write_bytes(content)
    with pytest.raises(StoreError, match=r"id\.json cannot be read .*--pending"):
        study_id.read(tmp_path)
