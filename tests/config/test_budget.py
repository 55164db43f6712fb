from __future__ import annotations

import pytest

from bomix.config.budget import BudgetSpec
from bomix.config.sections import TargetSpec
from bomix.errors import FaultsError
from bomix.evaluators.synthetic.spec import Synthetic
from bomix.problem import StudyScale, cost_at
from bomix.scale import Scale
from bomix.strategies.designs import Sobol
from bomix.study.standing import why_ended
from bomix.study.study import Study
from bomix.trial import Failure, Record, Result, Trial

SMALL, LARGE = Scale(10**6, 10**8), Scale(10**7, 10**9)
SCALES = (StudyScale("small", SMALL, 1.0), StudyScale("large", LARGE, 10.0))


def record(number: int, scale: Scale | None, outcome: Result | Failure | None) -> Record:
    return Record(Trial(number, {"a": 1.0}, 0, "sobol", scale), outcome)


DONE = Result({"loss": 1.0})
RECORDS = [record(0, SMALL, DONE), record(1, LARGE, DONE), record(2, LARGE, None), record(3, LARGE, Failure("no"))]


def test_completed_trials_cost_what_their_scale_does() -> None:
    budget = BudgetSpec(cost=11.0)
    assert budget.spent(RECORDS[:1], SCALES) is None
    assert budget.spent(RECORDS, SCALES) == "a cost of 11"
    assert BudgetSpec(cost=11.5).spent(RECORDS, SCALES) is None


def test_pending_trials_count_before_another_is_asked_for_and_failed_ones_do_not() -> None:
    assert BudgetSpec(cost=21.0).asked_for(RECORDS, SCALES) == "a cost of 21"
    assert BudgetSpec(cost=21.5).asked_for(RECORDS, SCALES) is None
    assert [BudgetSpec(cost=limit).holds(RECORDS, SCALES) for limit in (21.0, 21.5)] == [False, True]


def test_a_cost_is_said_in_runs_of_a_scale() -> None:
    budget = BudgetSpec(cost="2.5 runs of large")
    assert budget.faults() == []
    assert budget.cost_limit(SCALES) == 25.0
    assert BudgetSpec(cost="1 run of small").spent(RECORDS[:1], SCALES) == "1 run of small"


@pytest.mark.parametrize("cost", [0.0, -1.0, "many", "0 runs of large", "runs of large"])
def test_what_is_no_cost_is_refused(cost: float | str) -> None:
    assert [fault.where for fault in BudgetSpec(cost=cost).faults()] == ["cost"]


def test_a_scale_that_the_study_does_not_name_is_refused() -> None:
    (fault,) = BudgetSpec(cost="8 runs of huge").scale_faults(["small", "large"])
    assert fault.what == "unknown scale 'huge' (known: small, large)"


def test_a_study_of_one_scale_has_no_costs() -> None:
    with pytest.raises(FaultsError, match="names no scales"):
        Study(["a", "b"], ["loss"], budget=BudgetSpec(cost=10.0))


def test_a_study_ends_by_its_cost() -> None:
    study = Study(
        ["d0", "d1", "d2"],
        evaluator=Synthetic(domains=3),
        scales={
            "small": {"params": "1M", "tokens": "1M", "cost": 1},
            "large": {"params": "9M", "tokens": "1M", "cost": 10},
        },
        strategy=Sobol(),
        budget=BudgetSpec(cost="2 runs of large", trials=50),
    )
    study.run()
    assert [record.trial.scale.params for record in study.history.completed] == [9 * 10**6] * 2


@pytest.mark.parametrize(("cost", "large"), [(11, 1), (29.9, 2), (30, 3)])
def test_no_run_is_begun_that_does_not_fit(cost: float, large: int) -> None:
    scales = {
        "small": {"params": "1M", "tokens": "1M", "cost": 1},
        "large": {"params": "9M", "tokens": "1M", "cost": 10},
    }
    study = Study(
        ["d0", "d1", "d2"],
        evaluator=Synthetic(domains=3),
        scales=scales,
        strategy=Sobol(),
        budget=BudgetSpec(cost=cost, trials=50),
    )
    study.run()
    assert len(study.history.completed) == large
    assert why_ended(study.records) is not None


def test_a_run_of_another_scale_costs_in_proportion_to_its_flops() -> None:
    assert cost_at(Scale(10**6, 10**9), SCALES) == pytest.approx(1.0)
    assert cost_at(None, SCALES) == 10.0


def test_an_expected_improvement_ends_no_study_of_several_scales() -> None:
    scales = {"small": {"params": "1M", "tokens": "1M"}, "large": {"params": "9M", "tokens": "1M"}}
    with pytest.raises(FaultsError, match=r"several scales.*take 'cost' or 'trials'") as caught:
        Study(["a", "b"], ["loss"], scales=scales, budget=BudgetSpec(improvement=0.01))
    assert [fault.where for fault in caught.value.faults] == ["budget.improvement"]
    Study(["a", "b"], ["loss"], budget=BudgetSpec(improvement=0.01))


def test_unnamed_trials_are_twenty_unless_another_limit_ends_the_search() -> None:
    assert BudgetSpec().trials == BudgetSpec(improvement=0.1).trials == 20
    assert [BudgetSpec(cost=1.0).trials, BudgetSpec(flops=1e9).trials, BudgetSpec(device_seconds=60.0).trials] == [
        None
    ] * 3
    assert BudgetSpec(cost=1.0, trials=5).trials == 5


def test_a_cost_alone_is_no_limit_of_trials() -> None:
    study = Study(
        ["d0", "d1", "d2"],
        evaluator=Synthetic(domains=3),
        scales={
            "small": {"params": "1M", "tokens": "1M", "cost": 1},
            "large": {"params": "9M", "tokens": "1M", "cost": 10},
        },
        target=TargetSpec(scale="small"),
        strategy=Sobol(),
        budget=BudgetSpec(cost=25),
    )
    study.run()
    assert len(study.history.completed) == 25
    assert why_ended(study.records) == "the budget of a cost of 25 is spent"
