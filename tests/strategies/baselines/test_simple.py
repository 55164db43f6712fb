from __future__ import annotations

import dataclasses
import logging

import numpy as np
import pytest

import bomix
from bomix.config.build import build, plain
from bomix.errors import FaultsError
from bomix.history import History
from bomix.problem import Problem
from bomix.space.mixture_space import MixtureSpace
from bomix.strategies.baselines.simple import Fixed, Natural, Temperature, Uniform, UniMax

TOKENS = {"books": 10.0, "code": 30.0, "maths": 100.0, "web": 1000.0}


def with_tokens(problem: Problem, run_tokens: float | None = 400.0, **tokens: float) -> Problem:
    tokens = TOKENS | tokens
    total = sum(tokens.values())
    natural = {name: count / total for name, count in tokens.items()}
    return dataclasses.replace(problem, natural=natural, tokens=tokens, run_tokens=run_tokens)


def proposed(strategy, problem):
    (candidate,) = strategy.ask(problem, History(), 1, seed=0)
    return problem.space.to_array(candidate.weights)


def test_the_baselines_are_what_their_names_say(world):
    problem = world().problem
    natural = np.array([1, 2, 4, 8]) / 15
    np.testing.assert_allclose(proposed(Uniform(), problem), 0.25)
    np.testing.assert_allclose(proposed(Natural(), problem), natural)
    np.testing.assert_allclose(proposed(Temperature(2.0), problem), np.sqrt(natural) / np.sqrt(natural).sum())
    np.testing.assert_allclose(proposed(Temperature(1.0), problem), natural)
    np.testing.assert_allclose(proposed(Temperature(1e9), problem), 0.25)
    weights = {"web": 0.4, "books": 0.3, "code": 0.2, "maths": 0.1}
    np.testing.assert_allclose(proposed(Fixed(weights), problem), [0.3, 0.2, 0.1, 0.4])


def test_uniform_and_natural_are_the_anchors_of_the_problem(world):
    problem = world(upper={"web": 0.3}).problem
    for strategy in (Uniform(), Natural()):
        (candidate,) = strategy.ask(problem, History(), 1, seed=0)
        assert candidate.weights == problem.anchors()[candidate.origin]


def test_a_baseline_repeats_itself_and_says_so(world):
    problem = world().problem
    first, second = Uniform().ask(problem, History(), 2, seed=0)
    assert first == second
    assert Uniform().ask(problem, History().with_pending([first]), 1, seed=7) == [first]
    assert Uniform.repeats


def water_filling(tokens: dict[str, float], budget: float, max_epochs: float) -> dict[str, float]:
    """UniMax as it is published: the smallest first, each its even share of what is left, or all it may have."""
    shares, left = {}, budget
    for place, name in enumerate(sorted(tokens, key=tokens.get)):
        shares[name] = min(left / (len(tokens) - place), max_epochs * tokens[name])
        left -= shares[name]
    return {name: share / budget for name, share in shares.items()}


@pytest.mark.parametrize("max_epochs", [0.4, 1.0, 4.0, 100.0])
def test_unimax_is_the_published_procedure(max_epochs, world):
    problem = with_tokens(world().problem)
    expected = problem.space.to_array(water_filling(TOKENS, 400.0, max_epochs))
    np.testing.assert_allclose(proposed(UniMax(max_epochs), problem), expected)


def test_unimax_meets_bounds_and_caps_at_once(world):
    problem = with_tokens(world(upper={"web": 0.2}).problem)
    # books 4 * 10 / 400, code 4 * 30 / 400, web its bound, maths the rest
    np.testing.assert_allclose(proposed(UniMax(4.0), problem), [0.1, 0.3, 0.4, 0.2])


def test_where_bounds_and_caps_leave_nothing_bounds_come_first_and_it_is_said(world, caplog):
    problem = with_tokens(world(upper={"web": 0.4}).problem)
    with caplog.at_level(logging.WARNING):
        weights = proposed(UniMax(1.5), problem)
    ideal = np.array([0.0375, 0.1125, 0.375, 0.475])
    np.testing.assert_allclose(weights, [*(ideal[:3] + 0.025), 0.4])
    assert "web 0.475 -> 0.4" in caplog.text


def test_unimax_is_uniform_in_a_space_with_the_same_caps():
    space = MixtureSpace.from_tokens(TOKENS, budget=400.0, max_epochs=4.0)
    problem = with_tokens(Problem(space, (), None))
    np.testing.assert_allclose(proposed(UniMax(4.0), problem), proposed(Uniform(), problem))


def test_a_missing_count_is_a_fault_that_names_its_cure(world):
    problem = world(natural=False).problem
    for strategy in (Natural(), Temperature()):
        assert "domains.code.tokens" in strategy.problem_faults(problem)[1].what
        with pytest.raises(FaultsError, match=r"tokens of domain 'books' are unknown; give domains\.books\.tokens"):
            strategy.ask(problem, History(), 1, seed=0)
    with pytest.raises(FaultsError, match=r"give target\.tokens"):
        UniMax().ask(with_tokens(problem, run_tokens=None), History(), 1, seed=0)
    with pytest.raises(FaultsError, match=r"raise max_epochs to 4\.39"):
        UniMax().ask(with_tokens(problem, run_tokens=5000.0), History(), 1, seed=0)
    assert not UniMax().problem_faults(with_tokens(problem))
    assert not Uniform().problem_faults(problem)


def test_a_mixture_that_bounds_move_is_said_once(world, caplog):
    problem = world(upper={"web": 0.1}).problem
    with caplog.at_level(logging.WARNING):
        candidates = Uniform().ask(problem, History(), 1, seed=0)
        assert "uniform: the space does not allow the mixture as it is" in caplog.text
        assert "web 0.25 -> 0.1" in caplog.text
        caplog.clear()
        assert Uniform().ask(problem, History().with_pending(candidates), 1, seed=0) == candidates
        Uniform().ask(world().problem, History(), 1, seed=0)
        assert not caplog.records


def test_what_is_no_mixture_is_refused(world):
    wheres = lambda weights: [fault.where for fault in Fixed(weights).faults()]  # noqa: E731
    assert wheres({"web": 0.7, "books": -0.1}) == ["weights.books"]
    assert wheres({"web": 0.7}) == ["weights"]
    assert wheres({}) == ["weights"]
    assert wheres({"web": 0.667, "books": 0.333}) == []
    problem = world().problem
    found = Fixed({"web": 0.5, "boks": 0.5}).problem_faults(problem)
    assert {fault.where for fault in found} == {"weights.books", "weights.code", "weights.maths", "weights.boks"}
    assert [fault.where for fault in Temperature(-1.0).faults()] == ["temperature"]
    assert [fault.where for fault in UniMax(0.0).faults()] == ["max_epochs"]


def test_a_study_file_can_say_it():
    spec, faults = build(Fixed, {"weights": {"a": 0.5, "b": 0.5}})
    assert not faults
    assert build(Fixed, plain(spec)) == (spec, [])


def test_of_two_phases_both_have_the_mixture():
    domains = {name: {"tokens": f"{count:.0f}M"} for name, count in TOKENS.items()}
    study = bomix.Study(domains, ["loss"], target={"tokens": "400M"}, phases={"anneal": 0.2}, strategy="unimax")
    phases, trial = study.problem.phases, study.ask()
    assert phases.is_tied(trial.weights)
    assert phases.aggregate(trial.weights) == pytest.approx({"books": 0.1, "code": 0.3, "maths": 0.3, "web": 0.3})
