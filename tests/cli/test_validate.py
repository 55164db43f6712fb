"""``bomix validate``: what it prints, draws and refuses."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from bomix.cli.main import cli
from bomix.cli.validate import moved, notes
from bomix.errors import BomixError
from bomix.study.study import Study
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.models.hyperparameter import Hyperparameter

pytestmark = pytest.mark.usefixtures("short_chains")

STUDY = """
domains: {books: {}, code: {}, web: {}}
metrics:
  books: {}
  code: {}
  accuracy: {unit: share, direction: max}
strategy: {kind: bayesian}
"""


RUNS = 8


@pytest.fixture
def study(tmp_path: Path) -> Path:
    (tmp_path / "study.yaml").write_text(STUDY)
    opened = Study.open(tmp_path)
    rng = np.random.default_rng(0)
    for books, code, web in rng.dirichlet(np.ones(3), size=RUNS):
        opened.add(
            {"books": books, "code": code, "web": web},
            {
                "books": 2 + math.exp(-4 * books),
                "code": 2 + math.exp(-4 * code),
                "accuracy": 0.5 + 0.3 * math.sqrt(web),
            },
        )
    return tmp_path


def call(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], catch_exceptions=True)


def test_a_table_how_it_was_computed_and_a_figure(study: Path) -> None:
    done = call("validate", study)
    assert done.exit_code == 0, done.output
    for expected in ("Spearman", "RMSE", "MSE", "NLPD", "inside 95 %", "objective", "accuracy (share, higher", "gp: "):
        assert expected in done.output
    assert (study / "validation.png").read_bytes().startswith(b"\x89PNG")
    assert f"figure: {study / 'validation.png'}" in done.output
    assert not list(study.glob(".*.tmp"))


def test_json_holds_scores_and_predictions_and_draws_nothing(study: Path) -> None:
    done = call("validate", study, "--json")
    data = json.loads(done.output)
    found = Study.open(study).validate()
    assert data["description"] == found.attrs["description"]
    assert data["objective"]["spearman"] == pytest.approx(found["objective_spearman"].item())
    assert data["metrics"]["accuracy"]["n"] == RUNS
    assert data["metrics"]["accuracy"]["nlpd"] == pytest.approx(found["nlpd"].sel(metric="accuracy").item())
    assert len(data["trials"]) == RUNS
    first = data["trials"][0]
    signed = [first["metrics"][name]["mean"] for name in ("books", "code", "accuracy")] @ np.array([1, 1, -1])
    assert first["objective"]["mean"] == pytest.approx(signed / 3)
    assert not (study / "validation.png").exists()


@pytest.mark.parametrize(("name", "start"), [("a.png", b"\x89PNG"), ("a.pdf", b"%PDF"), ("a.svg", b"<?xml")])
def test_the_figure_goes_where_and_becomes_what_its_name_says(study: Path, name: str, start: bytes) -> None:
    done = call("validate", study / "study.yaml", "--figure", study / name, "--json")
    assert json.loads(done.output)
    assert (study / name).read_bytes().startswith(start)
    assert not (study / "validation.png").exists()


def test_another_surrogate_may_be_looked_at(study: Path) -> None:
    assert "gp: " in call("validate", study, "--surrogate", "gp").output
    assert json.loads(call("validate", study, "--surrogate", "gp", "--json").output)["surrogate"] == "gp"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--surrogate", "pg"], "unknown surrogate kind 'pg'"),
        (["--figure", "picture.gif"], ".png, .pdf, .svg"),
        (["--figure", "nowhere/picture.png"], "there is no folder nowhere"),
        (["--surrogate", f"{__name__}:Needy"], "size"),
    ],
)
def test_what_cannot_be_done_is_said_first(study: Path, arguments: list[str], expected: str) -> None:
    refused = call("validate", study, *arguments)
    assert isinstance(refused.exception, BomixError)
    assert expected in str(refused.exception)


class Needy:
    def __init__(self, size: int) -> None:
        self.size = size


def test_an_empty_study_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(STUDY)
    refused = call("validate", tmp_path)
    assert isinstance(refused.exception, BomixError)
    assert "add runs" in str(refused.exception)


def test_a_single_trial_has_dashes_where_nothing_can_be_said(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(STUDY)
    Study.open(tmp_path).add({"books": 0.2, "code": 0.3, "web": 0.5}, {"books": 2.0, "code": 2.5, "accuracy": 0.6})
    done = call("validate", tmp_path)
    assert done.exit_code == 0, done.output
    assert " - " in done.output
    assert json.loads(call("validate", tmp_path, "--json").output)["objective"]["spearman"] is None


def test_intervals_that_do_not_hold_are_named(study: Path) -> None:
    found = Study.open(study).validate(surrogate=GP())
    found["coverage"][:] = [0.5, 0.95, 0.95]
    found["coverage_se"][:] = 0.1
    found["objective_coverage"] = 0.9
    (_, narrow) = notes(found)
    assert narrow.startswith("95 % intervals too narrow")
    assert narrow.endswith(": books")


def test_verbose_tells_hyperparameters_by_name_in_80_columns(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bomix.cli.tables.PLAIN_WIDTH", 80)
    done = call("validate", study, "-vv", "--figure", study / "figure.png")
    assert done.exit_code == 0, done.output
    table = done.output[done.output.index("hyperparameters of the model") :]
    for name in ("1.lengthscale[web]", "2.effective_weight.share[code]", "2.noise"):
        assert name in table
    assert all(len(line) <= 80 for line in table.splitlines() if "figure" not in line)
    assert "hyperparameters" not in call("validate", study, "--figure", study / "figure.png").output


def test_only_noise_and_what_the_trials_moved_is_told_first() -> None:
    rows = [
        Hyperparameter("code", "noise", 0.02, 0.02),
        Hyperparameter("code", "lengthscale[web]", 3.0, 2.0),
        Hyperparameter("code", "lengthscale[code]", 0.9, 2.0),
        Hyperparameter("code", "2.stationary.variance", 4.1, 2.0),
    ]
    assert moved(rows) == [rows[0], rows[2], rows[3]]
