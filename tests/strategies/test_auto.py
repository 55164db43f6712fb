"""What the default strategy chooses, and that what it chooses finds a known optimum."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bomix.acquisition.improvement import UCB, Greedy, LogEI
from bomix.evaluators.synthetic.spec import Synthetic
from bomix.history import History
from bomix.objectives.pareto import Pareto
from bomix.objectives.robust import Excess, Guardrail, SmoothMax, Worst
from bomix.objectives.weighted import Mean
from bomix.posterior.explored import MANY, explored
from bomix.problem import Metric, Problem
from bomix.recommendation.decision import decide
from bomix.space.mixture_space import MixtureSpace
from bomix.strategies import at_target as auto
from bomix.strategies.auto import Auto
from bomix.strategies.bayesian.turbo import Turbo
from bomix.strategies.bayesian.whole_space import Bayesian
from bomix.strategies.checks import surrogate_of
from bomix.strategies.designs import Sobol
from bomix.strategies.sequence import Sequence, Step
from bomix.surrogates.gp.presets import GROUPED, LEARNT, POOLED, PREDICTING, QUICK, STEEP, SUMMED
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.laws.spec import LawRegression
from bomix.surrogates.means.law import LawMean
from bomix.trial import EXPERT, IMPORTED, Record, Result, Trial
from tests.known.told import told


def problem(domains: int, useless: int = 0) -> Problem:
    return Synthetic(domains=domains, useless=useless).problem(budget=60)


@pytest.mark.parametrize(
    ("domains", "useless", "kind", "surrogate"),
    [
        (7, 0, Bayesian, GP()),
        (20, 10, Bayesian, GP()),
        (20, 18, Bayesian, GP()),
        (20, 19, Turbo, SUMMED),
        (auto.POOLED_FROM - 1, auto.POOLED_FROM - 2, Bayesian, GP()),
        (12, 0, Turbo, POOLED),
        (MANY, 0, Turbo, POOLED),
        (MANY + 1, 0, Turbo, LEARNT),
        (MANY + 1, MANY - 4, Turbo, GROUPED),
        (MANY + 1, MANY, Turbo, SUMMED),
    ],
)
def test_domains_and_metrics_choose(domains, useless, kind, surrogate):
    study = problem(domains, useless)
    chosen = Auto().chosen(study)
    assert isinstance(chosen, kind)
    assert chosen.surrogate == surrogate
    together = surrogate in (POOLED, LEARNT, GROUPED, SUMMED)
    assert chosen.acquisition == (UCB(beta=auto.BETA_PER_DOMAIN * domains) if together else LogEI())
    assert chosen.acquisition.origin in Auto().description(study)


def test_beyond_many_domains_it_is_learnt_which_one_a_metric_falls_with_whatever_names_say():
    named = problem(MANY + 1)
    renamed = replace(named, metrics=tuple(Metric(f"loss_{name}") for name in named.metric_names))
    mapped = replace(renamed, own=dict(zip(renamed.metric_names, named.metric_names, strict=True)))
    partly = replace(renamed, own={renamed.metric_names[0]: named.metric_names[0]})
    for study in (named, mapped, renamed, partly):
        assert Auto().chosen(study).surrogate == surrogate_of(Auto(), study) == LEARNT
        assert Auto().chosen(study).acquisition == UCB(beta=auto.BETA_PER_DOMAIN * (MANY + 1))


def test_a_single_metric_has_the_model_of_many_domains_where_a_bound_searches_the_whole_space():
    alone = problem(20, 19)
    assert surrogate_of(Auto(), alone) == SUMMED
    of_pool = replace(alone, pool=tuple(map(tuple, np.eye(20)[:6].tolist())))
    for strategy, study in (
        (Auto(acquisition=LogEI()), alone),
        (Auto(), replace(alone, objective=Worst())),
        (Auto(), of_pool),
    ):
        assert surrogate_of(strategy, study) == GP()
        assert isinstance(strategy.chosen(study), Bayesian)


def test_what_is_named_is_taken():
    study = problem(20)
    assert Auto(acquisition=LogEI()).chosen(study).acquisition == LogEI()
    assert isinstance(Auto(acquisition=LogEI()).chosen(study), Bayesian)
    named = Auto(surrogate=LawRegression())
    assert surrogate_of(named, study) == named.chosen(study).surrogate == LawRegression()


def test_of_a_pool_the_best_expected_is_asked_for_after_three_trials():
    study = problem(20)
    pool = replace(study, pool=tuple(map(tuple, np.random.default_rng(0).dirichlet(np.ones(20), 30).tolist())))
    chosen = Auto().chosen(pool)
    assert isinstance(chosen, Bayesian)
    assert (chosen.acquisition, chosen.n_init, chosen.alone) == (Greedy(), auto.POOL_DESIGN, QUICK)
    assert chosen.surrogate == Auto().chosen(study).surrogate
    assert "3 trials of design, then posterior_mean over the pool" in Auto().description(pool)
    assert Auto(n_init=9).chosen(pool).n_init == 9
    assert Auto(acquisition=LogEI()).chosen(pool).acquisition == LogEI()
    assert Auto(surrogate=GP()).chosen(pool).alone is None
    assert Auto().chosen(replace(pool, experts=True)).n_init == 2
    names = study.metric_names
    fronts = replace(pool, objective=Pareto({"a": names[:9], "b": names[9:]}))
    assert Auto().chosen(fronts).acquisition == LogEI()
    assert not Auto().problem_faults(fronts)


def test_a_trade_off_is_searched_by_its_volume():
    study = problem(20)
    names = study.metric_names
    fronts = Problem(study.space, study.metrics, Pareto({"a": names[:9], "b": names[9:]}))
    chosen = Auto().chosen(fronts)
    assert isinstance(chosen, Bayesian)
    assert chosen.acquisition == LogEI()
    assert not Auto().problem_faults(fronts)


def test_what_is_no_weighted_sum_is_searched_by_log_ei_up_to_many_domains():
    for objective in (Excess(), Worst(), SmoothMax(), Guardrail()):
        chosen = Auto().chosen(replace(problem(20), objective=objective))
        assert isinstance(chosen, Bayesian)
        assert (chosen.acquisition, chosen.surrogate) == (LogEI(trusted=auto.TRUSTED_OF_WORST), POOLED)
        many = Auto().chosen(replace(problem(MANY + 1), objective=objective))
        assert isinstance(many, Turbo)
        assert isinstance(many.acquisition, UCB)


def test_asks_take_the_best_hyperparameters_and_recommendations_draw_them():
    assert Auto().chosen(problem(20)).surrogate.draws == 0
    assert surrogate_of(Auto(), problem(20)).draws is None
    assert surrogate_of(Auto(), problem(7)) == GP()


def test_many_metrics_of_few_domains_are_predicted_with_draws():
    few = problem(8)
    study = Problem(few.space, tuple(Metric(f"m{i}") for i in range(auto.QUICK_FROM)), Mean())
    assert Auto().chosen(study).surrogate.draws == 0
    assert surrogate_of(Auto(), study) == PREDICTING
    named = problem(auto.POOLED_FROM)
    assert surrogate_of(Auto(), named) == replace(POOLED, draws=None, restarts=None, growth=0.0)
    scores = tuple(Metric(f"m{i}") for i in range(auto.POOLED_FROM))
    unnamed = Problem(named.space, scores, Mean())
    assert surrogate_of(Auto(), unnamed) == PREDICTING
    mapped = {metric.name: domain for metric, domain in zip(scores, named.space.domains, strict=True)}
    assert surrogate_of(Auto(), replace(unnamed, own=mapped)).kernels == POOLED.kernels
    assert surrogate_of(Auto(), few) == GP()


def test_a_surrogate_that_is_named_is_kept_as_it_is_even_if_auto_would_choose_it():
    named = Auto(surrogate=POOLED)
    assert surrogate_of(named, problem(20)) is POOLED
    assert isinstance(named.chosen(problem(20)), Bayesian)


def test_beyond_many_domains_nothing_is_recommended_that_no_trial_came_near():
    function = Synthetic(domains=40, seed=3)
    study = function.problem(budget=20)
    points = study.space.sobol(20, seed=0)
    found = decide(study, told(function, points), LEARNT, seed=0)
    assert (found.of_space <= points.max(axis=0) + 1e-9).all()
    regret = function.regret(found.point)
    assert regret < 0.6 * min(function.regret(point) for point in points)


def test_experts_of_single_domains_do_not_widen_what_is_recommended():
    function = Synthetic(domains=40, seed=3)
    study = function.problem(budget=60)
    points = study.space.sobol(20, seed=0)
    mixtures, alone = told(function, points), told(function, np.eye(40))
    experts = [
        replace(record, trial=replace(record.trial, id=20 + number, origin=EXPERT))
        for number, record in enumerate(alone.records)
    ]
    both = History((*mixtures.records, *experts))
    assert (explored(study.space, both).upper_array == explored(study.space, mixtures).upper_array).all()
    assert explored(study.space, History(tuple(experts))) is study.space
    found = decide(study, both, LEARNT, seed=0)
    assert (found.of_space <= points.max(axis=0) + 1e-9).all()


def test_where_no_mixture_of_what_was_explored_is_allowed_all_is():
    names = [f"d{i:02d}" for i in range(40)]
    space = MixtureSpace(names, at_least=dict.fromkeys(names, 0.3))
    tried = np.full((4, 40), 0.69 / 39)
    tried[np.arange(4), np.arange(4)] = 0.31
    tried[:, 4:] = (1.0 - tried[:, :4].sum(axis=1, keepdims=True)) / 36
    runs = [Record(Trial(i, space.to_weights(w), 0, IMPORTED), Result({"d00": 1.0})) for i, w in enumerate(tried)]
    assert explored(space, History(tuple(runs))) is not None
    fewer = History(tuple(runs[:3]))
    assert explored(space, fewer) is space


def test_what_a_run_really_had_was_explored():
    function = Synthetic(domains=40, seed=3)
    study = function.problem(budget=60)
    asked = told(function, study.space.sobol(3, seed=0))
    had = study.space.to_weights(np.full(40, 1.0 / 40))
    realised = [replace(record, outcome=replace(record.result, realized=had)) for record in asked.records]
    assert explored(study.space, History(tuple(realised))).upper == pytest.approx([1.0 / 40] * 40)


def test_few_trials_beyond_the_design_find_a_better_mixture_than_any_of_it():
    function = Synthetic(domains=14, useless=2, seed=5)
    study = function.problem(budget=24)
    space, points = study.space, list(study.space.sobol(16, seed=0))
    strategy = Auto(n_init=16)
    for _ in range(8):
        history = told(function, np.array(points))
        (candidate,) = strategy.ask(study, history, 1, seed=0)
        points.append(space.to_array(candidate.weights))
    found = decide(study, told(function, np.array(points)), strategy.chosen(study).surrogate, seed=0)
    assert function.regret(found.point) < 0.25 * min(function.regret(point) for point in points[:16])


def test_a_sequence_predicts_with_what_its_last_strategy_chooses():
    study, steps = problem(20), (Step(Sobol(), 3), Step(Auto()))
    assert surrogate_of(Sequence(steps), study) == surrogate_of(Auto(), study)
    assert Sequence(steps).expects
    assert surrogate_of(Sequence((Step(Sobol()),)), study) is None


def test_domains_that_no_trial_had_are_not_recommended_where_little_is_not_allowed():
    names = [f"d{i:02d}" for i in range(MANY + 1)]
    space = MixtureSpace(names, at_least=dict.fromkeys(names, 0.1))
    tried = np.zeros((2, len(names)))
    tried[0, :5], tried[1, 5:7] = 0.2, 0.5
    study = Problem(space, tuple(map(Metric, names)), Mean())
    points = [
        Record(
            Trial(number, space.to_weights(point), number, "sobol"), Result(dict(zip(names, 3.0 - point, strict=True)))
        )
        for number, point in enumerate(tried)
    ]
    found = decide(study, History(tuple(points)), LEARNT, seed=0)
    assert not space.faults_of(space.to_weights(found.of_space))
    assert (found.of_space[7:] == 0.0).all()


@pytest.mark.parametrize(
    ("domains", "trials", "strategy", "first"),
    [
        (4, 6, Auto(), True),
        (4, 11, Auto(), True),
        (4, 12, Auto(), False),
        (11, 13, Auto(), True),
        (12, 14, Auto(), False),
        (4, 6, Auto(surrogate=GP()), False),
        (4, 6, Auto(acquisition=LogEI()), False),
    ],
)
def test_the_first_asks_of_few_domains_expect_steep_losses_and_trust_deviations_less(domains, trials, strategy, first):
    function = Synthetic(domains=domains)
    study = function.problem(budget=60)
    acting = strategy.acting(study, told(function, study.space.sobol(trials, seed=0)))
    steep = replace(strategy.chosen(study), surrogate=STEEP, acquisition=LogEI(careful=True))
    assert acting == (steep if first else strategy.chosen(study))


def test_where_a_domain_may_be_read_more_than_once_the_model_is_a_law_in_epochs_and_a_process() -> None:
    repeating = Synthetic(family="epochs", domains=8, useless=5).problem(budget=40)
    plenty = Synthetic(family="epochs", domains=8, useless=5, natural_epochs=0.001).problem(budget=40)
    assert plenty.passes
    blind = replace(repeating, passes={})
    large = Synthetic(family="epochs", domains=26, useless=0).problem(budget=40)  # a law at every ask takes too long
    for problem, law in ((repeating, True), (plenty, False), (blind, False), (large, False)):
        asks, predicts = Auto().chosen(problem).surrogate, Auto().predicting(problem)
        assert (isinstance(asks, GP) and asks.mean == LawMean(form="epochs")) == law
        assert (isinstance(predicts, GP) and predicts.mean == LawMean(form="epochs", uncertain=True)) == law
    assert Auto().chosen(plenty) == Auto().chosen(replace(plenty, passes={}))
    named = Auto(surrogate=GP())
    assert (named.chosen(repeating).surrogate, named.predicting(repeating)) == (GP(), GP())
