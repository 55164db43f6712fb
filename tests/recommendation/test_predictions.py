"""Predictions beside a reference agree with what a recommendation says of the same mixtures."""

from __future__ import annotations

import numpy as np
import pytest

import bomix
from bomix.recommendation.predictions import Predictor, along_rays, towards_vertices
from bomix.surrogates.gp.spec import GP


def test_they_are_what_the_recommendation_says_of_its_own_mixture() -> None:
    study = bomix.Study(["a", "b", "c"], ["x", "y"])
    for point in study.problem.space.sobol(8, seed=0):
        first, second, _ = point
        study.add(study.problem.space.to_weights(point), {"x": 2.0 + (first - 0.4) ** 2, "y": 3.0 - second})
    best = study.recommend()
    problem, history = study.records.to_learn_from()
    predictor = Predictor(problem, history, study._surrogate(), seed=0)
    at, uniform = problem.space.to_array(best.weights), np.full(3, 1 / 3)
    told = predictor.at(np.stack([at, uniform]), uniform)
    assert told.mean[0, 0] == pytest.approx(best.objective.mean, abs=1e-9)
    assert told.sd[0, 0] == pytest.approx(best.objective.sd, rel=1e-6)
    assert told.change[0, 0] == pytest.approx(-best.margins["uniform"].mean, abs=1e-9)
    assert told.change_sd[0, 0] == pytest.approx(best.margins["uniform"].sd, rel=1e-5)
    assert told.mean[0, 1:] == pytest.approx([best.per_metric[name].mean for name in ("x", "y")], abs=1e-9)
    assert told.change[1] == pytest.approx(0.0, abs=1e-9)
    assert predictor.coefficients == pytest.approx((0.5, 0.5))
    assert len(predictor.noise) == 3


def test_a_direction_that_is_to_rise_and_a_worst_loss_have_predictions_too() -> None:
    from bomix.objectives.robust import Worst

    study = bomix.Study(["a", "b"], ["x", "y"], objective=Worst())
    for share in (0.1, 0.3, 0.5, 0.7, 0.9):
        study.add({"a": share, "b": 1 - share}, {"x": 3.0 - share, "y": 2.0 + share})
    problem, history = study.records.to_learn_from()
    predictor = Predictor(problem, history, GP(restarts=1, draws=0), seed=0)
    told = predictor.at(np.array([[0.5, 0.5], [0.8, 0.2]]), np.array([0.2, 0.8]))
    assert predictor.coefficients is None
    assert told.mean[0, 0] >= told.mean[0, 1:].max() - 0.02
    assert np.isfinite(told.change_sd).all()


def test_rays_keep_the_proportions_of_the_others() -> None:
    rays = along_rays(np.array([0.5, 0.3, 0.2]), [0.0, 0.5, 1.0])
    assert rays.sum(axis=-1) == pytest.approx(np.ones((3, 3)))
    assert rays[0, 1] == pytest.approx([0.5, 0.3, 0.2])
    assert rays[1, 2] == pytest.approx([0.0, 1.0, 0.0])
    assert towards_vertices(np.array([0.5, 0.3, 0.2]), 0.1)[2] == pytest.approx([0.45, 0.27, 0.28])
