from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bomix.acquisition.improvement import UCB
from bomix.config import registry
from bomix.config.sections import DomainSpec
from bomix.errors import StudyError
from bomix.history import History
from bomix.objectives.robust import Excess
from bomix.objectives.weighted import Mean
from bomix.problem import Metric, Problem
from bomix.recommendation.recommend import recommend
from bomix.space.mixture_space import MixtureSpace
from bomix.strategies.bayesian.whole_space import Bayesian
from bomix.strategies.design_first import design_size
from bomix.strategies.designs import Sobol
from bomix.strategies.regression.law import Law
from bomix.study.study import Study
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.laws.spec import LawRegression
from bomix.trial import CONFIRM, IMPORTED, Failure, Record, Trial

pytestmark = pytest.mark.usefixtures("short_chains")

FAST = Bayesian(n_init=4, raw=64, starts=4)
STRATEGIES = [FAST, replace(FAST, acquisition=UCB()), Sobol()]


@pytest.mark.parametrize("strategy", STRATEGIES, ids=["log_ei", "ucb", "sobol"])
@pytest.mark.parametrize("n", [0, 1, 7])
def test_candidates_are_feasible_named_and_as_many_as_asked(world, strategy, n):
    here = world(upper={"code": 0.4}, lower={"web": 0.1})
    candidates = strategy.ask(here.problem, here.history(n), 3, seed=0)
    assert len(candidates) == 3
    points = here.problem.space.to_arrays([c.weights for c in candidates])
    np.testing.assert_allclose(points.sum(axis=1), 1.0, atol=1e-9)
    assert (points >= here.problem.space.lower_array - 1e-9).all()
    assert (points <= here.problem.space.upper_array + 1e-9).all()
    assert np.abs(points[:, None] - points).max(axis=-1)[~np.eye(3, dtype=bool)].min() > 1e-6


def test_asking_twice_is_asking_for_two(world):
    here = world()
    history = here.history(6)
    together = FAST.ask(here.problem, history, 2, seed=3)
    first = FAST.ask(here.problem, history, 1, seed=3)
    second = FAST.ask(here.problem, history.with_pending(first), 1, seed=3)
    assert together == first + second
    assert [c.origin for c in together] == ["log_ei", "log_ei"]


def test_pending_and_failed_mixtures_are_not_asked_again(world):
    here = world()
    history = here.history(6)
    (favourite,) = FAST.ask(here.problem, history, 1, seed=3)
    trial = Trial(history.next_id, favourite.weights, 0, CONFIRM)
    for outcome in (None, Failure("out of memory")):
        held = history.with_record(Record(replace(trial, origin=IMPORTED), outcome))
        (other,) = FAST.ask(here.problem, held, 1, seed=3)
        space = here.problem.space
        assert np.abs(space.to_array(other.weights) - space.to_array(favourite.weights)).max() > 1e-6
    # A confirming trial is none of the search's business.
    assert FAST.ask(here.problem, history.with_record(Record(trial)), 1, seed=3) == [favourite]


def _of(d: int) -> Problem:
    return Problem(MixtureSpace(tuple(f"d{i}" for i in range(d))), (Metric("loss"),), Mean())


def test_the_design_ends_when_observed_and_pending_trials_fill_it(world):
    here = world()
    assert design_size(None, _of(2)) == 5
    assert design_size(None, _of(20)) == 22
    assert design_size(None, _of(200)) == 32
    assert design_size(None, replace(_of(20), experts=True)) == 2
    assert design_size(0, _of(20)) == 0
    strategy = replace(FAST, n_init=5)
    history = here.history(3, origin=IMPORTED)
    origins = []
    for _ in range(4):
        (candidate,) = strategy.ask(here.problem, history, 1, seed=0)
        origins.append(candidate.origin)
        history = history.with_pending([candidate])
    assert origins == ["uniform", "natural", "log_ei", "log_ei"]
    waiting = History().with_pending(Sobol().ask(here.problem, History(), 6, seed=0))
    assert strategy.ask(here.problem, waiting, 1, seed=0)[0].origin == "sobol"


def test_the_order_of_records_and_of_domains_does_not_matter(world):
    here, turned = world(), world(domains=("web", "maths", "code", "books"))
    history = here.history(7)
    expected = FAST.ask(here.problem, history, 1, seed=0)
    assert FAST.ask(here.problem, History(history.records[::-1]), 1, seed=0) == expected
    reordered = History(
        tuple(
            replace(r, trial=replace(r.trial, weights=dict(reversed(list(r.trial.weights.items())))))
            for r in history.records
        )
    )
    assert FAST.ask(turned.problem, reordered, 1, seed=0) == expected


SCRIPT = """
import json, sys
sys.path.insert(0, sys.argv[1])
from tests.known.world import World
from bomix.objectives.weighted import Mean
from bomix.problem import Metric, Problem
from bomix.space.mixture_space import MixtureSpace
from bomix.strategies.bayesian.whole_space import Bayesian
space = MixtureSpace(("books", "code", "maths", "web"))
here = World(Problem(space, tuple(Metric(f"m{i}") for i in range(3)), Mean()))
asked = Bayesian(n_init=4, raw=64, starts=4).ask(here.problem, here.history(6), 2, seed=3)
print(json.dumps([{k: v.hex() for k, v in c.weights.items()} for c in asked]))
"""


def test_two_processes_ask_the_same_bits():
    # Hash seeds and threads differ between processes, as would anything that leaks from one set's order into a result.
    runs = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT, str(Path(__file__).parent)],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": seed},
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]
    assert len(json.loads(runs[0])) == 2


