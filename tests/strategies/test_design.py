from __future__ import annotations

import numpy as np

from bomix.history import History
from bomix.strategies.design import Sobol
from bomix.trial import IMPORTED, Record, Result, Trial


def told(problem, candidates, history=None, origin=None):
    history = history or History()
    for candidate in candidates:
        trial = Trial(history.next_id, candidate.weights, 0, origin or candidate.origin)
        history = history.with_record(Record(trial, Result({"m0": 1.0, "m1": 1.0, "m2": 1.0})))
    return history


def test_uniform_and_natural_come_first_then_the_sequence_of_the_study(world):
    problem = world().problem
    candidates = Sobol().ask(problem, History(), 5, seed=3)
    assert [c.origin for c in candidates] == ["uniform", "natural", "sobol", "sobol", "sobol"]
    space = problem.space
    np.testing.assert_allclose(space.to_array(candidates[0].weights), 0.25)
    np.testing.assert_allclose(space.to_array(candidates[1].weights), np.array([1, 2, 4, 8]) / 15)
    expected = space.snap(space.sobol(5, seed=3)[2:])
    np.testing.assert_array_equal(space.to_arrays([c.weights for c in candidates[2:]]), expected)


def test_asking_one_at_a_time_is_asking_at_once(world):
    problem = world().problem
    history, one_by_one = History(), []
    for _ in range(6):
        (candidate,) = Sobol().ask(problem, history, 1, seed=0)
        one_by_one.append(candidate)
        history = told(problem, [candidate], history)
    assert one_by_one == Sobol().ask(problem, History(), 6, seed=0)


def test_imported_runs_do_not_move_the_sequence_but_spare_an_anchor(world):
    problem = world().problem
    fresh = Sobol().ask(problem, History(), 4, seed=0)
    history = told(problem, fresh[:1], origin=IMPORTED)
    after = Sobol().ask(problem, history, 3, seed=0)
    assert [c.origin for c in after] == ["natural", "sobol", "sobol"]
    assert after[2] == fresh[2]


def test_a_natural_mixture_that_is_uniform_is_asked_once(world):
    problem = world(upper={"books": 0.25, "code": 0.25, "maths": 0.25, "web": 0.25}).problem
    assert [c.origin for c in Sobol().ask(problem, History(), 2, seed=0)] == ["uniform", "sobol"]
    assert [c.origin for c in Sobol().ask(world(natural=False).problem, History(), 2, seed=0)] == ["uniform", "sobol"]


def test_without_anchors_it_is_the_plain_sequence(world):
    candidates = Sobol(anchors=False).ask(world().problem, History(), 3, seed=0)
    assert {c.origin for c in candidates} == {"sobol"}
