"""``resolved.json``: what is kept of a study, and which versions of it are read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bomix.errors import StoreError
from bomix.io.store import records
from bomix.io.store.memory_store import MemoryStore
from bomix.io.store.study_folder import FolderStore
from bomix.scale import Scale
from bomix.study import resolved_file
from bomix.study.study import Study


def kept(folder: Path, **changed: object) -> FolderStore:
    file = folder / "resolved.json"
    data = json.loads(file.read_text()) if file.exists() else {}
    data.pop("checksum", None)
    file.write_text(records.sealed({**data, **changed}))
    return FolderStore(folder)


def test_the_scale_is_read_under_both_of_its_names_and_none_where_none_is_kept(tmp_path: Path) -> None:
    counts = {"params": 10, "tokens": 200}
    assert resolved_file.own_scale(MemoryStore()) is None
    assert resolved_file.own_scale(FolderStore(tmp_path)) is None
    assert resolved_file.own_scale(kept(tmp_path, measured={"scale": counts})) == Scale(10, 200)
    assert resolved_file.own_scale(kept(tmp_path, measured={"fidelity": counts}, schema=1)) == Scale(10, 200)
    assert resolved_file.own_scale(kept(tmp_path, measured={})) is None


@pytest.mark.parametrize("measured", [3, {"scale": 3}, {"scale": {"params": -1}}, {"scale": {"size": 1}}])
def test_a_damaged_scale_is_an_error_that_says_how_to_go_on(tmp_path: Path, measured: object) -> None:
    with pytest.raises(StoreError, match=r"resolved\.json is damaged .*; `bomix check --repair` moves it away"):
        resolved_file.own_scale(kept(tmp_path, measured=measured))


def test_a_study_of_a_newer_version_is_not_read_as_if_it_were_of_this_one(tmp_path: Path) -> None:
    Study(["code", "web"], ["loss"], path=tmp_path)
    schema = json.loads((tmp_path / "resolved.json").read_text())["schema"]
    assert schema == resolved_file.SCHEMA_VERSION
    told = rf"resolved\.json: it is of schema {schema + 1}, and this bomix reads up to {schema}; take a newer bomix"
    kept(tmp_path, schema=schema + 1)
    for call in (lambda: Study(["code", "web"], ["loss"], path=tmp_path), lambda: Study.open(tmp_path)):
        with pytest.raises(StoreError, match=told):
            call()
    with pytest.raises(StoreError, match="damaged"):
        resolved_file.read(kept(tmp_path, schema="two"))
    assert Study(["code", "web"], ["loss"], path=tmp_path / "new").history.records == ()
