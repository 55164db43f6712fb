"""What ends the search before the next ask."""

from __future__ import annotations

from pathlib import Path

import pytest

from bomix.errors import FaultsError, StudyError
from bomix.scale import Scale
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


SCALES = "scales: {small: {params: 1M, tokens: 50M%s}, large: {params: 60M, tokens: 1B%s}}\n"


@pytest.mark.parametrize(
    ("budget", "strategy", "costs", "what"),
    [
        ("{cost: 3}", "cost_aware", ("", ""), "of 3 FLOPs: .* 'small', costs 3e\\+14 FLOPs"),
        ("{trials: 5, cost: 1e12}", "auto", ("", ""), "of 1e\\+12 FLOPs: .* 'small', costs 3e\\+14 FLOPs"),
        ("{cost: 3}", "sobol", (", cost: 1", ", cost: 10"), "of 3: .* 'large', costs 10;"),
    ],
)
def test_a_cost_into_which_no_run_fits_is_refused(
    tmp_path: Path, budget: str, strategy: str, costs: tuple[str, str], what: str
) -> None:
    text = f"domains: {{a: {{}}, b: {{}}}}\nmetrics: [loss]\nbudget: {budget}\nstrategy: {strategy}\n"
    (tmp_path / "study.yaml").write_text(text + SCALES % costs)
    with pytest.raises(FaultsError, match=what) as caught:
        Study.open(tmp_path).ask()
    assert [fault.where for fault in caught.value.faults] == ["budget.cost (line 3)"]


def test_a_cost_that_holds_a_run_of_a_smaller_scale_is_none_to_refuse(tmp_path: Path) -> None:
    text = "domains: {a: {}, b: {}}\nmetrics: [loss]\nbudget: {cost: 3e14}\nstrategy: cost_aware\n"
    (tmp_path / "study.yaml").write_text(text + SCALES % ("", ""))
    assert Study.open(tmp_path).ask().scale == Scale(10**6, 5 * 10**7)


def test_a_budget_is_over_once_its_trials_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("domains: {a: {}, b: {}}\nmetrics: [loss]\nbudget: {trials: 1}\n")
    study = Study.open(tmp_path)
    assert over(study.spec, study.problem, study.history) is None
    trial = study.ask()
    assert over(study.spec, study.problem, study.history) == "the budget of 1 trials is asked for"
    study.tell(trial, {"loss": 1.0})
    assert over(study.spec, study.problem, study.history) == "the budget of 1 trials is spent"