def test_a_surrogate_that_lacks_what_the_acquisition_needs_is_a_fault():
    class Trees:
        differentiable = False
        fantasizes = False

    (fault,) = Bayesian(surrogate=Trees()).faults()
    assert "needs gradients" in fault.what
    assert "Trees" in fault.what
    assert [f.where for f in Bayesian(n_init=-1, starts=0).faults()] == ["n_init", "starts"]


def test_the_kinds_of_the_study_file_are_these_classes():
    assert registry.resolve("strategy", "bayesian") is Bayesian
    assert registry.resolve("strategy", "sobol") is Sobol
    assert registry.resolve("surrogate", "gp") is GP


def test_it_comes_closer_to_the_optimum_than_its_design_continued(world):
    here = world()
    space = here.problem.space
    optimum = here.law(space.sobol(2**14, seed=0)).mean(axis=-1).min()
    regrets = {"bayesian": [], "sobol": []}
    for seed in range(2):
        for name, strategy in (("bayesian", FAST), ("sobol", Sobol())):
            rng, history = np.random.default_rng(seed), History()
            for index in range(12):
                (candidate,) = strategy.ask(here.problem, history, 1, seed=seed)
                result = here.result(space.to_array(candidate.weights), noise=0.01, rng=rng)
                trial = Trial(index, candidate.weights, 0, candidate.origin)
                history = history.with_record(Record(trial, result))
            best = recommend(here.problem, history, GP(), seed=seed)
            regrets[name].append(here.law(space.to_array(best.weights)).mean() - optimum)
    assert np.mean(regrets["bayesian"]) < 0.01
    assert np.mean(regrets["bayesian"]) < 0.7 * np.mean(regrets["sobol"])


def test_one_metric_with_trials_pending_is_asked_without_a_warning(recwarn):
    # Near a pending mixture the joint covariance of one metric is singular.
    study = Study(domains=["a", "b", "c"], metrics=["loss"])
    pending = [study.ask() for _ in range(3)]
    for _ in range(9):
        trial = pending.pop(0)
        study.tell(trial, {"loss": 3.0 - trial.weights["a"]})
        pending.append(study.ask())
    assert study.recommend().weights["a"] > 0.9


@pytest.mark.parametrize("upper", [1.0, 0.5])
def test_a_space_that_is_a_single_point_is_asked_for_that_point_once(upper):
    domains = {"a": DomainSpec(upper=upper)} | ({"b": DomainSpec(upper=upper)} if upper < 1 else {})
    study = Study(domains=domains, metrics=["loss"])
    study.tell(study.ask(), {"loss": 2.0})
    with pytest.raises(StudyError, match="only one mixture, which has been asked for"):
        study.ask()
    for _ in range(6):
        study.add(dict.fromkeys(domains, upper), {"loss": 2.0})
    assert study.recommend().weights == dict.fromkeys(domains, upper)


def pooled(tmp_path, rows):
    (tmp_path / "pool.csv").write_text("books,code,maths,web\n" + "".join(f"{row}\n" for row in rows))
    return replace(FAST, n_init=2, pool=str(tmp_path / "pool.csv"))


def test_only_mixtures_of_a_pool_are_proposed_and_each_once_while_others_are_left(world, tmp_path, caplog):
    rows = ["0.25,0.25,0.25,0.25", "0.1,0.2,0.3,0.4", "0.1,0.2,0.3,0.4", "0,0,0.5,0.5"]
    here, strategy = world(), pooled(tmp_path, rows)
    candidates = strategy.ask(here.problem, here.history(5), 3, seed=0)
    asked = {tuple(round(share, 9) for share in candidate.weights.values()) for candidate in candidates}
    assert asked == {tuple(map(float, row.split(","))) for row in rows}
    assert "used up" not in caplog.text
    strategy.ask(here.problem, here.history(5).with_pending(candidates), 1, seed=0)
    assert "the pool of 3 mixtures is used up" in caplog.text


def test_a_pool_with_mixtures_outside_of_the_bounds_is_a_fault_with_its_line(world, tmp_path):
    here = world(upper={"web": 0.3})
    (fault,) = pooled(tmp_path, ["0.25,0.25,0.25,0.25", "0.1,0.2,0.3,0.4"]).problem_faults(here.problem)
    assert fault.where == "pool"
    assert "pool.csv:3" in fault.what
    assert "upper bound" in fault.what


def test_a_reference_that_failed_is_tried_again_and_at_last_given_up(world):
    here = world(objective=Excess())
    history = History()
    for attempt in range(3):
        (candidate,) = replace(FAST, design=Sobol(anchors=False)).ask(here.problem, history, 1, seed=0)
        assert candidate.origin == "uniform"
        history = history.with_record(Record(Trial(attempt, candidate.weights, attempt, "uniform"), Failure("oom")))
    with pytest.raises(StudyError, match=r"objective\.reference"):
        FAST.ask(here.problem, history, 1, seed=0)


def test_names_that_a_surrogate_does_not_find_are_faults_before_the_first_trial(world):
    here = world()
    wrong = replace(FAST, surrogate=LawRegression(own={"m0": "wab"}))
    assert [fault.where for fault in wrong.problem_faults(here.problem)] == ["surrogate.own.m0"]
    assert [fault.where for fault in Law(own={"m9": "web"}).problem_faults(here.problem)] == ["own.m9"]
