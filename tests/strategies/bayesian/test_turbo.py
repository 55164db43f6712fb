from __future__ import annotations

import numpy as np
import pytest

from bomix.acquisition.lookahead import Thompson
from bomix.history import History
from bomix.posterior.belief import believe
from bomix.space.mixture_space import MixtureSpace
from bomix.strategies.bayesian.embedded import Embedded
from bomix.strategies.bayesian.trust_region import Region, Rules, fold
from bomix.strategies.bayesian.turbo import Turbo
from bomix.surrogates.gp.spec import GP
from bomix.trial import Record, Trial

RULES = Rules(length=0.8, shortest=0.05, longest=1.6, successes=3, failures=4, starts=2, gain=1e-3)
W = np.array([0.25, 0.75])
FAST = GP(draws=0)


def region_after(*values: float, own: bool = True) -> Region:
    return fold([("turbo_0" if own else "sobol", W, value) for value in values], origin="turbo", count=1, rules=RULES)[
        0
    ]


def test_successes_in_a_row_double_the_side_and_failures_halve_it():
    assert region_after(5.0, 4.0).length == 0.8
    assert region_after(5.0, 4.0, 3.0).length == 1.6
    assert region_after(6.0, 5.0, 4.0, 3.0, 2.0, 1.0).length == 1.6, "never beyond the longest"
    assert region_after(5.0, 6.0, 6.0, 6.0).length == 0.8
    assert region_after(5.0, 6.0, 6.0, 6.0, 6.0).length == 0.4
    assert region_after(5.0, 6.0, 6.0, 4.0, 6.0, 6.0).length == 0.8, "a success starts the count of failures anew"


def test_a_gain_that_is_too_small_is_a_failure_that_still_counts_as_the_best():
    region = region_after(5.0, 4.999)
    assert (region.failures, region.best) == (1, 4.999)


def test_trials_of_no_region_move_the_centre_and_are_not_judged():
    region = region_after(5.0, 6.0, 6.0, 6.0, 6.0, 4.0, own=False)
    assert (region.length, region.best, region.failures, region.successes) == (0.8, 4.0, 0, 0)


def test_failed_trials_are_no_better():
    assert region_after(5.0, np.nan, np.nan, np.nan, np.nan).length == 0.4


def test_a_region_that_is_small_starts_anew_and_forgets():
    region = region_after(1.0, *[2.0] * 20)
    assert (region.restarts, region.starting, region.trials, region.length) == (1, 2, (), 0.8)
    trials = [("turbo_0", W, 1.0), *[("turbo_0", W, 2.0)] * 20, ("turbo_0_start", W, 9.0), ("turbo_0_start", W, 8.0)]
    begun = fold(trials, origin="turbo", count=1, rules=RULES)[0]
    assert (begun.starting, begun.best) == (0, 8.0)


def test_what_was_on_its_way_when_a_region_started_anew_is_not_its():
    rules = Rules(length=0.2, shortest=0.15, longest=1.6, successes=3, failures=1, starts=2, gain=1e-3)
    late = np.array([0.5, 0.5])
    trials = [("sobol", W, 1.0), ("turbo_0", W, 2.0), ("turbo_0", late, 1.1), *[("turbo_0_start", W, 5.0)] * 2]
    (region,) = fold(trials, origin="turbo", count=1, rules=rules)
    assert (region.best, region.successes, set(region.trials)) == (5.0, 0, {tuple(W)})


def test_the_design_is_dealt_out_and_regions_keep_their_own():
    trials = [("sobol", W, 5.0), ("sobol", W, 3.0), ("sobol", W, 4.0), ("turbo_1", W, 1.0)]
    first, second = fold(trials, origin="turbo", count=2, rules=RULES)
    assert (first.best, second.best) == (4.0, 1.0)


