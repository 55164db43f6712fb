"""Asking and telling by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bomix.cli.detached import ask, tell
from bomix.study.study import Study

STUDY = "domains: {code: {}, web: {}}\nmetrics: {loss: {}, other: {}}\nstrategy: sobol\n"


def test_what_is_asked_can_be_told_and_gaps_are_named(tmp_path):
    (tmp_path / "study.yaml").write_text(STUDY)
    asked = CliRunner().invoke(ask, [str(tmp_path), "-n", "2", "--out", str(tmp_path / "out")])
    assert asked.exit_code == 0, asked.output
    files = [json.loads((tmp_path / "out" / f"{number}.json").read_text()) for number in range(2)]
    assert [data["trial"] for data in files] == [0, 1]
    assert all(abs(sum(data["weights"].values()) - 1.0) < 1e-9 for data in files)
    (tmp_path / "result.json").write_text('{"losses": {"loss": 2.5, "other": null}}')
    told = CliRunner().invoke(tell, [str(tmp_path), "1", str(tmp_path / "result.json")])
    assert told.exit_code == 0, told.output
    assert "(not measured: other)" in told.output
    history = Study.open(tmp_path).history
    assert [record.trial.id for record in history.pending] == [0]
    assert dict(history.records[1].result.losses) == {"loss": 2.5}


def asked(folder: Path, **text: str) -> Study:
    (folder / "study.yaml").write_text(STUDY)
    for name, content in text.items():
        (folder / f"{name}.json").write_text(content)
    study = Study.open(folder)
    study.ask()
    return study


def test_a_failure_is_told_in_words_or_in_a_file(tmp_path: Path) -> None:
    study = asked(tmp_path, failure='{"failure": "loss diverged at step 800"}')
    study.ask()
    told = CliRunner().invoke(tell, [str(tmp_path), "0", "--failed", "out of memory"])
    assert told.output == "trial 0: failed (out of memory)\n"
    told = CliRunner().invoke(tell, [str(tmp_path), "1", str(tmp_path / "failure.json")])
    assert told.output == "trial 1: failed (loss diverged at step 800)\n"
    history = study.history
    assert [getattr(record.outcome, "message", "") for record in history.failed] == [
        "out of memory",
        "loss diverged at step 800",
    ]
    assert not history.pending


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"failure": ""}', "failure: expected the reason as text, found ''"),
        ('{"failure": 3}', "failure: expected the reason as text, found 3"),
        ('{"failure": "x", "losses": {"loss": 2}}', "stands beside losses"),
        (
            '{"losses": {"loss": NaN, "other": 1}}',
            "null says that it was not measured, a failure that the run diverged",
        ),
        ('{"losses": {"loss": Infinity, "other": 1}}', "a failure that the run diverged"),
        ('{"losses": {"loss": 2}}', "bomix tell --partial"),
        ('{"losses": {"los": 2}}', "unknown name 'los'"),
    ],
)
def test_what_is_neither_result_nor_failure_is_refused(tmp_path: Path, content: str, said: str) -> None:
    study = asked(tmp_path, result=content)
    done = CliRunner().invoke(tell, [str(tmp_path), "0", str(tmp_path / "result.json")])
    assert said in str(done.exception)
    assert len(study.history.pending) == 1


def test_a_partial_result_is_told_and_its_gaps_are_named(tmp_path: Path) -> None:
    study = asked(tmp_path, result='{"losses": {"loss": 2.5}}', typo='{"losses": {"los": 2.5}}', none='{"losses": {}}')
    for name, said in (("typo", "unknown name 'los'"), ("none", "no metric was measured")):
        done = CliRunner().invoke(tell, [str(tmp_path), "0", str(tmp_path / f"{name}.json"), "--partial"])
        assert said in str(done.exception)
    told = CliRunner().invoke(tell, [str(tmp_path), "0", str(tmp_path / "result.json"), "--partial"])
    assert "(not measured: other)" in told.output
    assert study.history.records[0].result.unmeasured == ("other",)


@pytest.mark.parametrize("given", [[], ["result.json", "--failed", "x"], ["--failed", " "]])
def test_a_result_or_a_failure_is_wanted(tmp_path: Path, given: list[str]) -> None:
    asked(tmp_path)
    assert CliRunner().invoke(tell, [str(tmp_path), "0", *given]).exit_code == 2


def test_an_objective_of_any_size_is_told_in_a_few_characters(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("domains: {a: {}, b: {}}\nmetrics: {loss: {unit: mine}}\nstrategy: sobol\n")
    Study.open(tmp_path).ask()
    (tmp_path / "r.json").write_text('{"losses": {"loss": 1e300}}')
    done = CliRunner().invoke(tell, [str(tmp_path), "0", str(tmp_path / "r.json")])
    assert done.exit_code == 0
    assert done.output.splitlines()[-1] == "trial 0: objective 1e+300"
