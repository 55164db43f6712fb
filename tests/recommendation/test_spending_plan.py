from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bomix.errors import FaultsError
from bomix.evaluators.synthetic.spec import Synthetic
from bomix.history import History
from bomix.problem import Problem, StudyScale
from bomix.recommendation.spending import Allocation
from bomix.recommendation.spending_plan import AGREEMENTS, Outlook, SpendingPlan, plan_spending
from bomix.scale import Scale
from bomix.surrogates.gp import presets
from bomix.surrogates.scales.spec import MultiScale
from bomix.trial import Record, Trial

SMALL, LARGE = Scale(10**6, 10**8), Scale(10**7, 10**9)
SCALES = (StudyScale("small", SMALL, 1.0), StudyScale("large", LARGE, 10.0))
MIDDLE = StudyScale("middle", Scale(5 * 10**6, 10**8), 5.0)
SURROGATE = MultiScale(of=presets.QUICK)


def problem(scales: tuple[StudyScale, ...] = SCALES) -> Problem:
    return replace(Synthetic(domains=3).problem(), scale=LARGE, scales=scales)


def empty() -> History:
    return History(scale=LARGE, scales=(SMALL, LARGE))


def with_runs() -> History:
    function = Synthetic(domains=3, scales=(SMALL, LARGE), agreement=0.9)
    records = []
    for number, row in enumerate(np.random.default_rng(0).dirichlet(np.ones(3), 16)):
        weights = dict(zip(function.domain_names, row.tolist(), strict=True))
        trial = Trial(number, weights, 0, "sobol", SMALL if number < 10 else LARGE)
        records.append(Record(trial, function.evaluate(trial, Path())))
    return replace(empty(), records=tuple(records))


def test_without_runs_allocations_are_simulated_at_several_agreements() -> None:
    found = plan_spending(problem(), empty(), SURROGATE, budget=60.0, functions=2, seed=0)
    assert found.states == tuple(f"{each:g}" for each in AGREEMENTS)
    assert len(found.outlooks) == len(found.allocations)
    assert {len(row) for row in found.outlooks} == {4}
    assert found.agreement == ()
    assert len(found.trusted) == 1
    assert found == plan_spending(problem(), empty(), SURROGATE, budget=60.0, functions=2, seed=0)


def test_with_runs_functions_are_drawn_from_the_model() -> None:
    found = plan_spending(problem(), with_runs(), SURROGATE, budget=60.0, functions=3, seed=0)
    assert found.states == ("posterior",)
    assert len(found.agreement) == 1
    assert 0.3 < found.agreement[0] <= 1.0
    assert found.trusted == ()
    assert all(row[0].regret >= 0.0 for row in found.outlooks)


def test_a_scale_is_trusted_from_the_agreement_on_at_which_it_pays() -> None:
    ways = (Allocation("all", (0, 4)), Allocation("half", (20, 2)))
    rows = (tuple(Outlook(0.1, 0.0) for _ in range(4)), tuple(Outlook(each, 0.0) for each in (0.3, 0.2, 0.05, 0.01)))
    plan = SpendingPlan(("small", "large"), (1.0, 10.0), 40.0, ("0.3", "0.6", "0.8", "0.95"), ways, rows, 2)
    assert plan.trusted == (0.8,)
    assert plan.recommended == 0
    never = replace(plan, outlooks=(rows[0], tuple(Outlook(0.2, 0.0) for _ in range(4))))
    assert never.trusted == (None,)


@pytest.mark.parametrize(
    ("scales", "budget", "where"),
    [
        ((), 60.0, "scales"),
        (SCALES[1:], 60.0, "scales"),
        (
            (*SCALES[:1], StudyScale("middle", Scale(5 * 10**6, 10**8), 5.0), replace(SCALES[1], trained=False)),
            60.0,
            "target.scale",
        ),
        (SCALES, 9.0, "cost"),
    ],
)
def test_what_cannot_be_planned_is_refused(scales: tuple[StudyScale, ...], budget: float, where: str) -> None:
    with pytest.raises(FaultsError) as error:
        plan_spending(problem(scales), empty(), SURROGATE, budget=budget, functions=2, seed=0)
    assert [fault.where for fault in error.value.faults] == [where]


def test_a_record_whose_small_scales_were_given_up_leaves_nothing_to_plan() -> None:
    history = with_runs()
    last = history.records[-1]
    given_up = replace(last, trial=replace(last.trial, origin="alone_sobol"))
    records = (*history.records[:-1], given_up)
    # Of few runs, too: without the record four agreements would be simulated, as if nothing were known of the scales.
    for kept in (records, (*records[:3], given_up)):
        with pytest.raises(FaultsError, match="all that is left goes to large") as error:
            plan_spending(problem(), replace(history, records=kept), SURROGATE, budget=60.0, functions=2, seed=0)
        assert [fault.where for fault in error.value.faults] == ["trials"]
