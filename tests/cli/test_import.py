"""``bomix import``: a whole table or nothing, and never a run twice."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from bomix.cli.main import cli
from bomix.scale import Scale
from bomix.study.study import Study

pytestmark = pytest.mark.usefixtures("short_chains")

DOMAINS = ("books", "code", "web")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study without an evaluator, and RegMix's layout beside it."""
    (tmp_path / "study.yaml").write_text("domains: {books: {}, code: {}, web: {}}\nmetrics: [code, web]\n")
    write(tmp_path, 12)
    return tmp_path


def write(folder: Path, runs: int) -> None:
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(3), runs).round(3)
    losses = 2 + np.exp(-4 * shares[:, 1:])
    header = ",".join(f"train_the_pile_{name}" for name in DOMAINS)
    rows = [",".join(map(str, (number, *row))) for number, row in enumerate(shares.tolist(), 1)]
    (folder / "w.csv").write_text("\n".join([f"index,{header}", *rows]) + "\n")
    header = ",".join(f"metric/the_pile_{name}_val_loss" for name in DOMAINS[1:])
    rows = [",".join(map(str, (number, *row))) for number, row in reversed(list(enumerate(losses.tolist(), 1)))]
    (folder / "l.csv").write_text("\n".join([f"index,{header}", *rows]) + "\n")


def arguments(study: Path) -> list[str]:
    return ["import", str(study), "--weights", str(study / "w.csv"), "--losses", str(study / "l.csv")]


def call(*given: object) -> Result:
    return CliRunner().invoke(cli, [str(each) for each in given], catch_exceptions=False)


def test_a_table_is_imported_once_and_the_study_goes_on_from_it(study: Path) -> None:
    assert call("check", study).exit_code == 0
    assert call(*arguments(study), "--id", "index").output == (
        "imported 12 runs (3 domains, 2 metrics), 0 already there\n"
    )
    assert call(*arguments(study)).output == "imported 0 runs (3 domains, 2 metrics), 12 already there\n"
    assert "0 of 20 trials completed, 0 pending, 0 failed, 12 imported" in call("status", study).output
    records = Study.open(study).history.records
    raw = np.loadtxt(study / "w.csv", delimiter=",", skiprows=1)[:, 1:]
    found = np.array([[record.trial.weights[name] for name in DOMAINS] for record in records])
    np.testing.assert_allclose(found, raw / raw.sum(axis=1, keepdims=True), atol=1e-15)
    for record, row in zip(records, raw, strict=True):
        assert record.result.losses["web"] == pytest.approx(2 + np.exp(-4 * row[2]))
    assert (study / "results.nc").exists()
    recommended = call("recommend", study)
    assert recommended.exit_code == 0
    assert "best" in recommended.output


def test_a_study_does_not_take_its_own_runs_in_again(study: Path) -> None:
    """All that is known would count twice."""
    assert call(*arguments(study)).exit_code == 0
    done = call("import", study, "--study", study / "study.yaml")
    assert (done.exit_code, "is the study that takes the runs in" in done.output) == (2, True)
    assert len(Study.open(study).history.records) == 12


def test_runs_keep_no_scale_unless_one_is_told(study: Path) -> None:
    call(*arguments(study))
    assert {record.trial.scale for record in Study.open(study).history.records} == {None}
    again = call(*arguments(study), "--params", "1M")
    assert "runs that are there already keep the scale that they were recorded with" in again.stderr
    write(study, 13)
    call(*arguments(study), "--params", "1M", "--tokens", "50000000")
    history = Study.open(study).history
    assert history.records[-1].trial.scale == Scale(1_000_000, 50_000_000)
    assert len(history.observations) == len(history.completed)
    for given in ("0", "-5", "1.5", "many"):
        refused = CliRunner().invoke(cli, [*arguments(study), "--tokens", given])
        assert refused.exit_code == 2
        assert f"'{given}' is no positive whole number; write 50000000 or 50M" in refused.output


def test_gaps_and_what_was_left_out_are_told(study: Path) -> None:
    path = study / "l.csv"
    rows = path.read_text().splitlines()
    rows[1] = rows[1].rpartition(",")[0] + ","
    path.write_text("\n".join(rows[:-1]) + "\n")
    found = call(*arguments(study), "--allow-partial")
    assert "dropped 1 without weights or losses" in found.stderr
    assert found.stdout == "imported 11 runs (3 domains, 2 metrics), 0 already there; 1 without some metric\n"
    assert call(*arguments(study), "--allow-partial").stdout.startswith("imported 0 runs")


def test_a_fault_anywhere_records_nothing_and_ends_with_2(study: Path) -> None:
    path = study / "w.csv"
    path.write_text(path.read_text() + "12,1,0,0\n99,0.5,0.5,0.5\n")
    command = [sys.executable, "-m", "bomix.cli.main", *arguments(study)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "w.csv:14: the key 'index' is 12 again, as in line 13" in done.stderr
    assert "w.csv:15: run 99 has no losses" in done.stderr
    assert not Study.open(study).history.records


@pytest.mark.parametrize("given", [["--map", "web"], ["--map", "a=code", "--map", "a=web"], ["--map", "w=wbe"]])
def test_a_mapping_that_says_nothing_is_refused(study: Path, given: list[str]) -> None:
    done = CliRunner().invoke(cli, [*arguments(study), *given])
    assert done.exit_code != 0
    assert "--map" in str(done.exception) or "w=wbe" in str(done.exception)


def test_columns_are_mapped(study: Path) -> None:
    for name in ("w.csv", "l.csv"):
        text = (study / name).read_text()
        (study / name).write_text(text.replace("train_the_pile_web", "x").replace("metric/the_pile_web_val_loss", "y"))
    assert call(*arguments(study), "--map", "x=web", "--map", "y=web").exit_code == 0
    assert len(Study.open(study).history.completed) == 12


def test_a_killed_import_leaves_whole_records_that_the_next_one_skips(study: Path) -> None:
    write(study, 300)
    command = [sys.executable, "-m", "bomix.cli.main", *arguments(study)]
    for target in (1, 40):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while process.poll() is None and len(list(study.glob("trials/[0-9]*"))) < target:
            time.sleep(0.002)
        process.kill()
        process.wait()
    part = Study.open(study).history
    assert 40 <= len(part.completed) == len(part.records) < 300
    assert [record.trial.id for record in part.records] == list(range(len(part)))
    last = call(*arguments(study)).output
    assert last == f"imported {300 - len(part)} runs (3 domains, 2 metrics), {len(part)} already there\n"
    mixtures = [tuple(record.trial.weights.values()) for record in Study.open(study).history.records]
    assert len(mixtures) == 300
    raw = np.loadtxt(study / "w.csv", delimiter=",", skiprows=1)[:, 1:]
    np.testing.assert_allclose(mixtures, raw / raw.sum(axis=1, keepdims=True), atol=1e-15)
