from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from bomix.config.build import build, plain
from bomix.contracts.strategy import Strategy
from bomix.contracts.surrogate import Surrogate
from bomix.history import History
from bomix.strategies.auto import Auto
from bomix.strategies.baselines.reweighted import DoReMi
from bomix.strategies.baselines.simple import Uniform, UniMax
from bomix.strategies.bayesian.whole_space import Bayesian
from bomix.strategies.designs import Dirichlet, Sobol, Vertices
from bomix.strategies.sequence import Sequence, Step
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.regression.specs import Ridge
from bomix.trial import CONFIRM, IMPORTED, Candidate, Failure, Record, Trial


@dataclass(frozen=True)
class Spy:
    """Proposes the uniform mixture and says in its origin how much it saw."""

    surrogate: Surrogate = GP()

    def ask(self, problem, history, q, *, seed):
        weights = problem.anchors()["uniform"]
        return [Candidate(weights, f"{len(history)} seen, {history.n_asked} asked, {index}") for index in range(q)]


def test_each_step_proposes_as_many_as_it_says_and_the_last_goes_on(world):
    problem = world().problem
    steps = (Step(Vertices(anchors=False), 2), Step(Uniform(), 1), Step(Sobol(anchors=False), 1))
    candidates = Sequence(steps).ask(problem, History(), 6, seed=0)
    assert [c.origin for c in candidates] == ["vertex", "vertex", "uniform", "sobol", "sobol", "sobol"]
    # A design that begins late begins where the sequence of the study stands.
    assert candidates[3:] == Sobol(anchors=False).ask(problem, History(), 6, seed=0)[3:]


def test_asking_one_at_a_time_is_asking_at_once(world):
    problem = world().problem
    strategy = Sequence((Step(Sobol(), 3), Step(Dirichlet(), 2), Step(Vertices())))
    history = History()
    for _ in range(9):
        history = history.with_pending(strategy.ask(problem, history, 1, seed=1))
    assert [r.trial.weights for r in history.records] == [
        c.weights for c in strategy.ask(problem, History(), 9, seed=1)
    ]


def test_what_was_asked_counts_whatever_became_of_it_and_nothing_else(world):
    problem = world().problem
    strategy = Sequence((Step(Uniform(), 2), Step(Spy())))
    weights = problem.anchors()["uniform"]
    records = [
        Record(Trial(0, weights, 0, IMPORTED)),
        Record(Trial(1, weights, 0, "uniform"), Failure("out of memory")),
        Record(Trial(2, weights, 0, CONFIRM)),
    ]
    assert [c.origin for c in strategy.ask(problem, History(tuple(records)), 3, seed=0)] == [
        "uniform",
        "4 seen, 2 asked, 0",
        "4 seen, 2 asked, 1",
    ]


def test_the_surrogate_is_that_of_the_last_step_that_has_one(world):
    here, ridge = world().problem, Spy(surrogate=Ridge())
    told, silent = Sequence((Step(Spy(), 1), Step(ridge, 1), Step(Sobol()))), Sequence((Step(Sobol()),))
    assert told.predicting(here) == Ridge()
    assert told.expects
    assert silent.predicting(here) is None
    assert not silent.expects


def test_it_repeats_where_a_step_does():
    assert Sequence((Step(Sobol(), 1), Step(Uniform()))).repeats
    assert not Sequence((Step(Sobol(), 1), Step(Dirichlet()))).repeats


def test_the_needs_of_its_steps_are_its_own(world):
    strategy = Sequence((Step(Sobol(), 1), Step(UniMax())))
    found = strategy.problem_faults(world(natural=False).problem)
    assert {fault.where for fault in found} == {"steps[1].strategy"}
    assert any("target.tokens" in fault.what for fault in found)


def test_the_paths_of_its_steps_are_taken_from_the_studys_folder():
    steps = (Step(Sobol(), 2), Step(Bayesian(pool="pool.csv"), 3), Step(Uniform()))
    ready = Sequence(steps).relative_to(Path("study"))
    assert ready.steps == (steps[0], Step(Bayesian(pool=str(Path("study", "pool.csv"))), 3), steps[2])


SOBOL, UNIMAX = "bomix.strategies.designs:Sobol", "bomix.strategies.baselines.simple:UniMax"


def test_a_study_file_can_say_it():
    data = {"steps": [{"strategy": SOBOL, "trials": 4}, {"strategy": {"kind": UNIMAX, "max_epochs": 2}}]}
    spec, faults = build(Sequence, data)
    assert not faults
    assert spec == Sequence((Step(Sobol(), 4), Step(UniMax(2.0))))
    assert isinstance(spec, Strategy)
    assert build(Sequence, plain(spec)) == (spec, [])


@pytest.mark.parametrize(
    ("steps", "where"),
    [
        ([], "steps"),
        ([{"strategy": SOBOL}, {"strategy": SOBOL}], "steps[0].trials"),
        ([{"strategy": SOBOL, "trials": 0}], "steps[0].trials"),
        ([{"strategy": {"kind": UNIMAX, "max_epochs": -1}}], "steps[0].strategy.max_epochs"),
        ([{"strategy": {"kind": "doremi"}, "trials": 2}, {"strategy": SOBOL}], "steps[0].trials"),
        (
            [{"strategy": {"kind": "bomix.strategies.sequence:Sequence", "steps": [{"strategy": SOBOL}]}}],
            "steps[0].strategy",
        ),
    ],
)
def test_steps_that_make_no_sense_are_faults_with_their_place(steps, where):
    _, faults = build(Sequence, {"steps": steps})
    assert [fault.where for fault in faults] == [where]


def test_the_strategy_that_acts_is_the_one_whose_turn_it_is(world):
    here = world()
    steps = (Step(Sobol(), 6), Step(Dirichlet()))
    assert Sequence(steps).acting(here.problem, here.history(5)) == Sobol()
    assert Sequence(steps).acting(here.problem, here.history(6)) == Dirichlet()


def test_a_sequence_lends_and_expects_where_some_strategy_does():
    without, within = Sequence((Step(Sobol(), 3), Step(Uniform()))), Sequence((Step(Sobol(), 3), Step(Auto())))
    assert (without.lends, without.expects) == (False, False)
    assert (within.lends, within.expects) == (True, True)


def test_a_last_step_that_needs_several_trials_needs_those_before_it_as_well():
    assert Sequence((Step(Sobol(), 4), Step(Sobol()))).least_trials == 1
    assert Sequence((Step(Sobol(), 4), Step(DoReMi()))).least_trials == 7
