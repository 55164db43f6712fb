"""``bomix report``."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bomix.cli.spinner import working
from bomix.report import images
from bomix.study.study import Study
from tests.cli.called import called

FILE = "domains: {a: {}, b: {}}\nmetrics: [loss]\n"


def test_the_page_of_a_study_lies_in_its_folder_or_where_it_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(FILE)
    code, printed = called("report", tmp_path)
    assert (code, printed.strip()) == (0, f"page: {tmp_path / 'report.html'}")
    assert "No run has come back yet" in (tmp_path / "report.html").read_text(encoding="utf-8")
    code, printed = called("report", tmp_path, "--out", tmp_path / "no/where.html")
    assert code == 2
    assert "--out" in printed


@pytest.mark.slow
def test_figures_become_files(tmp_path: Path) -> None:
    pytest.importorskip("kaleido", reason="the extra 'images' is not installed")
    if shutil.which("chromium") is None:
        pytest.skip("there is no Chromium")
    (tmp_path / "study.yaml").write_text(FILE)
    study = Study.open(tmp_path)
    for share in (0.2, 0.5, 0.8):
        study.add({"a": share, "b": 1 - share}, {"loss": 2.0 + (share - 0.4) ** 2})
    for kind, begins in (("png", b"\x89PNG"), ("svg", b"<svg"), ("pdf", b"%PDF")):
        assert called("report", tmp_path, "--figures", tmp_path / kind, "--format", kind)[0] == 0
        written = sorted((tmp_path / kind).iterdir())
        assert f"weights.{kind}" in [path.name for path in written]
        assert all(path.read_bytes().startswith(begins) for path in written)
    assert images.save.__doc__ is not None


def test_nothing_spins_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with working("fitting"):
        pass
    assert capsys.readouterr().err == ""
