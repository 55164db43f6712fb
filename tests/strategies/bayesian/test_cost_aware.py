from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from bomix.acquisition import cost_aware
from bomix.evaluators.synthetic.spec import Synthetic
from bomix.history import History
from bomix.objectives.pareto import Pareto
from bomix.posterior.belief import believe
from bomix.problem import Problem, StudyScale
from bomix.scale import Scale
from bomix.strategies.auto import Auto
from bomix.strategies.bayesian import cost_aware as strategy
from bomix.strategies.bayesian.affordable import FIRST, affordable, fitting, kept, left, usable, within
from bomix.strategies.bayesian.cost_aware import HELPS, CostAware, contest_of
from bomix.strategies.bayesian.spaced import next_spaced
from bomix.study.limits import too_dear
from bomix.surrogates.gp import presets
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.models.scales import MultiScaleModel
from bomix.surrogates.scales.spec import MultiScale
from bomix.trial import IMPORTED, Candidate, Record, Trial

SMALL, LARGE = Scale(10**6, 10**8), Scale(10**7, 10**9)
SCALES = (StudyScale("small", SMALL, 1.0), StudyScale("large", LARGE, 10.0))
QUICK = CostAware(surrogate=MultiScale(of=presets.QUICK), n_init=5)


def function(agreement: float = 0.9) -> Synthetic:
    return Synthetic(domains=3, seed=1, agreement=agreement, scales=(SMALL, LARGE))


def problem(scales: tuple[StudyScale, ...] = SCALES) -> Problem:
    return replace(function().problem(), scale=LARGE, scales=scales)


def history(*trials: Trial, of: Synthetic | None = None) -> History:
    records = tuple(Record(trial, (of or function()).evaluate(trial, Path())) for trial in trials)
    return History(records, scale=LARGE, scales=(SMALL, LARGE))


def runs(scale: Scale, count: int, *, first: int = 0, origin: str = "sobol") -> list[Trial]:
    names = function().domain_names
    drawn = np.random.default_rng(first).dirichlet(np.ones(3), count)
    weights = [dict(zip(names, row.tolist(), strict=True)) for row in drawn]
    return [Trial(first + number, each, 0, origin, scale) for number, each in enumerate(weights)]


@cache
def record() -> History:
    """Six small runs and two large ones."""
    return history(*runs(SMALL, 6), *runs(LARGE, 2, first=6))


def test_the_design_is_one_of_the_cheapest_scale() -> None:
    found = QUICK.ask(problem(), History(scale=LARGE, scales=(SMALL, LARGE)), 5, seed=0)
    assert [candidate.scale for candidate in found] == [SMALL] * 5
    assert found[0].origin == "uniform"
    assert len({tuple(candidate.weights.values()) for candidate in found}) == 5


def test_a_design_leaves_room_for_runs_of_the_target_in_a_stated_cost() -> None:
    limited = replace(problem(), cost=13.0)
    assert fitting(limited, History(scale=LARGE, scales=(SMALL, LARGE))) == [True, True]
    found = QUICK.ask(limited, History(scale=LARGE, scales=(SMALL, LARGE)), 3, seed=0)
    assert [candidate.scale for candidate in found] == [SMALL] * 3
    assert not QUICK.settled(limited, history(*runs(SMALL, 3)))
    (last,) = QUICK.ask(limited, history(*runs(SMALL, 3)), 1, seed=0)
    assert last.scale == LARGE
    assert kept(replace(problem(), cost=40.0)) == 20.0
    assert kept(replace(problem(), cost=9.0)) == 0.0


def test_after_the_design_a_scale_of_the_study_is_chosen_and_the_mixture_is_one_of_the_space() -> None:
    (candidate,) = QUICK.ask(problem(), record(), 1, seed=0)
    assert candidate.scale in (SMALL, LARGE)
    assert not problem().space.faults_of(candidate.weights)


def test_asking_for_two_is_asking_for_one_twice_the_first_pending() -> None:
    both = QUICK.ask(problem(), record(), 2, seed=3)
    (first,) = QUICK.ask(problem(), record(), 1, seed=3)
    (second,) = QUICK.ask(problem(), record().with_pending([first]), 1, seed=3)
    assert both == [first, second]
    assert (first.weights, first.scale) != (second.weights, second.scale)


