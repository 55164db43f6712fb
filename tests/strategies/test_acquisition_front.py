"""The front of a trade-off that is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bomix.history import History
from bomix.pareto_objective import Pareto
from bomix.problem import Metric, Problem
from bomix.space import MixtureSpace
from bomix.strategies.acquisition import LogNEI
from bomix.strategies.belief import believe
from bomix.strategies.front import front
from bomix.surrogates.gp import GP
from bomix.trial import Record, Result, Trial

SPACE = MixtureSpace(("code", "noise", "text"))
GROUPS = Pareto({"code": ("on_code",), "text": ("on_text",)})
PROBLEM = Problem(SPACE, (Metric("on_code"), Metric("on_text")), GROUPS)


def losses(weights):
    """Each loss falls with its own domain alone: the front is where none is wasted on noise."""
    return 2.0 + np.exp(-3.0 * weights[..., [0, 2]])


@pytest.fixture(scope="module")
def history():
    points = SPACE.sobol(16, seed=0)
    return History(
        tuple(
            Record(Trial(i, SPACE.to_weights(w), 0, "sobol"), Result(dict(zip(PROBLEM.metric_names, row, strict=True))))
            for i, (w, row) in enumerate(zip(points, losses(points).tolist(), strict=True))
        )
    )


def test_the_front_wastes_nothing_and_reaches_from_end_to_end(history):
    found = front(believe(PROBLEM, history, GP(draws=0), seed=0), seed=0)
    weights = SPACE.to_arrays([point.weights for point in found])
    means = np.array([[point.groups["code"], point.groups["text"]] for point in found])
    assert (np.diff(means[:, 0]) >= 0).all()
    assert (np.diff(means[:, 1]) <= 0).all()
    assert np.median(np.abs(means - losses(weights))) < 0.01
    assert np.median(weights[:, 1]) < 0.02
    assert weights[0, 0] > 0.97
    assert weights[-1, 2] > 0.97


def test_what_pushes_the_front_out_is_on_it(history):
    belief = believe(PROBLEM, history, GP(draws=0), seed=0)
    build = LogNEI().build
    function = build(belief.model, belief.aggregate, X_observed=belief.data.X, X_pending=None, seed=0)
    pool = SPACE.sobol(256, seed=3)
    wasted = pool[:, 1]
    with torch.no_grad():
        order = function(torch.as_tensor(pool).unsqueeze(1)).argsort(descending=True).numpy()
    assert wasted[order[:8]].mean() < 0.5 * wasted.mean()
