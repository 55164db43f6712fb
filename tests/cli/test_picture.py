"""The picture of a recommendation, drawn by ``bomix recommend`` and at the end of a search."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from bomix.cli.inspect import recommend
from bomix.cli.optimize import optimize
from bomix.cli.picture import FIGURE, picture
from bomix.errors import ConfigError
from bomix.history import History
from bomix.problem import Problem
from bomix.report.figures.recommendation import render
from bomix.study.study import Study
from bomix.surrogates.gp.spec import GP
from bomix.trial import Candidate

TEXT = """
domains: {a: {}, b: {}, c: {}}
evaluator: {kind: synthetic, family: additive, domains: [a, b, c], noise: 0.01}
budget: {trials: 4}
strategy: sobol
confirm: 2
"""


@dataclass(frozen=True)
class Uneven:
    """Every other trial at the smallest scale; which mixture does not matter."""

    surrogate: GP = GP(draws=0, restarts=1)

    def ask(self, problem: Problem, history: History, q: int, *, seed: int) -> list[Candidate]:
        scale = problem.scales[len(history) % 2].scale
        share = 0.1 + 0.2 * len(history)
        return [Candidate({"a": share, "b": 1 - share}, "uneven", scale)] * q


pytestmark = pytest.mark.usefixtures("short_chains_of_a_module")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("study")
    (made / "study.yaml").write_text(TEXT)
    result = CliRunner().invoke(optimize, [str(made), "--quiet"], catch_exceptions=False)
    assert result.output.splitlines()[-1] == f"figure: {made / FIGURE}"
    return made


def test_a_search_ends_with_a_picture_of_what_was_confirmed(folder: Path) -> None:
    assert (folder / FIGURE).read_bytes().startswith(b"\x89PNG")
    study = Study.open(folder)
    drawn = picture(study, study.recommend())
    assert [number for number, _ in drawn.trials] == list(range(4))
    assert drawn.designed == frozenset(range(4))
    assert {len(gain.differences) for gain in drawn.gains.values()} <= {2}
    assert next(iter(drawn.weights)) == "uniform"


def test_recommend_draws_where_it_is_told_to(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "it.svg"
    shown = CliRunner().invoke(recommend, [str(folder), "--figure", str(file)], catch_exceptions=False)
    assert shown.output.splitlines()[-1] == f"figure: {file}"
    assert "<svg" in file.read_text()


def test_a_prediction_is_drawn_where_nothing_was_confirmed(tmp_path: Path) -> None:
    study = Study(["a", "b"], metrics=["x"])
    for share in (0.1, 0.4, 0.6, 0.9):
        study.add({"a": share, "b": 1 - share}, {"x": 3 + (share - 0.3) ** 2})
    drawn = picture(study, study.recommend())
    assert drawn.trials == []
    gain = drawn.gains["uniform"]
    assert gain.differences == ()
    assert gain.interval[0] <= gain.mean <= gain.interval[1]
    assert gain.mean < 0


def test_trials_of_smaller_scales_than_the_target_are_not_drawn() -> None:
    scales = {"small": {"params": "1M", "tokens": "20M"}, "large": {"params": "10M", "tokens": "200M"}}
    study = Study(["a", "b"], metrics=["x"], scales=scales, strategy=Uneven())
    for loss in (5.0, 2.0, 4.9, 2.1):
        study.tell(study.ask(), {"x": loss})
    assert [study.problem.scale_name(record.trial.scale) for record in study.history.records] == ["small", "large"] * 2
    drawn = picture(study, study.recommend())
    assert drawn.trials == [(1, 2.0), (3, 2.1)]
    assert drawn.designed == frozenset()
    assert render(drawn, file_format="svg")


def test_a_name_without_a_format_and_a_folder_that_is_not_there_are_refused(folder: Path) -> None:
    wrong = CliRunner().invoke(recommend, [str(folder), "--figure", "it.gif"])
    assert isinstance(wrong.exception, ConfigError)
    assert "must end in .png, .pdf, .svg" in str(wrong.exception)
    assert CliRunner().invoke(recommend, [str(folder), "--figure", "no/where.png"]).exit_code != 0
