"""Scripts that need what is not here at least run."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "benchmarks"


def test_the_gpu_script_runs_dry(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--dry-run", "--out", str(tmp_path / "gpu.json")])
    runpy.run_path(str(SCRIPTS / "gpu.py"), run_name="__main__")
    said = capsys.readouterr().out
    assert "the figures mean nothing" in said
    assert "by 0.0e+00 at most: as they should" in said
    cells = json.loads((tmp_path / "gpu.json").read_text())["cells"]
    assert [(cell["width"], cell["way"]) for cell in cells] == [(1, "by itself"), (1, "eager"), (2, "eager")]
    assert all(cell["tokens_per_second"] > 0 for cell in cells)


@pytest.mark.parametrize("arguments", [("step", 2), ("profile", 2)])
def test_the_measurements_of_stacks_run(arguments):
    script = runpy.run_path(str(SCRIPTS / "swarm.py"))
    what, width = arguments
    found = script["MEASURES"][what](width)
    if what == "step":
        assert found["rate"] > 0
    else:
        assert sum(found.values()) == pytest.approx(1.0)
        assert found["products"] > 0.1