@pytest.mark.parametrize("rule", ["entropy", "log_ei", "spread"])
def test_every_rule_proposes(rule: str) -> None:
    (candidate,) = replace(QUICK, rule=rule).ask(problem(), record(), 1, seed=0)
    assert candidate.scale in (SMALL, LARGE)


def test_smaller_scales_keep_to_their_share_of_the_cost() -> None:
    small = int(FIRST * SCALES[1].cost / SCALES[0].cost)
    spent = history(*runs(SMALL, small))
    assert affordable(spent, SCALES, [1.0, 10.0], design=20, first=20).tolist() == [False, True]
    assert affordable(spent, SCALES, [0.9, 10.0], design=20, first=20).tolist() == [True, True]
    (candidate,) = QUICK.ask(problem(), spent, 1, seed=0)
    assert candidate.scale == LARGE
    more = history(*runs(SMALL, small), *runs(LARGE, 1, first=small))
    assert affordable(more, SCALES, [1.0, 10.0], design=20).tolist() == [False, True]


def test_a_scale_has_not_many_more_runs_than_the_next_larger_one() -> None:
    cheap = [0.01, 10.0]
    assert affordable(history(*runs(SMALL, 5)), SCALES, cheap, design=5).tolist() == [False, True]
    more = history(*runs(SMALL, 5), *runs(LARGE, 1, first=5))
    assert affordable(more, SCALES, cheap, design=5).tolist() == [True, True]


def far_apart(cost: float | None = 36.0) -> Problem:
    """Scales of which a large run costs as much as 1200 small ones."""
    return replace(problem((StudyScale("small", SMALL, 0.01), StudyScale("large", LARGE, 12.0))), cost=cost)


def test_a_rest_that_only_small_runs_fit_into_ends_the_search_once_they_are_enough() -> None:
    known = history(*runs(SMALL, 15), *runs(LARGE, 2, first=15))
    assert fitting(far_apart(), known) == [True, False]
    assert CostAware().ended(far_apart(), known) is None
    enough = history(*runs(SMALL, 23), *runs(LARGE, 2, first=23))
    said = CostAware().ended(far_apart(), enough)
    assert said is not None
    assert "no run of large fits" in said
    assert "23 of small are as many as are worth it beside 2 of large" in said
    assert CostAware().ended(far_apart(cost=48.0), enough) is None
    assert CostAware().ended(far_apart(cost=None), enough) is None
    assert too_dear(far_apart(), enough, Auto()) == said


def test_the_search_ends_within_the_cost_where_scales_are_far_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    def cheapest_first(contest: object, rule: str, costs: list[float], free: torch.Tensor, *, seed: int) -> object:
        scale, point = free.nonzero()[0].tolist()
        return point, scale

    monkeypatch.setattr(cost_aware, "best_choice", cheapest_first)
    limited, known = far_apart(cost=24.1), History(scale=LARGE, scales=(SMALL, LARGE))
    while too_dear(limited, known, QUICK) is None:
        (found,) = QUICK.ask(limited, known, 1, seed=0)
        trial = Trial(len(known.records), found.weights, 0, found.origin, found.scale)
        known = History((*known.records, *history(trial).records), LARGE, scales=(SMALL, LARGE))
        assert left(limited, known) >= 0.0
        assert len(known.records) < 20
    scales = [record.trial.scale for record in known.records]
    assert (scales.count(SMALL), scales.count(LARGE)) == (10, 2)


def test_runs_made_by_hand_leave_no_debt_that_a_dearer_run_would_be_begun_for() -> None:
    limited = replace(problem(), cost=13.0)
    assert fitting(limited, history(*runs(SMALL, 4))) == [True, False]


def test_scales_that_the_cost_holds_no_run_of_bound_no_other() -> None:
    assert within(far_apart(cost=6.0), history(*runs(SMALL, 40)), [0.01, 12.0], design=5) == [True, False]
    assert within(far_apart(cost=0.001), history(), [0.01, 12.0], design=5) == [False, False]


