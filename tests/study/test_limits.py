"""What ends the search before the next ask."""

from __future__ import annotations

from pathlib import Path

import pytest

from bomix.errors import StudyError
from bomix.study.limits import over
from bomix.study.study import Study
from bomix.trial import CONFIRM


def test_by_hand_what_no_run_fits_into_is_the_end_of_the_search(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(
        "domains: {a: {}, b: {}}\nmetrics: [loss]\nstrategy: sobol\nbudget: {cost: 29}\nconfirm: 1\n"
        "scales: {small: {params: 1M, tokens: 1M, cost: 1}, large: {params: 9M, tokens: 1M, cost: 10}}\n"
    )
    study = Study.open(tmp_path)
    search = [study.ask() for _ in range(2)]
    with pytest.raises(StudyError, match=r"9 is left of a cost of 29, .*tell the results of 0, 1"):
        study.ask()
    for trial in search:
        study.tell(trial, {"loss": trial.weights["a"]})
    assert study.ask().origin == CONFIRM


def test_a_budget_is_over_once_its_trials_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("domains: {a: {}, b: {}}\nmetrics: [loss]\nbudget: {trials: 1}\n")
    study = Study.open(tmp_path)
    assert over(study.records) is None
    trial = study.ask()
    assert over(study.records) == "the budget of 1 trials is asked for"
    study.tell(trial, {"loss": 1.0})
    assert over(study.records) == "the budget of 1 trials is spent"
