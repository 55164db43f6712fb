"""``bomix dataset``: the record as one file, which is there only while it holds every result."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from bomix.study.study import Study
from tests.cli.called import called

STUDY = "domains: {code: {}, web: {}}\nmetrics: [loss]\nstrategy: sobol\n"


def test_it_is_written_on_demand_and_gone_with_the_next_result(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(STUDY)
    study, path = Study.open(tmp_path), tmp_path / "results.nc"
    study.tell(study.ask(), {"loss": 2.0})
    assert not path.exists()
    assert "dataset: none since the last result" in called("status", tmp_path)[1]
    assert called("dataset", tmp_path) == (0, f"{path}\n")
    assert f"dataset: {path}" in called("status", tmp_path)[1]
    trial = study.ask()
    assert path.exists(), "a trial that is only asked for is no result"
    with xr.open_dataset(path, engine="h5netcdf") as found:
        assert found.identical(study.dataset.isel(trial=[0]))
    study.tell(trial, {"loss": 3.0})
    assert not path.exists()
    assert study.dataset.loss.values.tolist() == [[2.0], [3.0]]


def test_what_stands_in_its_place_is_said(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "results.nc").mkdir()
    code, printed = called("dataset", tmp_path)
    assert code == 2
    assert "was not written" in printed


def test_a_recommendation_leaves_it_behind(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(STUDY)
    study = Study.open(tmp_path)
    for _ in range(2):
        study.tell(study.ask(), {"loss": 2.0})
    code, printed = called("recommend", tmp_path)
    assert code == 0, printed
    assert (tmp_path / "results.nc").exists()
