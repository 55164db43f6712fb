"""A pool: the mixtures that alone can be run confine all that is asked for and recommended."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bomix.config.sections import RecommendationSpec
from bomix.objectives.pareto import Pareto
from bomix.recommendation.recommend import recommend
from bomix.space.weights import is_among, same_mixture
from bomix.strategies.auto import Auto
from bomix.strategies.bayesian.whole_space import Bayesian
from bomix.strategies.design_first import design_size
from bomix.strategies.designs import Dirichlet, Vertices
from bomix.study.study import Study
from bomix.surrogates.gp.spec import GP

pytestmark = pytest.mark.usefixtures("short_chains")

POOL = np.random.default_rng(4).dirichlet(np.ones(3), size=9).round(3)
POOL[:, 2] = 1.0 - POOL[:, :2].sum(axis=1)
QUICK = GP(draws=0, restarts=1)


def of_pool(study, weights):
    return is_among(study.problem.space.to_array(weights), POOL)


@pytest.fixture
def pool_file(tmp_path):
    (tmp_path / "pool.csv").write_text("a,b,c\n" + "".join(",".join(map(repr, row)) + "\n" for row in POOL.tolist()))
    return tmp_path / "pool.csv"


@pytest.mark.parametrize(
    "strategy",
    [
        Bayesian(surrogate=QUICK),
        Bayesian(surrogate=QUICK, design=Vertices(), repeats=True, n_init=20),
        Auto(surrogate=QUICK),
        Auto(surrogate=QUICK, design=Dirichlet()),
    ],
    ids=["bayesian", "vertices", "auto", "dirichlet"],
)
def test_a_pool_confines_all_that_a_study_asks_for_and_recommends(pool_file, strategy):
    study = Study(list("abc"), ["loss"], strategy=replace(strategy, pool="pool.csv"), path=pool_file.parent)
    study.add({"a": 0.5, "b": 0.5, "c": 0.0}, {"loss": 0.1})  # better than any of the pool
    assert all(of_pool(study, weights) for weights in study.problem.anchors().values())
    asked = []
    for _ in range(len(POOL)):
        trial = study.ask()
        asked.append(tuple(trial.weights.values()))
        study.tell(trial, {"loss": 2.0 + trial.weights["c"]})
    assert all(of_pool(study, dict(zip("abc", row, strict=True))) for row in asked)
    if not getattr(strategy, "repeats", False):
        assert len(set(asked)) == len(POOL)
    best = study.recommend()
    assert all(of_pool(study, weights) for weights in (best.weights, best.of_space.weights, best.of_trials.weights))
    assert best.weights["c"] == pytest.approx(POOL[:, 2].min(), abs=0.05)
    for position, (low, high) in enumerate(best.ranges.values()):
        assert {round(low, 6), round(high, 6)} <= {*POOL[:, position].round(6)}


def test_the_best_of_a_pool_is_recommended_though_most_of_it_was_never_tried(pool_file):
    study = Study(list("abc"), ["loss"], strategy=Auto(surrogate=QUICK, pool=str(pool_file)))
    for _ in range(6):
        trial = study.ask()
        study.tell(trial, {"loss": 2.0 + trial.weights["c"]})
    assert of_pool(study, study.recommend().weights)
    shrunk = RecommendationSpec(shrink=0.5)
    best = recommend(study.problem, study.history, QUICK, seed=0, options=shrunk)
    assert of_pool(study, best.weights)


def test_a_design_is_no_larger_than_its_pool(pool_file):
    study = Study(list("abc"), ["loss"], strategy=Bayesian(surrogate=QUICK, pool=str(pool_file)))
    assert design_size(30, study.problem) == len(POOL)
    assert design_size(3, study.problem) == 3


def test_the_trade_offs_of_a_pool_are_its_mixtures(pool_file):
    objective = Pareto({"first": ("a",), "second": ("b",)})
    study = Study(list("abc"), list("ab"), strategy=Bayesian(surrogate=QUICK, pool=str(pool_file)), objective=objective)
    for _ in range(6):
        trial = study.ask()
        study.tell(trial, {name: 2.0 - trial.weights[name] for name in "ab"})
    front = study.recommend().front
    assert len(front) > 1
    assert all(of_pool(study, point.weights) for point in front)
    tried = [record.trial.weights for record in study.history.observations]
    assert all(point.trial == any(same_mixture(point.weights, other) for other in tried) for point in front)
