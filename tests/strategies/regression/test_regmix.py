from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bomix.config.build import build
from bomix.history import History
from bomix.objectives.weighted import Mean
from bomix.problem import Metric, Problem
from bomix.space.mixture_space import MixtureSpace
from bomix.strategies.designs import Dirichlet, Sobol
from bomix.strategies.regression.regmix import RegMix
from bomix.surrogates.regression import specs
from bomix.surrogates.regression.specs import LightGBM, Ridge
from bomix.trial import Record, Result, Trial

SLOPES = np.array([0.3, -1.0, 0.5, 0.2])
RIDGE = RegMix(surrogate=Ridge(penalties=(1e-6, 1e-3)), n_init=4, simulated=4000, averaged=20)


def straight(world, n=20, metrics=3, **bounds):
    """A record whose metrics are linear in the weights, but for a little noise."""
    made = world(**bounds)
    space = made.problem.space
    points = space.sobol(n, seed=1)
    noise = 1e-3 * np.random.default_rng(2).normal(size=(n, metrics))
    losses = 2.0 + points @ SLOPES[:, None] + noise
    results = [Result(dict(zip(made.problem.metric_names, row.tolist(), strict=True))) for row in losses]
    trials = [Trial(index, space.to_weights(point), 0, "sobol") for index, point in enumerate(points)]
    return made.problem, History(tuple(map(Record, trials, results)))


def linear(points):
    return points @ SLOPES


@pytest.mark.parametrize("target", ["objective", "metrics"])
def test_the_best_of_a_linear_loss_lies_near_its_vertex(world, target) -> None:
    problem, history = straight(world)
    (candidate,) = dataclasses.replace(RIDGE, target=target).ask(problem, history, 1, seed=0)
    assert candidate.origin == "regmix"
    assert candidate.weights["code"] > 0.97


def test_objective_and_metrics_agree_where_the_regression_holds(world) -> None:
    problem, history = straight(world)
    first, second = (
        dataclasses.replace(RIDGE, target=target).ask(problem, history, 1, seed=0)[0].weights
        for target in ("objective", "metrics")
    )
    assert first == pytest.approx(second, abs=1e-2)


def test_the_best_are_the_lowest_of_all_that_are_predicted(world) -> None:
    problem, seen = world().problem, []

    def values(points):
        seen.append(points.copy())
        return linear(points)

    spec = RegMix(simulated=70_000, averaged=50)
    best = spec.best_simulated(values, problem, np.random.default_rng(0))
    every = np.concatenate(seen)
    assert len(every) == 70_000
    np.testing.assert_array_equal(linear(best), np.sort(linear(every))[:50])


def test_simulated_mixtures_are_those_of_the_tokens_on_average() -> None:
    names = tuple("abcde")
    natural = dict(zip(names, (0.5, 0.3, 0.15, 0.05, 0.0), strict=True))
    problem, seen = Problem(MixtureSpace(names), (Metric("m"),), Mean(), natural), []

    def values(points):
        seen.append(points.copy())
        return points[:, 0]

    RegMix(simulated=20_000).best_simulated(values, problem, np.random.default_rng(1))
    every = np.concatenate(seen)
    np.testing.assert_allclose(every.mean(axis=0), list(natural.values()), atol=0.01)
    np.testing.assert_allclose(every.sum(axis=1), 1.0, atol=1e-12)
    assert (every[:, 4] == 0.0).all()
    assert ((every > 0.99).any(axis=1)).mean() > 0.03  # sparse ones are there


def test_bounds_hold_for_every_mixture_that_is_predicted(world) -> None:
    problem, history = straight(world, upper={"code": 0.4}, lower={"web": 0.1})

    def values(points):
        space = problem.space
        assert (points >= space.lower_array - 1e-12).all()
        assert (points <= space.upper_array + 1e-12).all()
        return linear(points)

    RIDGE.best_simulated(values, problem, np.random.default_rng(0))
    for candidate in RIDGE.ask(problem, history, 3, seed=0):
        problem.space.check(candidate.weights, tolerance=1e-9)
    assert RIDGE.ask(problem, history, 1, seed=0)[0].weights["code"] == pytest.approx(0.4, abs=0.02)


def test_as_published_all_trials_but_the_last_are_of_the_design(world) -> None:
    problem, history = straight(world, n=8)
    strategy = dataclasses.replace(RIDGE, n_init=None)
    for budget, origin in ((9, "regmix"), (10, "sobol")):
        planned = dataclasses.replace(problem, budget=budget)
        spec = dataclasses.replace(strategy, design=Sobol(anchors=False))
        assert spec.ask(planned, history, 1, seed=0)[0].origin == origin


def test_without_trials_the_design_begins(world) -> None:
    problem = world().problem
    assert [candidate.origin for candidate in RIDGE.ask(problem, History(), 3, seed=0)] == [
        "uniform",
        "natural",
        "dirichlet",
    ]
    assert isinstance(RegMix().design, Dirichlet)


def test_a_metric_that_counts_and_is_missing_leaves_its_trial_out(world) -> None:
    problem, history = straight(world)
    gaps = [
        dataclasses.replace(record, outcome=Result({"m0": 99.0}, unmeasured=("m1", "m2"))) if index < 4 else record
        for index, record in enumerate(history.records)
    ]
    (candidate,) = RIDGE.ask(problem, History(tuple(gaps)), 1, seed=0)
    assert candidate.weights["code"] > 0.9


def test_trees_are_averaged_too(world) -> None:
    pytest.importorskip("lightgbm")
    problem, history = straight(world, n=60)
    strategy = dataclasses.replace(RIDGE, surrogate=LightGBM(leaf=5, rounds=200, rate=0.05))
    (candidate,) = strategy.ask(problem, history, 1, seed=0)
    assert candidate.weights["code"] > 0.6
    assert strategy.ask(problem, history, 1, seed=0) == [candidate]


def test_one_domain_leaves_nothing_to_choose() -> None:
    problem = Problem(MixtureSpace(("web",)), (Metric("m"),), Mean())
    records = [Record(Trial(i, {"web": 1.0}, 0, "sobol"), Result({"m": 2.0 + 0.1 * i})) for i in range(4)]
    assert RIDGE.ask(problem, History(tuple(records)), 1, seed=0)[0].weights == {"web": 1.0}


def test_faults_name_the_field() -> None:
    spec = RegMix(surrogate=Ridge(), n_init=-1, simulated=10, averaged=20, concentration=(2.0, 1.0), temperature=0.0)
    assert {fault.where for fault in spec.faults()} == {"n_init", "averaged", "concentration", "temperature"}


def test_the_default_needs_a_package_and_says_so(monkeypatch) -> None:
    monkeypatch.setattr(specs, "find_spec", lambda name: None)
    _, faults = build(RegMix, {})
    assert [fault.where for fault in faults] == ["surrogate.kind"]
    assert "pip install" in faults[0].what
    assert not build(RegMix, {"surrogate": "ridge"})[1]


def test_a_study_file_holds_the_published_setting() -> None:
    data = {"surrogate": {"kind": "lightgbm", "leaf": 20}, "simulated": "1M", "averaged": 100, "n_init": 512}
    pytest.importorskip("lightgbm")
    spec, faults = build(RegMix, data)
    assert not faults
    assert spec == RegMix(surrogate=LightGBM(leaf=20), n_init=512)
