"""``study.plot``, what a study looks like in a notebook, and the page that a run keeps."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

import bomix
from bomix.errors import StudyError
from bomix.report.figures.catalogue import drawable
from bomix.report.html import page
from bomix.study import reporting, shown
from bomix.study.plots import Plots
from bomix.study.study import Study

RUN = """
domains: {a: {}, b: {}}
evaluator: {kind: synthetic, family: additive, domains: [a, b], noise: 0.01}
budget: {trials: 2}
strategy: sobol
report: true
"""


@pytest.fixture(scope="module")
def study() -> Study:
    made = bomix.Study(["<a>", "b", "c"], ["<a>"])
    for point in made.problem.space.sobol(6, seed=0):
        made.add(made.problem.space.to_weights(point), {"<a>": float(2.0 + point[0] ** 2)})
    return made


def test_figures_are_plotly_figures_made_once_for_a_record(study: Study) -> None:
    import plotly.graph_objects as go

    figures = [
        study.plot.weights(),
        study.plot.gains(),
        study.plot.history(),
        study.plot.parallel(),
        study.plot.ternary(["c", "b", "<a>"]),
        study.plot.effects(),
        study.plot.slices("<a>", ["b"]),
        study.plot.own_weight(),
        study.plot.held_out("<a>"),
    ]
    assert all(isinstance(figure, go.Figure) for figure in figures)
    assert isinstance(study.plot, Plots)
    assert study.plot._findings() is study.plot._findings()
    with pytest.raises(StudyError, match="no trial has kept its losses"):
        study.plot.curves()
    with pytest.raises(StudyError, match="several groups"):
        study.plot.front()
    with pytest.raises(StudyError, match="no trial has told its cost"):
        study.plot.cost()
    with pytest.raises(StudyError, match="correlations"):
        study.plot.correlations()
    with pytest.raises(StudyError, match="no metric 'd'"):
        study.plot.slices("d")
    with pytest.raises(StudyError, match="three domains"):
        study.plot.ternary(["a", "b", "c"])


def test_reprs_are_short_and_html_shows_names_as_they_are(study: Study) -> None:
    assert repr(study).startswith("Study(in memory: 3 domains, 1 metric, 6 completed, best observed 2.")
    trial = study.history.completed[0].trial
    assert repr(trial).startswith("Trial(0, imported, seed 0: ")
    best = study.recommend()
    assert "from 6 trials)" in repr(best)
    for each in (study, trial, best):
        made = each._repr_html_()
        assert "&lt;a&gt;" in made
        assert "<a>" not in made
    table = best.to_pandas()
    assert table["weight"].to_dict() == pytest.approx(dict(best.weights))
    assert (table["nearly_as_good_from"] <= table["nearly_as_good_to"]).all()
    assert "completed" in shown.study_line(bomix.Study(["a", "b"], ["x"]).records)


def test_a_run_keeps_its_page_where_the_study_file_asks_for_it(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(RUN)
    Study.open(tmp_path).run()
    written = (tmp_path / reporting.REPORT_FILE).read_text(encoding="utf-8")
    assert "2 trials completed" in written


def test_figures_are_listed_and_a_misspelt_one_is_told(study: Study) -> None:
    assert repr(study.plot).startswith("Plots(weights, gains, front, history")
    with pytest.raises(AttributeError, match="no figure 'wieghts'; did you mean 'weights'"):
        study.plot.wieghts  # type: ignore[attr-defined]  # noqa: B018


def test_whatever_the_page_raises_ends_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise np.linalg.LinAlgError("Singular matrix")

    monkeypatch.setattr(reporting, "save_page", broken)
    (tmp_path / "study.yaml").write_text(RUN)
    with caplog.at_level(logging.WARNING, "bomix.study.running"):
        Study.open(tmp_path).run()
    assert len(Study.open(tmp_path).history.completed) == 2
    logged = [each for each in caplog.records if "(LinAlgError: Singular matrix)" in each.getMessage()]
    assert len(logged) >= 2  # after a trial, and at the end
    assert [bool(each.exc_info) for each in logged] == [True] + [False] * (len(logged) - 1)


def test_trials_without_an_objective_have_a_page() -> None:
    made = bomix.Study(["a", "b"], ["x", "y"])
    for share in (0.2, 0.5, 0.8):
        made.add({"a": share, "b": 1.0 - share}, {"x": 2.0 + share, "y": None})
    found = reporting.findings(made.records)
    names = [entry.name for entry in drawable(found)]
    assert not found.known.any()
    assert not {"history", "parallel", "ternary", "curves"} & {*names}
    assert "effects" in names
    assert found.spreads.tolist() == pytest.approx([1.0, np.std([0.2, 0.5, 0.8]), 1.0])
    assert "3 trials completed" in page(found)
