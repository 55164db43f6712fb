from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bomix.history import History
from bomix.objectives.weighted import Mean
from bomix.problem import Metric, Problem
from bomix.space.mixture_space import MixtureSpace
from bomix.strategies.designs import Sobol
from bomix.strategies.regression import blackbox
from bomix.strategies.regression.blackbox import BlackBox
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.regression.specs import Boosting
from bomix.trial import Record, Result, Trial
from tests.known.world import law

pytest.importorskip("cma", reason="the package 'cma' is optional")

SEARCH = BlackBox(evaluations=6000)
CHEAP = BlackBox(surrogate=GP(draws=0, restarts=1), n_init=4, evaluations=600, starts=2)


def mean(points):
    return law(points).mean(axis=-1)


def test_the_optimum_of_a_convex_law_is_found(world) -> None:
    space = world().problem.space
    point = SEARCH.search(mean, space, seed=0)
    assert mean(point) == pytest.approx(2.14297317, abs=1e-5)
    np.testing.assert_array_equal(point[2:], 0.0)


def test_the_optimum_inside_is_found_at_twenty_domains() -> None:
    names = [f"d{index:02d}" for index in range(20)]
    target = np.random.default_rng(0).dirichlet(np.full(20, 2.0))
    point = SEARCH.search(lambda X: ((X - target) ** 2).sum(axis=1), MixtureSpace(names), seed=0)
    assert np.abs(point - target).max() < 0.02


def test_steps_without_slope_are_descended() -> None:
    space = MixtureSpace(("a", "b", "c"))
    target = np.array([0.7, 0.2, 0.1])
    point = SEARCH.search(lambda X: np.ceil(20.0 * np.abs(X - target).sum(axis=1)), space, seed=1)
    assert np.abs(point - target).sum() <= 0.05


def test_bounds_hold_for_every_mixture_that_is_predicted() -> None:
    space = MixtureSpace(("a", "b", "c", "d"), lower={"d": 0.1}, upper={"a": 0.3}, at_least={"c": 0.2})

    def values(points):
        assert (points >= space.lower_array).all()
        assert (points <= space.upper_array).all()
        np.testing.assert_allclose(points.sum(axis=1), 1.0, atol=1e-12)
        return -points[:, 0] + 0.1 * points[:, 2]

    point = SEARCH.search(values, space, seed=0)
    space.check(space.to_weights(point), tolerance=1e-9)
    np.testing.assert_allclose(point[[0, 2]], [0.3, 0.0], atol=1e-3)


def test_all_searches_are_predicted_together() -> None:
    sizes = []

    def values(points):
        sizes.append(len(points))
        return (points**2).sum(axis=1)

    BlackBox(evaluations=320, starts=4, population=16).search(values, MixtureSpace(tuple("abcde")), seed=0)
    assert sizes[1:-1] == [64] * 5


def test_the_global_generator_is_left_alone() -> None:
    np.random.seed(5)
    before = np.random.get_state()[1].copy()
    first, second = (
        SEARCH.search(lambda X: ((X - 0.2) ** 2).sum(axis=1), MixtureSpace(tuple("abcd")), seed=3) for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_predictions_that_are_no_numbers_are_passed_over() -> None:
    space = MixtureSpace(("a", "b"))
    point = SEARCH.search(lambda X: np.where(X[:, 0] > 0.5, np.nan, -X[:, 0]), space, seed=0)
    assert 0.45 < point[0] <= 0.5


def test_the_strategy_minimises_what_the_surrogate_predicts(world) -> None:
    made = world()
    history = made.history(20, noise=0.0)
    first, second = CHEAP.ask(made.problem, history, 2, seed=0)
    assert first.origin == "blackbox"
    assert mean(made.problem.space.to_array(first.weights)) < 2.2
    assert first.weights != second.weights
    assert CHEAP.ask(made.problem, history, 2, seed=0) == [first, second]


def test_trees_need_no_gradients() -> None:
    problem = Problem(MixtureSpace(("a", "b")), (Metric("m"),), Mean())
    trials = [Trial(i, {"a": x, "b": 1.0 - x}, 0, "sobol") for i, x in enumerate(np.linspace(0.0, 1.0, 24))]
    history = History(tuple(Record(t, Result({"m": (t.weights["a"] - 0.3) ** 2})) for t in trials))
    surrogate = Boosting(trees=(50,), rates=(0.1,), depths=(2,))
    strategy = dataclasses.replace(CHEAP, surrogate=surrogate)
    (candidate,) = strategy.ask(problem, history, 1, seed=0)
    assert candidate.weights["a"] == pytest.approx(0.3, abs=0.1)


def test_without_trials_the_design_begins(world) -> None:
    problem = world().problem
    design = Sobol(anchors=False)
    ours = dataclasses.replace(CHEAP, design=design).ask(problem, History(), 2, seed=4)
    assert ours == design.ask(problem, History(), 2, seed=4)


def test_a_missing_package_is_named_with_its_cure(world, monkeypatch) -> None:
    monkeypatch.setattr(blackbox, "find_spec", lambda name: None)
    (fault,) = BlackBox().faults()
    assert "pip install 'bomix[cmaes]'" in fault.what
    with pytest.raises(Exception, match="cmaes"):
        BlackBox().ask(world().problem, History(), 1, seed=0)


def test_faults_name_the_field() -> None:
    spec = BlackBox(n_init=-1, evaluations=0, starts=0, population=2)
    assert {fault.where for fault in spec.faults()} == {"n_init", "evaluations", "starts", "population"}
