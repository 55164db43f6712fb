"""When the search ends by itself: facts about the record, not about the clock."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from bomix.config.budget import BudgetSpec
from bomix.evaluators.synthetic.spec import Synthetic
from bomix.history import History
from bomix.optimization import multistart
from bomix.posterior.belief import believe
from bomix.posterior.explored import MANY, tried
from bomix.recommendation.decision import as_tensor, minimiser
from bomix.recommendation.stopping import expected_improvement, why_stop
from bomix.strategies.auto import Auto
from bomix.strategies.bayesian.whole_space import Bayesian
from bomix.strategies.designs import Sobol
from bomix.strategies.regression.regmix import RegMix
from bomix.study.study import Study
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.regression.specs import Ridge
from bomix.trial import CONFIRM, IMPORTED, Record, Result, Trial
from tests.known.scales import history, problem
from tests.known.told import told

pytestmark = pytest.mark.usefixtures("short_chains")

STEPS = BudgetSpec(improvement=0.1, patience=2)


@dataclass(frozen=True)
class Expecting:
    """Expects what it is told of a number of observations."""

    by_count: dict[int, float | None] = field(default_factory=dict)

    def expected_improvement(self, problem, history, *, seed):
        return self.by_count.get(len(history.observations), 0.01)


@pytest.mark.parametrize(
    ("expected", "ends"),
    [({}, True), ({10: 0.2}, False), ({9: 0.2}, False), ({8: 0.2}, True), ({9: None}, False)],
)
def test_it_ends_when_the_last_asks_expect_less(world, expected, ends):
    here = world()
    reason = why_stop(here.problem, here.history(10), Expecting(expected), STEPS, seed=0)
    assert (reason is not None) is ends
    if ends:
        assert "below 0.1 at 2 asks in a row (now 0.01)" in reason


def test_pending_trials_and_confirmations_change_nothing(world):
    here = world()
    history, strategy = here.history(10), Expecting({11: 0.2})
    waiting = Record(Trial(10, history.records[0].trial.weights, 0, "log_ei"))
    confirming = Record(Trial(11, history.records[0].trial.weights, 9, CONFIRM), Result({"m0": 1.0}))
    more = History((*history.records, waiting, confirming))
    assert why_stop(here.problem, more, strategy, STEPS, seed=0) == why_stop(
        here.problem, history, strategy, STEPS, seed=0
    )
    assert why_stop(here.problem, history, strategy, BudgetSpec(), seed=0) is None


def test_what_was_computed_is_not_computed_again(world):
    here, seen = world(), {}
    why_stop(here.problem, here.history(10), Expecting(), STEPS, seed=0, seen=seen)
    assert {len(key) for key in seen} == {9, 10}
    poisoned = dict.fromkeys(seen, math.inf)
    assert why_stop(here.problem, here.history(10), Expecting(), STEPS, seed=0, seen=poisoned) is None


def test_the_expectation_waits_for_the_design_and_is_the_same_for_the_same_record(world):
    here, strategy = world(), Bayesian(surrogate=GP(draws=0), n_init=5)
    assert expected_improvement(here.problem, here.history(4), strategy, seed=0) is None
    early = expected_improvement(here.problem, here.history(5), strategy, seed=0)
    assert early > 0.0
    assert expected_improvement(here.problem, here.history(5), strategy, seed=0) == early


def test_a_search_leaves_less_and_less_to_expect():
    strategy = Bayesian(surrogate=GP(draws=0, restarts=1), n_init=5)
    study, expected = Study(["books", "code", "web"], ["loss"], strategy=strategy, seed=1), {}
    for count in range(1, 11):
        trial = study.ask()
        weights = trial.weights
        study.tell(trial, {"loss": 2.0 + (weights["books"] - 0.3) ** 2 + (weights["code"] - 0.5) ** 2})
        if count % 5 == 0:
            expected[count] = expected_improvement(study.problem, study.history, strategy, seed=1)
    assert 0.0 < expected[10] < 0.3 * expected[5]


def test_a_search_that_does_not_try_its_best_ends_all_the_same():
    function = Synthetic(domains=14, useless=2, seed=5)
    study = function.problem(budget=60)
    history = told(function, study.space.sobol(60, seed=0))
    surrogate = Auto().chosen(study).surrogate
    belief = believe(study, history, surrogate, seed=0)
    recommended = minimiser(belief, surrogate, study.space, seed=0)
    gained = belief.mean(belief.data.X).min() - belief.mean(as_tensor([recommended])).item()
    # What a trial of the recommendation would gain over the trials is known already.
    assert gained > 0.1
    assert expected_improvement(study, history, Auto(), seed=0) < 0.1 * gained


def test_of_many_domains_only_what_may_be_recommended_is_looked_at(monkeypatch):
    function = Synthetic(domains=MANY + 1, seed=2)
    study = function.problem(budget=20)
    points, spaces = study.space.sobol(20, seed=0), []
    optimize = multistart.optimize
    monkeypatch.setattr(multistart, "optimize", lambda f, space, **o: spaces.append(space) or optimize(f, space, **o))
    assert expected_improvement(study, told(function, points), Bayesian(surrogate=GP(draws=0), n_init=5), seed=0) > 0.0
    assert len(spaces) == 2
    assert all((space.upper_array <= points.max(axis=0) + 1e-9).all() for space in spaces)


@pytest.mark.parametrize("bounds", [{"upper": {"code": 0.2}}, {"at_least": {"maths": 0.1, "web": 0.1}}])
def test_a_run_that_the_space_forbids_is_nothing_that_was_found(world, bounds):
    here = world(**bounds)
    strategy, history = Bayesian(surrogate=GP(draws=0), n_init=2), here.history(8)
    beyond = here.problem.space.to_weights([0.45, 0.45, 0.05, 0.05])
    rng = np.random.default_rng(0)
    result = here.result(np.array([0.45, 0.45, 0.05, 0.05]), noise=0.0, rng=rng)
    both = History((*history.records, Record(Trial(8, beyond, 0, IMPORTED), result)))
    belief = believe(here.problem, both, strategy.surrogate, seed=0)
    assert float(belief.mean(belief.data.X)[-1]) < float(belief.mean(belief.X_inside).min())
    alone = expected_improvement(here.problem, history, strategy, seed=0)
    assert expected_improvement(here.problem, both, strategy, seed=0) > 0.3 * alone


def test_a_design_that_takes_nearly_all_trials_is_waited_for(world):
    here, strategy = world(), RegMix(surrogate=Ridge())
    problem = replace(here.problem, budget=20)
    assert expected_improvement(problem, here.history(18), strategy, seed=0) is None
    assert expected_improvement(problem, here.history(19), strategy, seed=0) is not None


@dataclass(frozen=True)
class Handing:
    """Hands its asks to one strategy up to some observations, and to another from there on."""

    first: Any
    then: Any
    at: int

    def acting(self, problem, history):
        return self.first if len(history.observations) < self.at else self.then


def test_the_strategy_that_acts_is_asked_however_deep_it_is_handed_on(world):
    here = world()
    low, high = Expecting(dict.fromkeys(range(20), 0.1)), Expecting(dict.fromkeys(range(20), 0.9))
    strategy = Handing(low, Handing(Sobol(), high, at=8), at=6)
    found = [expected_improvement(here.problem, here.history(n), strategy, seed=0) for n in (5, 7, 9)]
    assert found == [0.1, None, 0.9]


def test_for_a_model_across_scales_runs_of_all_of_them_explore():
    study = problem(["x"])
    mixtures = np.random.default_rng(0).dirichlet(np.ones(3), 4)
    runs = [(at, row, {"x": 1.0}) for at, row in zip(("small", "small", "large", "small"), mixtures, strict=True)]
    record = history(study, runs)
    np.testing.assert_allclose(tried(study.space, record, across=True), mixtures)
    np.testing.assert_allclose(tried(study.space, record), mixtures[2:3])
