"""What is said of a run while it goes on."""

from __future__ import annotations

import dataclasses

import pytest

from bomix.cli import watch
from bomix.cli.watch import PlainObserver
from bomix.config.budget import BudgetSpec
from bomix.progress import Progress
from bomix.report.shown import done_of
from bomix.strategies.designs import Sobol
from bomix.study.confirmation import confirming_trials
from bomix.study.study import Study
from bomix.trial import Failure, Outcome, Result

pytestmark = pytest.mark.usefixtures("short_chains")


def test_what_becomes_of_an_interrupted_run_is_said_once_it_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    study = Study(domains=["a", "b"], metrics=["x"])
    trials = [study.ask() for _ in range(3)]
    observer = PlainObserver()
    observer.began(study, trials)
    assert capsys.readouterr().err == ""
    observer.resuming(trials[:1], trials[1:])
    assert capsys.readouterr().err.splitlines() == [
        "resuming: 1 trial still runs, or ended unheard, and is taken over",
        "resuming: 2 interrupted trials will be trained again",
    ]


def test_a_trial_without_all_metrics_is_never_the_best(capsys: pytest.CaptureFixture[str]) -> None:
    study = Study(domains=["a", "b"], metrics=["x", "y"])
    observer = PlainObserver()
    observer.began(study, [])
    said = []
    for losses in ({"x": 1.0, "y": None}, {"x": 3.0, "y": 3.0}, {"x": None, "y": 1.0}):
        observer.ended(study, study.tell(study.ask(), losses))
        said.append(capsys.readouterr().err)
    assert "objective - (x 1.000)" in said[0]
    assert "best" not in said[0]
    assert "best observed 3.0000 (trial 1)" in said[1]
    assert "best observed 3.0000 (trial 1)" in said[2]


def test_confirming_runs_are_counted_once_they_complete_and_failed_ones_are_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    study = Study(domains=["a", "b"], metrics=["x"], budget=BudgetSpec(2))
    for loss in (2.0, 1.0):
        study.tell(study.ask(), {"x": loss})
    study.spec = dataclasses.replace(study.spec, confirm=1)
    said = []
    rounds: list[list[Outcome]] = [[Failure("full"), Result({"x": 1.5})], [Result({"x": 1.0}), Result({"x": 1.5})]]
    for outcomes in rounds:
        observer = PlainObserver()
        observer.began(study, [])
        for record, outcome in zip(confirming_trials(study.records, 1), outcomes, strict=True):
            observer.ended(study, study.tell(record.trial, outcome))
            said.append(capsys.readouterr().err)
    assert "0 of 2 confirming (1 failed)" in said[0]
    assert "1 of 2 confirming (1 failed)" in said[1]
    assert "left" not in said[1]
    assert "1 of 2 confirming, best" in said[2]
    assert "2 of 2 confirming, best" in said[3]


def test_a_budget_smaller_than_what_is_done_is_named_beside_it() -> None:
    assert done_of(6, 6) == "6 of 6 trials"
    assert done_of(8, 6, "trials completed") == "8 trials completed (budget 6)"


def test_a_confirming_trial_that_is_cancelled_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    study = Study(domains=["a", "b"], metrics=["x"])
    study.tell(study.ask(), {"x": 1.0})
    observer = PlainObserver()
    observer.began(study, [])
    observer.cancelled(confirming_trials(study.records, 1)[0].trial)
    assert "cancelled: what it confirms is no longer recommended" in capsys.readouterr().err


def test_in_a_log_a_line_says_how_far_a_stack_is_where_nothing_was_said_for_long(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = Study(domains=["a", "b"], metrics=["x"], budget=BudgetSpec(4))
    trials = [study.ask() for _ in range(4)]
    observer = PlainObserver()
    observer.began(study, [])
    observer.grouped(trials)
    for trial in trials:
        observer.started(trial)
    capsys.readouterr()
    observer.progressed(trials[0], Progress(30, 120, 14_000.0))
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(watch, "QUIET_S", 0.0)
    observer.progressed(trials[0], Progress(60, 120, 14_000.0))
    said = capsys.readouterr().err
    assert said.startswith("trials 0-3 (4 as one) step 60/120, 14,000 tokens/s; 0 of 4 trials")
    assert "left" in said


def test_the_time_left_counts_a_stack_that_comes_back_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """The first of four is there as all of them have taken their last step: nothing is left to wait for."""
    study = Study(domains=["a", "b"], metrics=["x"], budget=BudgetSpec(4))
    trials = [study.ask() for _ in range(4)]
    observer = PlainObserver()
    observer.began(study, [])
    observer.grouped(trials)
    observer.progressed(trials[0], Progress(120, 120, 14_000.0))
    capsys.readouterr()
    observer.ended(study, study.tell(trials[0], {"x": 1.0}))
    assert "1 of 4 trials, best observed 1.0000 (trial 0), about 0 s left" in capsys.readouterr().err


def test_of_several_scales_a_result_says_which_it_is_of(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = {"small": {"params": "1M", "tokens": "1M"}, "large": {"params": "2M", "tokens": "1M"}}
    study = Study(domains=["a", "b"], metrics=["x"], scales=sizes, strategy=Sobol())
    observer = PlainObserver()
    observer.began(study, [])
    observer.ended(study, study.tell(study.ask(), {"x": 1.0}))
    assert "objective at large 1.0000 (x 1.000)" in capsys.readouterr().err
