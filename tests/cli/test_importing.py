"""Tables of earlier runs, recorded once."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from bomix.cli.import_preview import show
from bomix.cli.importing import import_tables, the_one_format
from bomix.io.imports.identity import Compared
from bomix.io.imports.runs import Runs
from bomix.objectives.weighted import Mean
from bomix.problem import Metric, Problem
from bomix.space.mixture_space import MixtureSpace
from bomix.study.study import Study
from bomix.trial import Result


def test_runs_are_recorded_once(tmp_path):
    (tmp_path / "study.yaml").write_text("domains: {code: {}, web: {}}\nmetrics: {loss: {}}\n")
    (tmp_path / "runs.csv").write_text("run,code,web,loss\na,0.25,0.75,2.5\nb,0.5,0.5,2.25\n")
    arguments = [str(tmp_path), "--weights", str(tmp_path / "runs.csv")]
    first, second = (CliRunner().invoke(import_tables, arguments) for _ in range(2))
    assert "imported 2 runs (2 domains, 1 metrics), 0 already there" in first.output
    assert "imported 0 runs (2 domains, 1 metrics), 2 already there" in second.output
    assert len(Study.open(tmp_path).history.completed) == 2


def test_one_format_is_named_and_only_its_files_are_read(tmp_path):
    def never() -> Runs:
        raise AssertionError("nothing is read before the options are clear")

    found = Runs((), ())
    assert the_one_format({"--weights": None, "--other": lambda: found})() is found
    with pytest.raises(click.UsageError, match="one of --weights, --other where the runs are; found none"):
        the_one_format({"--weights": None, "--other": None})
    with pytest.raises(click.UsageError, match="found --weights and --other"):
        the_one_format({"--weights": never, "--other": never})
    (tmp_path / "study.yaml").write_text("domains: {code: {}, web: {}}\nmetrics: {loss: {}}\n")
    refused = CliRunner().invoke(import_tables, [str(tmp_path)])
    assert refused.exit_code == 2
    assert "say with one of --weights, --lm-eval, --study where the runs are" in refused.output


def test_a_dry_run_shows_what_would_come_in_and_records_nothing(tmp_path):
    (tmp_path / "study.yaml").write_text("domains: {code: {}, web: {}}\nmetrics: {loss: {}}\n")
    table = tmp_path / "runs.csv"
    table.write_text("run,code,web,loss,loss_sem\na,0.25,0.75,2.5,0.1\nb,0.5,0.5,2.25,\n")
    arguments = [str(tmp_path), "--weights", str(table)]
    shown = CliRunner().invoke(import_tables, [*arguments, "--dry-run"]).output
    assert not Study.open(tmp_path).history.records
    assert shown.splitlines()[-1] == "2 runs: 2 new; nothing was recorded"
    assert "0.375" in shown  # the mean weight of code
    assert all(text in shown for text in ("nats/token", "web 0.750, code 0.250", "2.375", "new"))
    CliRunner().invoke(import_tables, arguments)
    table.write_text("run,code,web,loss\na,0.25,0.75,2.5\nb,0.5,0.5,9\nc,1,0,3\n")
    shown = CliRunner().invoke(import_tables, [*arguments, "--dry-run", "--update"]).output
    assert shown.splitlines()[-1] == "3 runs: 1 new, 1 already there, 1 to be revised; nothing was recorded"
    assert "revised: trial 1" in shown


def test_a_preview_of_no_metric_is_shown(capsys):
    problem = Problem(MixtureSpace(["code", "web"]), (Metric("loss"),), Mean())
    show(Runs((({"code": 0.0, "web": 1.0}, Result({}), None),), ("loss",)), Compared(), problem)
    assert capsys.readouterr().out.splitlines()[-1] == "1 runs: none; nothing was recorded"


@pytest.mark.parametrize(
    "options",
    [
        ["--study", "old", "--where", "a=b", "--step", "last"],
        ["--study", "old", "--percent"],
        ["--study", "old", "--scale", "x"],
        ["--wandb", "old", "--decimal-comma"],
    ],
)
def test_options_that_say_nothing_of_what_is_read_are_refused(tmp_path, options):
    (tmp_path / "study.yaml").write_text("domains: {code: {}, web: {}}\nmetrics: {loss: {}}\n")
    refused = CliRunner().invoke(import_tables, [str(tmp_path), *options])
    assert refused.exit_code == 2, refused.output
    assert f"{', '.join(word for word in options[2:] if word.startswith('--'))}: of" in refused.output
