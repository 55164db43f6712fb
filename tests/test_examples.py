"""The examples run as they stand."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@pytest.mark.filterwarnings("ignore")
def test_a_surrogate_of_ones_own_takes_part_in_a_study(capsys: pytest.CaptureFixture[str]) -> None:
    file = EXAMPLES / "custom_surrogate.py"
    assert len(file.read_text().splitlines()) <= 30
    runpy.run_path(str(file), run_name="__main__")
    weights = eval(capsys.readouterr().out)
    assert weights["code"] == pytest.approx(0.3, abs=0.05)
