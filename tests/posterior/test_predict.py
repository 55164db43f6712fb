from __future__ import annotations

import numpy as np
import pytest
import torch

from bomix.errors import StudyError
from bomix.history import History
from bomix.objectives.weighted import WeightedMean
from bomix.posterior.belief import believe
from bomix.posterior.predict import predict
from bomix.recommendation.recommend import recommend
from bomix.surrogates.gp.spec import GP
from bomix.trial import Record, Result, Trial

pytestmark = pytest.mark.usefixtures("short_chains")


def test_predictions_are_those_of_a_new_run(world):
    here = world(objective=WeightedMean({"m0": 1.0, "m2": 3.0}))
    history = here.history(12)
    points = here.problem.space.sobol(5, seed=9)
    got = predict(here.problem, history, GP(), points, seed=0)
    model = believe(here.problem, history, GP(), seed=0).model
    with torch.no_grad():
        latent = model.posterior(torch.as_tensor(points).unsqueeze(1))
        new_run = model.posterior(torch.as_tensor(points).unsqueeze(1), observation_noise=True)
    noise = (new_run.variance - latent.variance).squeeze(1).numpy()
    assert (noise > 0).all()
    assert got["mean"].dims == ("candidate", "metric")
    np.testing.assert_allclose(got["mean"], latent.mean.squeeze(1))
    np.testing.assert_allclose(got["sd"] ** 2, latent.variance.squeeze(1).numpy() + noise)
    np.testing.assert_allclose(got["objective_mean"], got["mean"].values @ np.array([0.25, 0.0, 0.75]))
    np.testing.assert_array_equal(got["weights"], points)
    assert list(got["metric"].values) == ["m0", "m1", "m2"]


def test_intervals_of_95_percent_hold_most_new_runs(world):
    here = world()
    points = here.problem.space.sobol(200, seed=9)
    truth = here.law(points)
    held = []
    for seed in range(3):
        got = predict(here.problem, here.history(32, noise=0.02, seed=seed), GP(), points, seed=0)
        runs = truth + 0.02 * np.random.default_rng(seed).normal(size=truth.shape)
        held.append((np.abs(runs - got["mean"].values) < 1.96 * got["sd"].values).mean())
    assert 0.88 < np.mean(held) < 0.99


def test_the_recommendation_is_the_minimiser_of_the_posterior_mean(world):
    here = world()
    history = here.history(14)
    best = recommend(here.problem, history, GP(), seed=0)
    here.problem.space.check(best.weights)
    dense = predict(here.problem, history, GP(), here.problem.space.sobol(4096, seed=1), seed=0)
    assert best.loss <= dense["objective_mean"].min() + 1e-6
    assert best.interval[0] < best.loss < best.interval[1]
    assert best.loss == pytest.approx(np.mean([e.mean for e in best.per_metric.values()]))
    assert best.completed == 14
    at = predict(here.problem, history, GP(), here.problem.space.to_array(best.weights)[None], seed=0)
    assert at["objective_mean"].item() == pytest.approx(best.loss, abs=1e-9)
    assert at["objective_sd"].item() > best.objective.sd


def test_margins_are_differences_to_uniform_and_natural(world):
    here = world()
    best = recommend(here.problem, here.history(14), GP(), seed=0)
    assert set(best.references) == set(best.margins) == {"uniform", "natural"}
    for name, margin in best.margins.items():
        assert margin.mean == pytest.approx(best.references[name].mean - best.loss, abs=1e-6)
        assert margin.sd < best.references[name].sd + best.objective.sd


def test_a_lucky_run_is_not_followed(world):
    here = world()
    history = here.history(14, noise=0.02)
    lucky = dict.fromkeys(here.problem.space.domains, 0.25)
    plain = recommend(here.problem, history, GP(), seed=0)
    extra = []
    for index in range(5):  # five honest repeats and one that promises the lowest loss of all
        losses = here.law(np.full(4, 0.25)) - (0.0 if index else 0.4)
        result = Result(dict(zip(here.problem.metric_names, losses.tolist(), strict=True)))
        extra.append(Record(Trial(100 + index, lucky, 0, "sobol"), result))
    best = recommend(here.problem, History((*history.records, *extra)), GP(), seed=0)
    truth = here.law(here.problem.space.to_array(best.weights)).mean()
    assert truth < here.law(np.full(4, 0.25)).mean() - 0.02
    assert plain.completed == 14


def test_nothing_to_learn_from_is_an_error_with_its_cure(world):
    here = world()
    with pytest.raises(StudyError, match="run the study, tell it a result, or add runs"):
        recommend(here.problem, History(), GP(), seed=0)


def test_one_trial_is_enough_to_answer(world):
    here = world()
    best = recommend(here.problem, here.history(1), GP(), seed=0)
    here.problem.space.check(best.weights)
    assert np.isfinite([best.loss, *best.interval]).all()
