"""Tables of earlier runs, recorded once."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from bomix.cli.importing import import_tables, the_one_format
from bomix.io.imports.runs import Runs
from bomix.study.study import Study


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
