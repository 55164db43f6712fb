"""``bomix transfer``: what it prints, writes and refuses; and what ``bomix recommend`` says of its scale."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from bomix.study.study import Study
from tests.cli.called import called

STUDY = """
domains: {books: {}, code: {}, web: {}}
metrics: {books: {}, web: {}}
strategy: {kind: bayesian, surrogate: {kind: ridge}}
scales:
  small: {params: 1M, tokens: 50M}
  large: {params: 10M, tokens: 500M}
"""


def filled(folder: Path, *, small: int = 20, large: int = 10, text: str = STUDY, apart: float = 0.0) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "study.yaml").write_text(text)
    opened = Study.open(folder)
    mixtures = np.random.default_rng(0).dirichlet(np.ones(3), size=20)
    other = np.random.default_rng(1).normal(size=20)
    for scale, count, base in (("small", small, 4.0), ("large", large, 3.0)):
        for (books, code, web), noise in zip(mixtures[:count], other, strict=False):
            shift = apart * noise if scale == "large" else 0.0
            losses = {"books": base + np.exp(-4 * books) + shift, "web": base + np.exp(-4 * web)}
            opened.add({"books": books, "code": code, "web": web}, losses, scale=scale)
    return folder


def test_tables_a_verdict_and_three_files(tmp_path: Path) -> None:
    study = filled(tmp_path)
    code, printed = called("transfer", study)
    assert code == 0, printed
    for expected in ("large (target)", "rank correlation", "the best mixture of each scale", "half as wide", "FLOPs"):
        assert expected in printed
    assert max(map(len, printed.split("all pairs:")[0].splitlines())) <= 120
    tables = [line for line in printed.splitlines() if line.startswith(("┃", "│"))]
    assert max(map(len, tables)) <= 80
    assert (study / "transfer.png").read_bytes().startswith(b"\x89PNG")
    assert (study / "transfer.md").read_text().startswith("- 'small' orders mixtures as 'large' does: ")
    rows = list(csv.DictReader((study / "transfer.csv").read_text().splitlines()))
    assert [row["column"] for row in rows] == ["objective", "books", "web"]
    assert float(rows[0]["rho"]) == pytest.approx(1.0)
    assert rows[0]["ceiling"] == ""


def test_json_holds_all_of_it_and_writes_nothing(tmp_path: Path) -> None:
    study = filled(tmp_path)
    data = json.loads(called("transfer", study, "--json")[1])
    assert (data["target"], data["reference"], data["unit"]) == ("large", "large", "FLOPs")
    assert data["agreements"][0]["rank"]["n"] == 10
    assert data["verdicts"][0]["state"] == "decides"
    assert [each["scale"] for each in data["outlook"]["optima"]] == ["small", "large"]
    assert data["said"][0].startswith("'small' orders mixtures")
    assert not (study / "transfer.png").exists()


def test_the_files_go_where_they_are_wanted(tmp_path: Path) -> None:
    assert called("transfer", filled(tmp_path / "study"), "--out", tmp_path / "a" / "b")[0] == 0
    assert {path.name for path in (tmp_path / "a" / "b").iterdir()} == {
        f"transfer.{end}" for end in ("md", "csv", "png")
    }


def test_stated_costs_are_no_flops(tmp_path: Path) -> None:
    text = STUDY.replace("50M}", "50M, cost: 1}").replace("500M}", "500M, cost: 20}")
    assert "units of 'cost'" in called("transfer", filled(tmp_path, text=text))[1]


@pytest.mark.parametrize(
    ("small", "large", "words"),
    [
        (20, 0, "all runs are of 'small': run some of their mixtures at 'large'"),
        (20, 1, "only 1 mixture ran at both"),
        (0, 10, "all runs are of 'large'"),
    ],
)
def test_little_is_stated(tmp_path: Path, small: int, large: int, words: str) -> None:
    code, printed = called("transfer", filled(tmp_path, small=small, large=large))
    assert code == 0, printed
    assert words in printed


def test_a_study_without_runs_and_one_of_one_scale_are_refused(tmp_path: Path) -> None:
    code, printed = called("transfer", filled(tmp_path / "none", small=0, large=0))
    assert code == 2
    assert "no trial has come back yet" in printed
    text = STUDY[: STUDY.index("scales:")]
    (tmp_path / "one").mkdir()
    for named in ("", "scales: {only: {params: 1M, tokens: 50M}}\n"):  # named for the tokens of its runs, say
        (tmp_path / "one" / "study.yaml").write_text(text + named)
        code, printed = called("transfer", tmp_path / "one")
        assert code == 2
        assert "the study has one scale" in printed
        assert "`scales: {small:" in printed


def test_recommend_says_at_which_scale_and_warns_on_top_where_scales_disagree(tmp_path: Path) -> None:
    code, printed = called("recommend", filled(tmp_path, large=20, apart=2.0))
    assert code == 0, printed
    first = printed.splitlines()[0]
    assert first.startswith(("scales 'small' and 'large' order mixtures differently", "less than even odds"))
    assert "at scale 'large' (10M params x 500M tokens)" in printed
    assert printed.count("order mixtures differently") == 1
