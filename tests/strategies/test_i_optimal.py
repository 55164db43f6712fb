"""The I-optimal design against random ones and Sobol's, in what it is for: the mean variance of predictions."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

import bomix
from bomix.evaluators.synthetic.spec import Synthetic
from bomix.history import History
from bomix.optimization.exchange import mean_variance
from bomix.problem import Problem
from bomix.space.linear import Constraint
from bomix.space.mixture_space import MixtureSpace
from bomix.strategies.design_features import FeatureMap, Features
from bomix.strategies.designs import Sobol
from bomix.strategies.i_optimal import IOptimal, candidates
from bomix.trial import IMPORTED, Candidate, Record, Result, Trial

PROBLEM = Synthetic(family="epochs", domains=8, useless=6).problem()
TRIALS = 14


def arrays(problem: Problem, found: list[Candidate]) -> np.ndarray:
    return problem.space.to_arrays(each.weights for each in found)


def variance(problem: Problem, name: FeatureMap, points: np.ndarray) -> float:
    """Mean variance of predictions over a fresh sample of the space."""
    passes = np.array([problem.passes[each] for each in problem.space.domains])
    features = Features(name, problem.space.sample(2048, np.random.default_rng(99)), passes)
    return mean_variance(features(points), features.moments, features.precision)


@pytest.mark.parametrize("name", get_args(FeatureMap))
def test_it_predicts_better_on_average_than_sobol_and_random_mixtures(name: FeatureMap) -> None:
    own = variance(
        PROBLEM, name, arrays(PROBLEM, IOptimal(features=name, trials=TRIALS).ask(PROBLEM, History(), TRIALS, seed=1))
    )
    sobol = variance(PROBLEM, name, arrays(PROBLEM, Sobol().ask(PROBLEM, History(), TRIALS, seed=1)))
    random = [PROBLEM.space.sample(TRIALS, np.random.default_rng(seed)) for seed in range(5)]
    assert own < 0.97 * min(sobol, *(variance(PROBLEM, name, points) for points in random))


def test_constraints_hold_to_1e_9_and_it_is_still_better() -> None:
    total = Constraint({"d0": 1.0, "d1": 1.0, "d2": 1.0}, at_least=0.3, at_most=0.4)
    space = MixtureSpace([f"d{i}" for i in range(8)], upper={"d3": 0.2}, at_least={"d4": 0.05}, constraints=[total])
    problem = replace(PROBLEM, space=space)
    points = arrays(problem, IOptimal(features="log", trials=TRIALS).ask(problem, History(), TRIALS, seed=0))
    assert space.contains(points, tolerance=1e-9).all()
    assert variance(problem, "log", points) < 0.9 * variance(problem, "log", space.sobol(TRIALS, seed=0))


def test_imported_runs_are_given_and_not_asked_for_again() -> None:
    design = IOptimal(features="linear", trials=12)
    first = design.ask(PROBLEM, History(), 12, seed=0)
    trials = [Trial(index, each.weights, 0, IMPORTED) for index, each in enumerate(first)]
    imported = History(tuple(Record(trial, Result({"d1": 1.0})) for trial in trials))
    after = arrays(PROBLEM, design.ask(PROBLEM, imported, 10, seed=0))
    before = arrays(PROBLEM, first)
    assert np.abs(after[:, None] - before).max(axis=-1).min() > 1e-6
    blind = arrays(PROBLEM, Sobol(anchors=False).ask(PROBLEM, History(), 10, seed=0))
    both = [variance(PROBLEM, "linear", np.concatenate([before, each])) for each in (after, blind)]
    assert both[0] < both[1]


def test_another_design_follows_once_it_is_over_and_seeds_differ() -> None:
    design = IOptimal(trials=8)
    points = arrays(PROBLEM, design.ask(PROBLEM, History(), 18, seed=0))
    assert len(np.unique(points.round(9), axis=0)) == 18
    other = arrays(PROBLEM, design.ask(PROBLEM, History(), 8, seed=1))
    assert np.abs(other[2:] - points[2:8]).max() > 0.01


def test_candidates_are_mixtures_of_the_space_with_its_corners_among_them() -> None:
    space = PROBLEM.space
    points = candidates(space, np.full(8, 0.125), 9, np.random.default_rng(0))
    assert space.contains(points, tolerance=1e-9).all()
    corners = space.snap(space.project(np.eye(8)))
    assert np.abs(points[:, None] - corners).max(axis=-1).min(axis=0).max() < 1e-9


def test_what_it_cannot_do_is_said() -> None:
    plain = Synthetic(domains=4).problem()
    assert [fault.where for fault in IOptimal(features="epochs").problem_faults(plain)] == ["features"]
    assert [fault.where for fault in IOptimal(trials=4, deletions=True).problem_faults(plain)] == ["trials"]
    assert [fault.where for fault in IOptimal(trials=0, replicates=0).faults()] == ["trials", "replicates"]
    assert not IOptimal(features="epochs").problem_faults(PROBLEM)


def test_a_study_file_says_it() -> None:
    study = bomix.Study(
        ["a", "b", "c"], ["loss"], strategy={"kind": "i_optimal", "features": "quadratic", "trials": 6}, seed=2
    )
    assert [trial.origin for trial in study.ask(4)] == ["uniform", *["i_optimal"] * 3]
