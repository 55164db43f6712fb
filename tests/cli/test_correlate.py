"""``bomix correlate``: what it prints, writes and refuses."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from bomix.cli.correlate import correlate
from bomix.config.sections import MetricSpec
from bomix.errors import StudyError
from bomix.study.study import Study

STUDY = """
domains: {books: {}, code: {}, web: {}}
metrics:
  books: {}
  code: {}
  flat: {}
  accuracy: {unit: share, direction: max}
objective: {kind: mean, metrics: [books, accuracy]}
"""


def filled(folder: Path, n: int = 12) -> Path:
    (folder / "study.yaml").write_text(STUDY)
    opened = Study.open(folder)
    for books, code, web in np.random.default_rng(0).dirichlet(np.ones(3), size=n):
        losses = {"books": 2 + math.exp(-4 * books), "code": 2 + math.exp(-4 * code), "flat": 1.0}
        opened.add({"books": books, "code": code, "web": web}, {**losses, "accuracy": 0.5 + 0.3 * math.sqrt(books)})
    return folder


def call(*arguments: object) -> Result:
    return CliRunner().invoke(correlate, [str(argument) for argument in arguments], catch_exceptions=True)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return filled(tmp_path)


def test_a_table_and_three_files_in_the_study(study: Path) -> None:
    done = call(study)
    assert done.exit_code == 0, done.output
    for expected in ("objective", "accuracy", "1.00 [", "12 trials", "accuracies are turned", "too few: flat"):
        assert expected in done.output
    assert (study / "correlations.png").read_bytes().startswith(b"\x89PNG")
    assert (study / "correlations.md").read_text().startswith("12 trials")
    rows = list(csv.DictReader((study / "correlations.csv").read_text().splitlines()))
    assert len(rows) == 4 * 5
    assert {row["role"] for row in rows} == {"objective", "accuracy", "loss"}
    assert all(row["rho"] == "" for row in rows if "flat" in (row["metric"], row["other"]))


def test_the_files_go_where_they_are_wanted(study: Path) -> None:
    assert call(study / "study.yaml", "--out", study / "new" / "report").exit_code == 0
    names = {path.name for path in (study / "new" / "report").iterdir()}
    assert names == {"correlations.png", "correlations.md", "correlations.csv"}
    assert not (study / "correlations.png").exists()


def test_json_holds_every_pair_and_writes_nothing(study: Path) -> None:
    data = json.loads(call(study, "--json").output)
    pairs = {(pair["metric"], pair["other"]): pair for pair in data["pairs"]}
    assert data["trials"] == 12
    assert pairs["books", "accuracy"]["rho"] == pytest.approx(1.0)
    assert pairs["flat", "objective"]["rho"] is None
    assert pairs["code", "books"]["n"] == 12
    assert not (study / "correlations.png").exists()


def test_many_scores_are_shown_without_their_intervals(tmp_path: Path) -> None:
    names = [f"task {index}" for index in range(5)]
    opened = Study(["a", "b"], {name: MetricSpec(direction="max") for name in names}, path=tmp_path / "study")
    rng = np.random.default_rng(1)
    for share in rng.uniform(size=10):
        opened.add({"a": share, "b": 1 - share}, dict(zip(names, rng.normal(9.0, size=5).tolist(), strict=True)))
    from bomix.cli.correlate import notes, table
    from bomix.report.correlation import correlate, scores_of

    found = correlate(opened.dataset, scores=scores_of(opened.problem, opened.dataset))
    cells = [text for column in table(found).columns[1:-1] for text in column.cells]
    assert any(text.startswith("(") for text in cells)
    assert not any("[" in text for text in cells)
    assert notes(found)[0].startswith("in brackets")


def test_a_study_without_enough_trials_says_so_and_writes_nothing(tmp_path: Path) -> None:
    refused = call(filled(tmp_path, n=3))
    assert isinstance(refused.exception, StudyError)  # the command line exits with 2 on it
    assert "completed trials of 3 mixtures" in str(refused.exception)
    assert not (tmp_path / "correlations.png").exists()
