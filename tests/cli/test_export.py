"""``bomix export`` and ``bomix recommend --format``: a mixture out, in a trainer's own form."""

from __future__ import annotations

import json
import math
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from bomix.cli.export import chosen, single
from bomix.errors import ConfigError
from bomix.study.study import Study
from tests.cli.called import called

pytestmark = pytest.mark.usefixtures("short_chains")

STUDY = """
domains: {books: {tokens: 3B}, code: {tokens: 20B}, web: {tokens: 200B}}
metrics: [books, code]
target: {tokens: 20B}
strategy: {kind: bayesian}
"""
RUNS = ((0.2, 0.3, 0.5), (0.6, 0.2, 0.2), (0.1, 0.8, 0.1), (0.3, 0.3, 0.4), (0.5, 0.0, 0.5), (0.0, 0.4, 0.6))
PATHS = ("--paths", "books=/d/books", "--paths", "code=/d/code", "--paths", "web=/d/web")


def made(folder: Path, text: str = STUDY, runs: tuple[tuple[float, ...], ...] = RUNS) -> Path:
    (folder / "study.yaml").write_text(text)
    opened = Study.open(folder)
    for run in runs:
        losses = {"books": 2 + math.exp(-4 * run[0]), "code": 2 + math.exp(-4 * run[1])}
        opened.add(dict(zip(("books", "code", "web"), run, strict=True)), losses)
    return folder


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("study"))


def test_the_recommendation_is_the_same_in_every_command(study: Path) -> None:
    runner = CliRunner()
    from bomix.cli.main import cli

    exported = runner.invoke(cli, ["export", str(study), "--format", "json"])
    said = runner.invoke(cli, ["recommend", str(study), "--format", "json"])
    best = json.loads(runner.invoke(cli, ["recommend", str(study), "--json"]).stdout)["weights"]
    assert json.loads(exported.stdout) == json.loads(said.stdout)
    assert json.loads(exported.stdout) == pytest.approx({name: share for name, share in best.items() if share > 0})
    assert "recommended" in exported.stderr
    assert "20B tokens" in exported.stderr


def test_a_trial_goes_to_megatron_with_passes_beside_it(study: Path) -> None:
    from bomix.cli.main import cli

    found = CliRunner().invoke(cli, ["export", str(study), "--trial", "1", "--format", "megatron", *PATHS])
    assert shlex.split(found.stdout) == ["--data-path", "0.6", "/d/books", "0.2", "/d/code", "0.2", "/d/web"]
    assert "4.00x" in found.stderr  # 12B of 3B tokens


def test_a_weight_of_zero_needs_no_path(study: Path) -> None:
    code, said = called("export", study, "--trial", 4, "--format", "megatron", *PATHS[:2], *PATHS[4:])
    assert code == 0
    assert "--data-path 0.5 /d/books 0.5 /d/web" in said


def test_a_file_or_a_folder_is_written_and_named(study: Path, tmp_path: Path) -> None:
    code, said = called("export", study, "--trial", 0, "--format", "yaml", "--out", tmp_path)
    assert code == 0
    assert said.endswith(f"wrote {tmp_path / 'mixture.yaml'}\n")
    code, said = called(
        "export", study, "--trial", 0, "--format", "csv", "--set", "rows=mixture", "--out", tmp_path / "a"
    )
    assert (tmp_path / "a").read_text() == "books,code,web\n0.2,0.3,0.5\n"
    assert called("predict", study, tmp_path / "a")[0] == 0


def test_the_run_can_be_another_than_the_studys_target(study: Path) -> None:
    code, said = called(
        "export", study, "--trial", 0, "--format", "streaming", *PATHS, "--tokens", "1M", "--sequence-length", 1000
    )
    assert code == 0
    assert "choose: 200" in said
    assert "1M tokens, sequences of 1000" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--format", "megatorn"), "error: --format: unknown format 'megatorn'; did you mean 'megatron'?"),
        (("--format", "megatron"), "books: it has a weight of 0.2 and no path; give --paths 'books=/data/books'"),
        (
            ("--format", "megatron", *PATHS, "--paths", "bokos=/x"),
            "the study has no domain 'bokos'; did you mean 'books'",
        ),
        (("--format", "json", "--set", "detail=true"), "format.detail: unknown key 'detail'; did you mean 'details'?"),
        (("--format", "json", "--set", "details"), "--set details: expected KEY=VALUE"),
        (("--format", "json", "--tokens", "many"), "--tokens many: expected a positive count"),
        (("--format", "json", "--paths", "no.yaml"), "--paths no.yaml: there is no such file"),
        (("--format", "hugging_face", *PATHS), "its weight is a share of documents, and how long they are is unknown"),
        (("--format", "json", "--out", "/no/where/x"), "--out /no/where/x: there is no folder /no/where"),
        (("--format", "json", "--front", "1"), "--trial and --front name two mixtures"),
    ],
)
def test_what_is_wrong_is_said_with_code_2(study: Path, arguments: tuple[str, ...], said: str) -> None:
    code, printed = called("export", study, "--trial", 0, *arguments)
    assert code == 2
    assert said in printed


def test_a_trial_or_a_front_that_is_not_there(study: Path) -> None:
    assert called("export", study, "--trial", 99, "--format", "json")[0] == 2
    opened = Study.open(study)
    with pytest.raises(ConfigError, match="--trial 99: the study has no such trial"):
        chosen(opened, trial=99, front=None)
    with pytest.raises(ConfigError, match="the study's objective is no trade-off"):
        single(opened.recommend(), front=1)


def test_options_that_belong_together(study: Path) -> None:
    assert called("recommend", study, "--json", "--format", "json")[0] == 2
    code, said = called("recommend", study, "--paths", "web=/x")
    assert (code, "give --format as well" in said) == (2, True)


def test_before_any_result_there_is_nothing_to_export(tmp_path: Path) -> None:
    code, said = called("export", made(tmp_path, runs=()), "--format", "json")
    assert code == 2
    assert "no trial" in said.lower()


def test_without_a_target_the_tokens_are_asked_for(tmp_path: Path) -> None:
    folder = made(tmp_path, STUDY.replace("target: {tokens: 20B}", ""), RUNS[:1])
    code, said = called("export", folder, "--trial", 0, "--format", "megatron", *PATHS)
    assert code == 2
    assert "how many tokens the run trains on is unknown" in said
    assert called("export", folder, "--trial", 0, "--format", "megatron", *PATHS, "--tokens", "20B")[0] == 0
    assert called("export", folder, "--trial", 0, "--format", "json")[0] == 0


def test_a_trade_off_has_no_single_answer(tmp_path: Path) -> None:
    trade = "objective: {kind: pareto, groups: {long: [books], short: [code]}}\n"
    folder = made(tmp_path, STUDY + trade)
    code, said = called("export", folder, "--format", "json")
    assert code == 2
    assert "choose one with `bomix export --front ROW`" in said
    assert called("export", folder, "--format", "json", "--front", 1)[0] == 0
    code, said = called("export", folder, "--format", "json", "--front", 999)
    assert (code, "the front has" in said) == (2, True)
