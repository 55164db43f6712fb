"""Tables for standard output."""

from __future__ import annotations

from bomix.cli.tables import console, trials
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