def test_a_mixture_is_repeated_at_a_scale_a_few_times_only(monkeypatch: pytest.MonkeyPatch) -> None:
    belief = believe(problem(), record(), MultiScale(of=presets.QUICK), seed=0)
    X = problem().space.sobol(4, seed=1)
    again = [Trial(number, problem().space.to_weights(X[2]), number, "test", SMALL) for number in range(strategy.MOST)]
    for count, free in ((strategy.MOST - 1, True), (strategy.MOST, False)):
        _, found = contest_of(belief, X, history(*again[:count]), [SMALL, LARGE])
        assert found.tolist() == [[True, True, free, True], [True] * 4]
    monkeypatch.setattr(cost_aware, "best_choice", lambda *_, **__: None)
    (fresh,) = QUICK.ask(problem(), record(), 1, seed=0)
    assert fresh.weights not in [each.trial.weights for each in record().records]


def test_imported_runs_cost_nothing() -> None:
    imported = history(*runs(SMALL, 40, origin=IMPORTED))
    assert affordable(imported, SCALES, [1.0, 10.0], design=20).tolist() == [True, True]


def test_a_stack_of_small_runs_may_have_more_of_them() -> None:
    spent = history(*runs(SMALL, 12))
    assert affordable(spent, SCALES, [0.5, 10.0], design=20).tolist() == [True, True]


def test_a_target_that_is_not_trained_is_never_asked_for() -> None:
    untrained = (SCALES[0], StudyScale("medium", Scale(3 * 10**6, 10**8), 3.0), replace(SCALES[1], trained=False))
    known = History(record().records, scale=LARGE, scales=tuple(each.scale for each in untrained))
    found = QUICK.ask(problem(untrained), known, 3, seed=0)
    assert LARGE not in {candidate.scale for candidate in found}


def test_scales_that_are_dearer_than_the_target_are_none_to_choose_from() -> None:
    dear = (*SCALES, StudyScale("huge", Scale(10**8, 10**10), 100.0))
    assert [each.name for each in usable(problem(dear))] == ["small", "large"]


def test_anchors_at_larger_scales_come_first_where_they_are_asked_for() -> None:
    (candidate,) = replace(QUICK, anchors=True).ask(problem(), history(*runs(SMALL, 6)), 1, seed=0)
    assert (candidate.origin, candidate.scale) == ("uniform", LARGE)


def test_where_small_runs_mislead_the_target_alone_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    free_of = []

    def chosen(contest: object, rule: str, costs: list[float], free: torch.Tensor, *, seed: int) -> tuple[int, int]:
        free_of.append(free.any(dim=1).tolist())
        return 0, 1

    monkeypatch.setattr(cost_aware, "best_choice", chosen)
    (even,) = QUICK.design.ask(problem(), record().of_scale(LARGE), 1, seed=0)
    for answer in (True, False):
        monkeypatch.setattr(strategy, "better_alone", lambda *_, answer=answer, **__: answer)
        (found,) = QUICK.ask(problem(), record(), 1, seed=0)
        assert (found.weights == even.weights) == answer
    # Once left-out runs weigh the two, their share decides in the place of closed forms, and for good.
    for share in (0.9 * HELPS, 1.1 * HELPS):
        monkeypatch.setattr(MultiScaleModel, "share", share)
        monkeypatch.setattr(strategy, "better_alone", lambda *_, share=share, **__: share > HELPS)
        (found,) = QUICK.ask(problem(), record(), 1, seed=0)
        assert (found.weights == even.weights) == record().with_pending([found]).target_alone == (share < HELPS)
        (closed,) = replace(QUICK, guard="closed").ask(problem(), record(), 1, seed=0)
        assert (closed.weights == even.weights) == (share > HELPS)
    replace(QUICK, alone=False).ask(problem(), record(), 1, seed=0)
    assert free_of == [[False, True], [True, True], [True, True], [True, True], [False, True], [True, True]]


