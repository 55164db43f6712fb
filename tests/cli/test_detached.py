"""Asking and telling by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bomix.cli.detached import ask, tell
from bomix.study.study import Study
from tests.cli.called import called

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


def test_what_goes_beyond_the_budget_is_said_once_wherever_that_begins(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(STUDY + "budget: {trials: 3}\n")
    beyond = "what is asked from now on goes beyond it"
    assert beyond not in called("ask", tmp_path, "-n", 2)[1]
    assert called("ask", tmp_path, "-n", 4)[1].count(beyond) == 1
    assert called("ask", tmp_path)[1].count(beyond) == 1


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


def folder_of(tmp_path: Path, *options: object, trials: int = 3) -> Path:
    """A folder of some trials that were asked for."""
    (tmp_path / "study.yaml").write_text(STUDY)
    code, printed = called("ask", tmp_path, "-n", trials, "--out", tmp_path / "out", *options)
    assert code == 0, printed
    return tmp_path / "out"


def test_a_folder_is_told_as_results_appear_and_the_exit_code_says_whether_all_is_well(tmp_path: Path) -> None:
    out = folder_of(tmp_path)
    assert called("tell", tmp_path, out) == (0, "no results; 3 still pending (0, 1, 2)\n")
    (out / "2.result.json").write_text('{"losses": {"loss": 2.0, "other": 3.0}}')
    (out / "1.result.json").write_text('{"losses": {"loss"')
    code, printed = called("tell", tmp_path, out)
    assert code == 0, printed
    assert "2.5000" in printed
    assert "it is not whole" in printed
    assert printed.splitlines()[-1] == "1 told, 1 left for later; 2 still pending (0, 1)"
    (out / "1.result.json").write_text('{"failure": "out of memory"}')
    (out / "0.result.json").write_text('{"losses": {"loss": 2.0}}')
    code, printed = called("tell", tmp_path, out)
    assert code == 2
    assert "1 failed, 1 told before, 1 refused; 1 still pending (0)" in printed
    assert printed.splitlines()[-1] == f"error: 1 of {out} cannot be recorded: 0.result.json; the table says why"
    assert called("tell", tmp_path, out, "--partial")[0] == 0
    assert called("tell", tmp_path, out, "--partial") == (0, "3 told before; none pending\n")


def test_trials_are_handed_out_in_further_formats_with_tokens_and_once_more(tmp_path: Path) -> None:
    out = folder_of(tmp_path, "--tokens", "1e6", "--format", "weights", "--format", "tokens")
    assert json.loads((out / "0.tokens.json").read_text()) == {"code": 500_000, "web": 500_000}
    assert json.loads((out / "0.weights.json").read_text()) == {"code": 0.5, "web": 0.5}
    first = (out / "1.json").read_bytes()
    (out / "1.json").unlink()
    study = Study.open(tmp_path)
    study.tell(0, {"loss": 1.0, "other": 1.0})
    code, printed = called("ask", tmp_path, "--out", out)
    assert (code, printed.splitlines()[-1]) == (0, f"pending without a file in {out}: 1; --pending writes one for each")
    assert called("ask", tmp_path, "--out", out, "--pending", "--tokens", "1e6")[0] == 0
    assert (out / "1.json").read_bytes() == first
    assert len(study.history.records) == 4, "nothing new was asked for"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ask", "--pending"), "name their folder with --out"),
        (("ask", "--format", "weights"), "name their folder with --out"),
        (("ask", "--out", "o", "--format", "tokens"), "nothing says how many tokens a run trains on"),
        (("ask", "--out", "o", "--tokens", "many"), "'many' is not a valid float range"),
        (("ask", "--out", "o", "--tokens", "nan"), "--tokens is no number"),
        (("tell", "nowhere"), "no folder nowhere; give the number of"),
        (("tell", "-1"), "No such option"),
        (("tell", "o", "r.json"), "is of one trial: give its number in the place of 'o'"),
        (("tell", "o", "--failed", "x"), "is of one trial"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.yaml").write_text(STUDY)
    code, printed = called(arguments[0], tmp_path, *arguments[1:])
    assert code == 2
    assert said in printed
    assert not Study.open(tmp_path).history.records


def test_a_folder_of_another_study_is_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    out = folder_of(tmp_path / "a")
    (tmp_path / "b/study.yaml").write_text(STUDY)
    assert "of another study" in called("ask", tmp_path / "b", "--out", out)[1]
    assert not Study.open(tmp_path / "b").history.records
    (out / "0.result.json").write_text('{"losses": {"loss": 2.0, "other": 3.0}}')
    Study.open(tmp_path / "b").ask()
    code, printed = called("tell", tmp_path / "b", out)
    assert code == 2
    assert "it is of a trial of another study" in " ".join(printed.split())
    assert not Study.open(tmp_path / "b").history.completed


def test_a_result_that_is_there_before_its_trial_is_not_taken_for_its_result(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("domains: {code: {}, web: {}}\nmetrics: [loss]\nstrategy: sobol\n")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/0.result.json").write_text('{"losses": {"loss": 9.0}}')
    code, printed = called("ask", tmp_path, "--out", tmp_path / "out")[:2]
    assert code != 0
    assert "is there before trial 0 was asked for; remove it" in " ".join(printed.split())
    assert not Study.open(tmp_path).history.all_records
