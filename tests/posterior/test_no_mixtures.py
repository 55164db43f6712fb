"""What is asked about no mixtures answers with nothing, whatever the objective: searches may look at empty sets."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bomix.objectives.pareto import Pareto
from bomix.objectives.robust import Excess, Guardrail, SmoothMax, Worst
from bomix.objectives.weighted import Mean
from bomix.optimization import start_points
from bomix.optimization.level_set import LevelSet
from bomix.optimization.multistart import optimize
from bomix.posterior.belief import believe
from bomix.posterior.expected import on_arrays, predicted
from bomix.posterior.predict import estimates, predict
from bomix.strategies.bayesian.replication import knowledge_gradients
from bomix.surrogates.gp.spec import GP

OBJECTIVES = (
    Mean(),
    Worst(),
    SmoothMax(),
    Excess(reference={"m0": 2.0, "m1": 2.0, "m2": 2.0}),
    Guardrail(reference={"m0": 2.0, "m1": 2.0, "m2": 2.0}),
    Pareto({"first": ("m0",), "second": ("m1", "m2")}),
)
MODEL = GP(draws=0, restarts=1)
NONE, NO_ROWS = torch.zeros(0, 4, dtype=torch.float64), np.zeros((0, 4))


@pytest.fixture(params=OBJECTIVES, ids=lambda objective: type(objective).__name__)
def here(request, world):
    return world(objective=request.param)


@pytest.fixture
def belief(here):
    return believe(here.problem, here.history(8), MODEL, seed=0)


def test_beliefs_about_no_mixtures_are_empty(belief):
    aggregate, model = belief.aggregate, belief.model
    assert belief.mean(NONE).shape == (0,)
    assert belief.negated_mean(NONE.unsqueeze(-2)).shape == (0,)
    assert aggregate.posterior(model, NONE.unsqueeze(-2)).variance.shape == (0, 1, 1)
    assert estimates(aggregate.posterior(model, NONE)) == []
    assert [part.shape for part in aggregate.spread(model, NONE, noise=True)] == [(0,), (0,)]
    assert aggregate.noise(model, NONE).shape == (0,)
    kept = aggregate.holds(model, NONE)
    assert kept is None or kept.shape == (0,)
    assert on_arrays(predicted(belief))(NO_ROWS).shape == (0,)
    assert knowledge_gradients(belief, NO_ROWS).shape == (0,)


def test_no_mixtures_are_predicted_as_none(here):
    found = predict(here.problem, here.history(8), MODEL, NO_ROWS, seed=0)
    assert found["mean"].shape == (0, 3)
    assert found["objective_upper"].shape == (0,)


def test_searches_take_sets_without_mixtures(belief):
    space = belief.problem.space
    level = LevelSet(belief.mean, space, space.uniform(), 2.0, 0.1)
    assert level.among(NO_ROWS).shape == level.kept(NO_ROWS, np.zeros(0)).shape == (0, 4)
    differentiable = LevelSet(predicted(belief), space, space.uniform(), 2.0, 0.1)
    assert [part.shape for part in differentiable.violation(NO_ROWS)] == [(0,), (0, 4)]
    rng = np.random.default_rng(0)
    assert start_points.around(NO_ROWS, space, np.array([0.1]), rng).shape == (0, 4)
    assert start_points.spaced(NO_ROWS, 3).shape == (0, 4)
    found = optimize(belief.negated_mean, space, seed=0, near=NO_ROWS, avoid=NO_ROWS)
    np.testing.assert_array_equal(found, optimize(belief.negated_mean, space, seed=0))
