"""What is frozen once a study has results, and what is not."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

import bomix
from bomix.errors import FaultsError, StoreError

HALF = {"code": 0.5, "web": 0.5}


def study(folder: Path, metrics: str) -> bomix.Study:
    """Open the study in a folder whose file has these metrics."""
    (folder / "study.yaml").write_text(f"domains: {{code: {{}}, web: {{}}}}\nmetrics: {metrics}\n")
    return bomix.Study.open(folder)


def test_a_range_may_be_stated_later_and_a_unit_may_not(tmp_path: Path) -> None:
    study(tmp_path, "[m]").add(HALF, {"m": 2.0})
    opened = study(tmp_path, "{m: {range: [1, 3]}}")
    assert opened.problem.metrics[0].limits == (1.0, 3.0)
    with pytest.raises(FaultsError, match="outside the range that is stated"):
        opened.add(HALF, {"m": 4.0})
    assert study(tmp_path, "{m: {}}").problem.metrics[0].limits[0] == 0.0
    with pytest.raises(StoreError, match=r"metrics\.m\.unit: 'nats/token' when the study began, 'accuracy' now"):
        study(tmp_path, "{m: {unit: accuracy, range: [0, 1]}}").problem  # noqa: B018


def test_a_record_beyond_the_range_of_its_unit_keeps_working(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    free = study(tmp_path, "{m: {range: [null, null]}}")
    for share, value in ((0.2, -0.3), (0.5, -0.5), (0.8, 0.1)):
        free.add({"code": share, "web": 1.0 - share}, {"m": value})
    # As a study that was begun before metrics had ranges.
    resolved = json.loads((tmp_path / "resolved.json").read_text())
    del resolved["measured"]["metrics"][0]["range"], resolved["spec"]["metrics"]["m"]["range"]
    resolved["schema"] = 2  # which had no checksum
    del resolved["checksum"]
    (tmp_path / "resolved.json").write_text(json.dumps(resolved))
    with caplog.at_level(logging.WARNING):
        before = study(tmp_path, "[m]")
        assert before.problem.metrics[0].limits == (-float("inf"), float("inf"))
    assert "values of m beyond the range of the unit" in caplog.text
    before.add(HALF, {"m": -0.6})
    assert before.recommend().loss < 0.0
