"""Tables for standard output."""

from __future__ import annotations

from bomix.cli.tables import PLAIN_WIDTH, console, trials
from bomix.config.sections import MetricSpec
from bomix.strategies.designs import Sobol
from bomix.study.study import Study
from bomix.trial import Failure


def test_a_trial_that_failed_says_why_and_brackets_are_no_markup(capsys):
    study = Study(domains=["a[red]", "b"], metrics=["loss"], strategy=Sobol())
    study.tell(study.ask(), {"loss": 2.5})
    study.tell(study.ask(), Failure("no device left"))
    console().print(trials(study))
    shown = capsys.readouterr().out
    assert "no device left" in shown
    assert "a[red]" in shown


def test_a_pipe_is_as_wide_as_columns_says_and_metrics_to_raise_are_named(capsys, monkeypatch):
    study = Study(domains=["a" * 30, "b" * 30, "c" * 30], metrics={"acc": MetricSpec("accuracy", "max")})
    study.tell(study.ask(), {"acc": 0.25})
    for columns, width in (("80", 80), ("", PLAIN_WIDTH), ("no number", PLAIN_WIDTH)):
        monkeypatch.setenv("COLUMNS", columns)
        console().print(trials(study))
        lines = capsys.readouterr().out.splitlines()
        assert max(map(len, lines)) == width
        assert lines[0].startswith("trials (objective: lower is better, metrics to raise count negative)")
