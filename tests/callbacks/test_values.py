"""What loggers write of a trial has the same names for all of them, and finite numbers."""

from __future__ import annotations

import pytest

import bomix
from bomix.callbacks.values import name_of, settings, values
from bomix.study.running import RunningStudy
from bomix.trial import CONFIRM, Candidate


def told() -> tuple[RunningStudy, bomix.Study]:
    """A study with two trials, a failure and a confirming trial."""
    study = bomix.Study(["code", "web"], ["code", "web"])
    for losses in ({"code": 2.0, "web": 4.0}, {"code": 3.0, "web": 5.0}):
        study.tell(study.ask(), bomix.Result(losses, cost=7.0, epochs={"code": 1.5}))
    study.tell(study.ask(), {"failure": "diverged"})
    trial = study.records.enqueue(Candidate({"code": 0.5, "web": 0.5}, CONFIRM), seed=9).trial
    study.tell(trial, {"code": 1.0, "web": None})
    return RunningStudy(study.records), study


def test_numbers_of_trials_have_names() -> None:
    running, study = told()
    second, failed, confirming = (values(running, record) for record in study.history.all_records[1:])
    assert second["objective"] == 4.0
    assert second["best"] == 3.0, "the lowest of the search so far"
    assert (second["loss/web"], second["cost_s"], second["epochs/code"]) == (5.0, 7.0, 1.5)
    assert second["weight/code"] + second["weight/web"] == pytest.approx(1.0)
    assert failed["failed"] == 1.0
    assert "objective" not in failed
    # A trial that is no point of the search stands apart; an objective that lacks a metric is no number.
    assert confirming == {f"{CONFIRM}/weight/code": 0.5, f"{CONFIRM}/weight/web": 0.5, f"{CONFIRM}/loss/code": 1.0}


def test_a_study_has_words() -> None:
    running, _ = told()
    said = {"domains": "code, web", "metrics": "code, web", "objective": "Mean", "scale": "unknown"}
    assert settings(running) == said
    assert name_of(running) == "study"
