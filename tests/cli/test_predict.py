"""``bomix predict``: a table in, the same table and what is predicted out."""

from __future__ import annotations

import csv
import io
import math
import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from bomix.cli.main import cli
from bomix.cli.predict import objective_label
from bomix.errors import BomixError, FaultsError
from bomix.study.study import Study

pytestmark = pytest.mark.usefixtures("short_chains")

STUDY = """
domains: {books: {}, code: {}, web: {}}
metrics:
  books: {}
  code: {}
  accuracy: {unit: share, direction: max}
strategy: {kind: bayesian}
"""
MIXTURES = """note,web,code,books
"half, half",0.5,0.5,0
b,0.1,0.2,0.70
,0.333,0.333,0.333
a,0.25,0.25,0.5
"""
RUNS = ((0.2, 0.3, 0.5), (0.6, 0.2, 0.2), (0.1, 0.8, 0.1), (0.3, 0.3, 0.4), (1.0, 0.0, 0.0), (0.0, 0.4, 0.6))


def losses(books: float, code: float, web: float) -> dict[str, float]:
    return {
        "books": 2 + math.exp(-4 * books),
        "code": 2 + math.exp(-4 * code),
        "accuracy": 0.5 + 0.3 * math.sqrt(web),
    }


@pytest.fixture
def study(tmp_path: Path) -> Path:
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "mixtures.csv").write_text(MIXTURES)
    opened = Study.open(tmp_path)
    for run in RUNS:
        opened.add(dict(zip(("books", "code", "web"), run, strict=True)), losses(*run))
    return tmp_path


def call(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], catch_exceptions=True)


def test_rows_and_columns_are_kept_and_predictions_follow(study: Path) -> None:
    done = call("predict", study, study / "mixtures.csv", "--out", study / "out.csv")
    assert done.exit_code == 0, done.output
    assert "4 mixtures" in done.output
    rows = list(csv.DictReader(io.StringIO((study / "out.csv").read_text("utf-8"))))
    given = list(csv.DictReader(io.StringIO(MIXTURES)))
    added = [
        f"{name}_{each}"
        for name in ("books", "code", "accuracy", "objective")
        for each in ("mean", "sd", "lower", "upper")
    ]
    assert list(rows[0]) == ["note", "web", "code", "books", *added]
    assert [{name: row[name] for name in given[0]} for row in rows] == given
    mixtures = [{name: float(row[name]) for name in ("web", "code", "books")} for row in given]
    expected = Study.open(study).predict(mixtures)
    for name in ("books", "code", "accuracy"):
        for each in ("mean", "sd", "lower", "upper"):
            got = [float(row[f"{name}_{each}"]) for row in rows]
            np.testing.assert_array_equal(got, expected[each].sel(metric=name))
    for each in ("mean", "sd", "lower", "upper"):
        got = [float(row[f"objective_{each}"]) for row in rows]
        np.testing.assert_array_equal(got, expected[f"objective_{each}"])


def test_an_accuracy_counts_with_the_other_sign(study: Path) -> None:
    (row, *_) = csv.DictReader(io.StringIO(call("predict", study, study / "mixtures.csv").stdout))
    parts = [float(row[f"{name}_mean"]) for name in ("books", "code", "accuracy")]
    assert float(row["objective_mean"]) == pytest.approx((parts[0] + parts[1] - parts[2]) / 3)
    assert float(row["accuracy_lower"]) < parts[2] < float(row["accuracy_upper"])


def test_without_out_the_table_is_printed_and_nothing_is_written(study: Path) -> None:
    before = sorted(os.listdir(study))
    printed = call("predict", study / "study.yaml", study / "mixtures.csv")
    assert sorted(os.listdir(study)) == before
    call("predict", study, study / "mixtures.csv", "--out", study / "out.csv")
    assert printed.stdout == (study / "out.csv").read_text("utf-8")


def test_the_table_of_mixtures_is_never_overwritten(study: Path) -> None:
    os.link(study / "mixtures.csv", study / "also.csv")
    for out in (study / "mixtures.csv", study / "." / "also.csv"):
        refused = call("predict", study, study / "mixtures.csv", "--out", out)
        assert isinstance(refused.exception, BomixError)
        assert "choose another file" in str(refused.exception)
    assert (study / "mixtures.csv").read_text() == MIXTURES


def test_an_older_table_is_replaced_as_a_whole(study: Path) -> None:
    (study / "out.csv").write_text("old\n" * 10_000)
    assert call("predict", study, study / "mixtures.csv", "--out", study / "out.csv").exit_code == 0
    assert "old" not in (study / "out.csv").read_text()


def test_every_bad_row_is_named_with_its_line_and_nothing_is_written(study: Path) -> None:
    (study / "mixtures.csv").write_text("web,code,books\n0.5,0.5,0\n0.5,0.5,0.5\n0.5,half,0\n\n0.5,0.6,-0.1\n")
    refused = call("predict", study, study / "mixtures.csv", "--out", study / "out.csv")
    assert isinstance(refused.exception, FaultsError)
    message = str(refused.exception)
    for expected in ("mixtures.csv:3", "mixtures.csv:4", "mixtures.csv:6", "sum to 1.5", "'half'"):
        assert expected in message
    assert "mixtures.csv:2" not in message
    assert not (study / "out.csv").exists()


def test_a_table_that_has_predictions_already_is_refused(study: Path) -> None:
    call("predict", study, study / "mixtures.csv", "--out", study / "out.csv")
    refused = call("predict", study, study / "out.csv")
    assert isinstance(refused.exception, FaultsError)
    assert "'books_mean'" in str(refused.exception)
    assert "'objective_upper'" in str(refused.exception)


def test_a_folder_that_is_not_there_is_said_before_anything_is_fitted(study: Path) -> None:
    refused = call("predict", study, study / "mixtures.csv", "--out", study / "no" / "out.csv")
    assert isinstance(refused.exception, BomixError)
    assert "there is no folder" in str(refused.exception)


def test_an_empty_study_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "mixtures.csv").write_text(MIXTURES)
    refused = call("predict", tmp_path, tmp_path / "mixtures.csv")
    assert isinstance(refused.exception, BomixError)
    assert "add runs" in str(refused.exception)


def test_a_metric_called_objective_keeps_its_name(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(STUDY.replace("accuracy:", "objective:"))
    (tmp_path / "mixtures.csv").write_text(MIXTURES)
    opened = Study.open(tmp_path)
    for run in RUNS:
        books, code, web = losses(*run).values()
        opened.add(
            dict(zip(("books", "code", "web"), run, strict=True)), {"books": books, "code": code, "objective": web}
        )
    done = call("predict", tmp_path, tmp_path / "mixtures.csv")
    assert "'study_objective'" in done.stderr
    (row, *_) = csv.DictReader(io.StringIO(done.stdout))
    parts = [float(row[f"{name}_mean"]) for name in ("books", "code", "objective")]
    assert float(row["study_objective_mean"]) == pytest.approx((parts[0] + parts[1] - parts[2]) / 3)
    assert objective_label(["objective", "study_objective"]) == "study_study_objective"
    assert objective_label(["loss"]) == "objective"