def test_the_first_run_of_the_target_is_what_looks_best_and_the_next_ones_are_good_and_far_from_it() -> None:
    alone = history(*runs(SMALL, 6))
    belief = believe(problem(), alone, MultiScale(of=presets.QUICK), seed=0)
    space = problem().space
    even = belief.mean(torch.as_tensor(space.sobol(256, seed=3)))
    first = next_spaced(belief, alone, LARGE, seed=1)
    assert belief.mean(torch.as_tensor(first[None])) <= even.min() + 1e-9
    waiting, taken = alone, [first]
    for _ in range(2):
        waiting = waiting.with_pending([Candidate(space.to_weights(taken[-1]), "test", LARGE)])
        taken.append(next_spaced(belief, waiting, LARGE, seed=1))
        assert belief.mean(torch.as_tensor(taken[-1][None])) <= even.quantile(0.1)
        assert min(np.abs(taken[-1] - each).max() for each in taken[:-1]) > 0.02
    assert np.array_equal(next_spaced(belief, waiting, SMALL, seed=1), next_spaced(belief, waiting, SMALL, seed=1))


def test_the_rule_chooses_what_is_run_of_the_target_once_it_has_as_many_runs_as_a_design(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cost_aware, "best_choice", lambda *_, **__: (1, 1))
    few, many = record(), history(*runs(SMALL, 6), *runs(LARGE, 5, first=6))
    for known, same in ((few, False), (many, True)):
        (found,), (together,) = (replace(QUICK, spaced=on).ask(problem(), known, 1, seed=0) for on in (True, False))
        assert found.scale == together.scale == LARGE
        assert (found.weights == together.weights) == same


def test_what_is_pending_or_failed_at_a_scale_is_not_proposed_there_again() -> None:
    belief = believe(problem(), record(), MultiScale(of=presets.QUICK), seed=0)
    X = problem().space.sobol(4, seed=1)
    weights = problem().space.to_weights(X[2])
    waiting = record().with_pending([Candidate(weights, "test", SMALL)])
    contest, free = contest_of(belief, X, waiting, [SMALL, LARGE])
    assert free.tolist() == [[True, True, False, True], [True] * 4]
    before, _ = contest_of(belief, X, record(), [SMALL, LARGE])
    assert (contest.covariance.diagonal() <= before.covariance.diagonal() + 1e-12).all()
    assert contest.covariance[2, 2] < before.covariance[2, 2]
    assert torch.equal(contest.mean, before.mean)


def test_a_study_of_one_scale_has_what_auto_proposes() -> None:
    single = function().problem()
    known = History(tuple(replace(each, trial=replace(each.trial, scale=None)) for each in record().records))
    assert CostAware().ask(single, known, 1, seed=2) == Auto().ask(single, known, 1, seed=2)
    assert CostAware().predicting(single) == Auto().predicting(single)
    assert CostAware().description(single) == Auto().description(single)


def test_the_design_is_settled_and_nothing_else() -> None:
    empty = History(scale=LARGE, scales=(SMALL, LARGE))
    assert QUICK.settled(problem(), empty)
    assert not QUICK.settled(problem(), record())


def test_faults() -> None:
    assert [fault.where for fault in CostAware(stack=0.0).faults()] == ["stack"]
    assert [fault.where for fault in CostAware(surrogate=GP()).faults()] == ["surrogate"]
    groups = replace(problem(), objective=Pareto({"a": ("d0",), "b": ("d1", "d2")}))
    assert "objective" in [fault.where for fault in CostAware().problem_faults(groups)]


def test_cheap_small_runs_come_in_three_designs() -> None:
    costs = [(1.0, 5), (0.5, 10), (0.01, 15)]  # less than half a run of the target of 10
    for cost, expected in costs:
        cheap = problem((StudyScale("small", SMALL, cost), SCALES[1]))
        assert CostAware().description(cheap).startswith(f"{expected} runs of small")
    assert CostAware(n_init=6).description(cheap).startswith("6 runs of small")


def test_auto_chooses_the_scale_where_several_are_trained() -> None:
    empty = History(scale=LARGE, scales=(SMALL, LARGE))
    assert isinstance(Auto().acting(problem(), empty), CostAware)
    assert Auto().ask(problem(), empty, 1, seed=0)[0].scale == SMALL
    assert "cost_aware" in Auto().description(problem())
    one = problem((replace(SCALES[0], trained=False), SCALES[1]))
    groups = replace(problem(), objective=Pareto({"a": ("d0",), "b": ("d1", "d2")}))
    for other in (one, groups):
        assert not isinstance(Auto().acting(other, empty), CostAware)
    assert not isinstance(Auto(surrogate=GP()).acting(problem(), empty), CostAware)
