"""The front of a trade-off that is known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from bomix.acquisition.improvement import LogNEI
from bomix.history import History
from bomix.objectives.pareto import Pareto
from bomix.posterior.belief import believe
from bomix.problem import Metric, Problem
from bomix.recommendation.front import DISTINCT, _distinct, front
from bomix.space.mixture_space import MixtureSpace
from bomix.surrogates.gp.spec import GP
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


def test_mixtures_of_the_front_differ_by_a_hundredth_of_its_range_and_its_ends_stay(history):
    values = np.array(
        [[0.0, 1.0], [0.005, 0.995], [0.3, 0.8], [0.305, 0.795], [0.31, 0.79], [0.995, 0.004], [1.0, 0.0]]
    )
    tried = [False, True, False, True, False, True, False]
    assert _distinct(values, tried) == [0, 3, 6]
    found = front(believe(PROBLEM, history, GP(draws=0), seed=0), seed=0)
    means = np.array([list(point.groups.values()) for point in found])
    apart = np.abs((means[:, None] - means) / np.ptp(means, axis=0)).max(axis=-1)
    assert apart[~np.eye(len(means), dtype=bool)].min() > DISTINCT


def test_a_group_of_which_more_is_better_is_shown_as_reported(history):
    signs = {"on_code": -1.0, "on_text": 1.0}
    records = [
        dataclasses.replace(r, outcome=Result({name: signs[name] * loss for name, loss in r.result.losses.items()}))
        for r in history.records
    ]
    turned = dataclasses.replace(PROBLEM, metrics=(Metric("on_code", "points", direction="max"), Metric("on_text")))
    found = front(believe(turned, History(tuple(records)), GP(draws=0), seed=0), seed=0)
    assert found[0].higher == ("code",)
    assert found[0].groups["code"] == max(point.groups["code"] for point in found)
    assert found[0].groups["code"] == pytest.approx(-2.05, abs=0.02)
    assert found[0].groups["text"] == max(point.groups["text"] for point in found)