@pytest.mark.parametrize("d", [2, 7, 60])
def test_the_box_holds_its_centre_and_is_one_in_square_roots(d):
    space = MixtureSpace([f"d{i:02d}" for i in range(d)], upper={"d00": 0.4})
    centre = space.sobol(1, seed=3)[0]
    inner = Region(0.2).within(space, centre)
    points = inner.sobol(64, seed=0)
    assert np.abs(np.sqrt(points) - np.sqrt(centre)).max() <= 0.2 / np.sqrt(d) + 1e-9
    np.testing.assert_allclose(inner.project(centre), centre, atol=1e-12)
    assert (points[:, 0] <= 0.4 + 1e-12).all()


def test_asks_lie_in_the_region_of_the_record(world):
    here, strategy = world(), Turbo(surrogate=FAST, n_init=4, length=0.1, shortest=0.01)
    history = here.history(8)
    (region,) = strategy.state(here.problem, history)
    (candidate,) = strategy.ask(here.problem, history, 1, seed=0)
    assert candidate.origin == "turbo_0"
    believed = believe(here.problem, history, FAST, seed=0).ranked()[0]
    assert tuple(believed) in region.trials
    apart = np.abs(np.sqrt(here.problem.space.to_array(candidate.weights)) - np.sqrt(believed)).max()
    assert apart <= 0.1 / np.sqrt(4) + 1e-2  # weights below 1e-4 are put to zero
    best = min(here.problem.value(record.result.losses) for record in history.completed)
    assert region.best == best


def test_a_restart_asks_for_its_own_design_and_counts_what_is_on_its_way(world):
    here, strategy = world(), Turbo(surrogate=FAST, n_init=2, failures=1, length=0.1, shortest=0.09, restart=2)
    history = here.history(6)
    worst = here.problem.space.to_weights([0.0, 1.0, 0.0, 0.0])
    rng = np.random.default_rng(0)
    lost = Record(Trial(50, worst, 0, "turbo_0"), here.result(np.array([0.0, 1.0, 0.0, 0.0]), noise=0.0, rng=rng))
    history = History((*history.records, lost))
    origins = [candidate.origin for candidate in strategy.ask(here.problem, history, 3, seed=0)]
    assert origins == ["turbo_0_start", "turbo_0_start", "turbo_0"]


def test_embedded_candidates_mix_a_few_mixtures(world):
    here = world(upper={"web": 0.5})
    strategy = Embedded(surrogate=FAST, n_init=4, corners=3)
    candidates = strategy.ask(here.problem, here.history(8), 3, seed=0)
    points = here.problem.space.to_arrays([candidate.weights for candidate in candidates])
    assert [candidate.origin for candidate in candidates] == ["embedded"] * 3
    assert np.abs(points[:, None] - points).max(-1)[~np.eye(3, dtype=bool)].min() > 1e-6
    for weights in (candidate.weights for candidate in candidates):
        here.problem.space.check(weights)


def test_sides_in_the_wrong_order_are_a_fault():
    assert [fault.where for fault in Turbo(length=2.0).faults()] == ["length"]
    assert [fault.where for fault in Turbo(regions=0, gain=1.0).faults()] == ["regions", "gain"]


def test_one_draw_for_several_regions_is_refused():
    assert [fault.where for fault in Turbo(acquisition=Thompson(), regions=2).faults()] == ["regions"]
    assert Turbo(acquisition=Thompson()).faults() == []


def test_gaps_below_a_least_weight_do_not_make_a_pending_mixture_come_again(world):
    here = world(at_least={"web": 0.5, "code": 0.3})
    candidates = Turbo(surrogate=FAST, n_init=3, length=0.4).ask(here.problem, here.history(4), 4, seed=0)
    points = here.problem.space.to_arrays([candidate.weights for candidate in candidates])
    assert {candidate.origin for candidate in candidates} == {"turbo_0"}
    assert np.abs(points[:, None] - points).max(-1)[~np.eye(4, dtype=bool)].min() > 1e-6
