"""`bomix init --from-tables`: a study of runs that are there is two commands, and what it prints works."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pandas as pd
import pytest

from bomix.cli.drafted import import_command
from bomix.cli.reading_options import mapping_of, scale_columns_of
from bomix.config.study_file import load
from bomix.errors import FaultsError
from bomix.study.study import Study
from tests.cli.called import called

WEIGHTS = "index,train_the_pile_web,train_the_pile_code\n1,0.2,0.8\n2,0.5,0.5\n3,0.8,0.2\n"
LOSSES = "index,metric/the_pile_web_val_loss,metric/the_pile_code_val_loss\n1,3,2\n2,2.5,2.5\n3,2,3\n"


def begun(folder: Path, *arguments: object) -> tuple[Path, str]:
    """A study that was begun with a table; what was printed."""
    study = folder / "study of runs"
    code, printed = called("init", study, *arguments)
    assert code == 0, printed
    return study, printed


def follow(printed: str) -> str:
    """Give the command that was printed."""
    line = next(line for line in printed.splitlines() if line.strip().startswith("bomix import"))
    code, said = called(*shlex.split(line)[1:])
    assert code == 0, said
    return said


def test_two_tables_are_two_commands(tmp_path: Path) -> None:
    (tmp_path / "w.csv").write_text(WEIGHTS)
    (tmp_path / "l.csv").write_text(LOSSES)
    study, printed = begun(tmp_path, "--from-tables", tmp_path / "w.csv", tmp_path / "l.csv", "--target", "20B")
    assert "2 domains, 2 metrics, 2 of them with a domain of their own" in printed
    assert follow(printed) == "imported 3 runs (2 domains, 2 metrics), 0 already there\n"
    spec = load(study / "study.yaml")
    assert spec.own == {"web": "web", "code": "code"}
    assert spec.target is not None
    assert spec.target.tokens == 20e9
    code, line = called("export", study, "--format", "megatron", "--trial", 0, "--paths", "*=/data/{domain}_document")
    assert code == 0
    assert line.startswith("--data-path 0.8 /data/code_document 0.2 /data/web_document\n")


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("run,weight_web,weight_code,web_loss\na,0.2,0.8,2\nb,0.5,0.5,3\n", []),
        ("run;mx web;mx code;web loss;note\na;20,5;79,5;2,5;x\nb;50,0;50,0;3,5;y\n", ["--decimal-comma"]),
        ("hash,a,b,s\nx,3,1,2\ny,1,1,3\n", ["--id", "hash", "--map", "[ab]=weights.x", "--rescale"]),
        ("run,step,web,code,loss\na,1,0.2,0.8,3\na,2,0.2,0.8,2\n", ["--step", "last"]),
        ("run,size,web,code,loss\na,1M,0.2,0.8,3\nb,60M,0.2,0.8,2\n", ["--scale", "size"]),
        ("run,part,web,code,loss\na,x,0.2,0.8,3\nb,y,0.2,0.8,9\n", ["--where", "part=x"]),
    ],
)
def test_what_is_printed_records_the_runs_whatever_the_table(tmp_path: Path, text: str, options: list[str]) -> None:
    (tmp_path / "t t.csv").write_text(text)
    if "--map" in options:
        options = [
            *options[:2],
            "--map",
            "a=weights.web",
            "--map",
            "b=weights.code",
            "--map",
            "s=losses.s",
            "--rescale",
        ]
    study, printed = begun(tmp_path, "--from-tables", tmp_path / "t t.csv", *options)
    assert "the first of these commands will say" not in printed
    follow(printed)
    assert Study.open(study).history.completed


def test_what_an_import_will_refuse_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("run,step,web,code,loss\na,1,0.2,0.8,3\na,2,0.2,0.8,2\n")
    _, printed = begun(tmp_path, "--from-tables", tmp_path / "t.csv")
    assert "the first of these commands will say" in printed
    assert "--step last takes the last of each run" in printed


def test_a_study_file_is_never_overwritten_and_nothing_is_half_written(tmp_path: Path) -> None:
    (tmp_path / "w.csv").write_text(WEIGHTS)
    code, printed = called("init", tmp_path / "new", "--from-tables", tmp_path / "w.csv")
    assert code == 2
    assert "no column of losses or scores can be told" in printed
    assert not (tmp_path / "new").exists()
    (tmp_path / "study.yaml").write_text("mine")
    code, printed = called("init", tmp_path, "--from-tables", tmp_path / "w.csv", tmp_path / "w.csv")
    assert (code, (tmp_path / "study.yaml").read_text()) == (2, "mine")
    for given in (["--from-tables"], ["--target", "1T"], ["--id", "x"], ["--lm-eval", tmp_path]):
        assert called("init", tmp_path / "other", *given)[0] == 2, given


def test_options_are_read_together(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text("a: web\n")
    assert mapping_of(["b=c=code"], tmp_path / "m.yaml") == {"a": "web", "b=c": "code"}
    with pytest.raises(FaultsError, match="column 'a' is both 'web' and 'code'"):
        mapping_of(["a=code"], tmp_path / "m.yaml")
    assert scale_columns_of(["size", "tokens=seen"]) == {"params": "size", "tokens": "seen"}
    words = import_command(
        Path("a b"), {"--weights": Path("w")}, {"--map": ("x=y", "z=*"), "--percent": True, "--id": None}
    )
    assert words == "bomix import 'a b' --weights w --map x=y --map 'z=*' --percent"


@pytest.mark.slow
def test_published_tables_alone_lead_to_a_mixture_for_a_trainer(tmp_path: Path) -> None:
    if (data := os.environ.get("BOMIX_DATA")) is None:
        pytest.skip("BOMIX_DATA names no folder with regmix/ (github.com/sail-sg/regmix, folder data)")
    tables = []
    for name in ("train_mixture_1m", "train_pile_loss_1m"):
        tables.append(tmp_path / f"{name}.parquet")
        pd.read_csv(Path(data) / "regmix" / f"{name}.csv").to_parquet(tables[-1])
    study, printed = begun(tmp_path, "--from-tables", *tables, "--target", "100B")
    assert "17 domains, 13 metrics, 13 of them" in printed
    assert "imported 512 runs (17 domains, 13 metrics)" in follow(printed)
    assert called("recommend", study)[0] == 0
    code, line = called("export", study, "--format", "megatron", "--paths", "*=/data/{domain}")
    assert code == 0
    assert line.startswith("--data-path 0.")
