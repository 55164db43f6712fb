"""Scripts that need what is not here at least run."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from bomix.laws.epochs import CONVEX, epochs
from bomix.space.mixture_space import MixtureSpace

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


def test_a_law_in_epochs_is_found_by_least_squares(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    script = runpy.run_path(str(SCRIPTS / "epoch_laws.py"))
    passes = np.array([10.0, 3.0, 40.0, 0.5])
    planted = {"c": 0.5, "alpha": [0.8, 0.0, 0.4, 0.3], "beta": [0.0, 0.1, 0.05, 0.0], "rho": 0.5, "kappa": 0.7}
    planted |= {"tau": np.log1p(4.0), "floor": 2.0}
    parameters = {name: torch.as_tensor([value], dtype=torch.float64) for name, value in planted.items()}
    space = MixtureSpace(("a", "b", "c", "d"))
    X, unseen = space.sobol(80, seed=1), space.sobol(200, seed=2)
    y, true = (epochs(torch.as_tensor(each * passes), parameters, harm=CONVEX).numpy()[:, 0] for each in (X, unseen))
    natural = float(np.quantile(y, 0.3))
    fit = script["LeastSquares"](X * passes, y, natural, 0.01, 1.0, np.arange(len(X)) % 5)
    assert fit.floor(2.0) == pytest.approx(natural - 2.0 * (natural - y.min()))
    found = {name: torch.as_tensor(value)[None] for name, value in fit.parameters().items()}
    assert found["floor"] < y.min()
    assert all((found[name] >= 0.0).all() for name in ("alpha", "beta"))
    predicted = epochs(torch.as_tensor(unseen * passes), found, harm=CONVEX).numpy()[:, 0]
    assert np.square(predicted - true).mean() < 1e-3 * true.var()
    # A constant, which has no law to find, is predicted as a constant.
    flat = script["LeastSquares"](X * passes, np.full(80, 2.0), 2.0, 0.01, 1.0, np.arange(len(X)) % 5)
    assert np.allclose(flat.amplitudes(flat.best(), flat.features(flat.best()), y > 0.0)[0], 0.0)
