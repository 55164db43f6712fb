"""Validation: what is left out, what is scored, and which way is better."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from bomix.history import History
from bomix.objectives.weighted import WeightedMean
from bomix.posterior.predict import predict
from bomix.recommendation.validate import SCORES, validate
from bomix.surrogates.cross_validation.scores import Z95, score
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.models.joint import HeldOut
from bomix.surrogates.models.sampled import SampledModel
from bomix.trial import CONFIRM, IMPORTED, Record, Result, Trial

pytestmark = pytest.mark.usefixtures("short_chains")


@dataclass(frozen=True)
class MeanOfOthers:
    """Predicts the mean of what it saw, with the covariance of what it saw."""

    closed: bool = False

    def fit(self, data, *, context, seed):
        Y = data.Y
        n, m = Y.shape
        centre = Y.nanmean(dim=0) if n else torch.zeros(m, dtype=torch.float64)
        covariance = torch.cov((Y - centre).nan_to_num(0.0).mT) if n > 1 else torch.eye(m, dtype=torch.float64)
        nothing = torch.zeros(m, m, dtype=torch.float64)
        model = SampledModel(
            lambda X: centre.expand(1, *X.shape[:-1], m), error=covariance.reshape(m, m), noise=nothing
        )
        if self.closed:
            model.leave_one_out = lambda: HeldOut((n * centre - Y) / (n - 1), covariance.expand(n, m, m))
        return model


def test_every_fold_is_refitted_whatever_closed_form_a_model_has(world):
    here = world()
    history = here.history(9)
    closed = validate(here.problem, history, MeanOfOthers(closed=True), seed=0)
    again = validate(here.problem, history, MeanOfOthers(), seed=0)
    np.testing.assert_array_equal(closed["mean"], again["mean"])
    assert (closed.attrs["method"], closed.attrs["folds"]) == ("refitted in folds", 9)
    assert "each trial predicted from the other 8" in closed.attrs["description"]


def test_scores_are_those_of_the_predictions_that_come_with_them(world):
    here = world(objective=WeightedMean({"m0": 1.0, "m2": 3.0}))
    found = validate(here.problem, here.history(20), GP(), seed=0)
    for position, name in enumerate(here.problem.metric_names):
        at = found.isel(metric=position)
        by_hand = score(at["observed"].values, at["mean"].values, at["sd"].values)
        for each in SCORES:
            assert found[each].sel(metric=name).item() == pytest.approx(getattr(by_hand, each))
    np.testing.assert_allclose(found["objective_observed"], found["observed"].values @ [0.25, 0.0, 0.75])
    np.testing.assert_allclose(found["objective_mean"], found["mean"].values @ [0.25, 0.0, 0.75])
    assert found["objective_spearman"].item() > 0.8
    assert found["objective_rmse"].item() < found["objective_observed"].values.std() / 2
    assert set(found["sd"].dims) == {"trial", "metric"}
    assert found["spearman"].dims == ("metric",)
    assert found["objective_n"].item() == 20


def test_a_metric_to_be_raised_lowers_the_objective(world):
    here = world()
    metrics = tuple(
        dataclasses.replace(metric, direction="max", unit="share") if metric.name == "m1" else metric
        for metric in here.problem.metrics
    )
    problem = dataclasses.replace(here.problem, metrics=metrics)
    history = here.history(16)
    found = validate(problem, history, GP(), seed=0)
    values = [problem.value(record.result.losses) for record in history.observations]
    np.testing.assert_allclose(found["objective_observed"], values)
    np.testing.assert_allclose(found["objective_mean"], found["mean"].values @ np.array([1.0, -1.0, 1.0]) / 3)
    assert found["observed"].sel(metric="m1").values.min() > 0
    assert found["objective_spearman"].item() > 0.8
    assert found["spearman"].sel(metric="m1").item() > 0.8
    assert found["direction"].values.tolist() == ["min", "max", "min"]


def test_a_confirmation_teaches_and_tests_like_any_run(world):
    here = world()
    history = here.history(10)
    weights = dict.fromkeys(here.problem.space.domains, 0.25)
    result = Result({"m0": 9.0, "m1": 9.0, "m2": 9.0})
    found = [
        validate(
            here.problem, history.with_record(Record(Trial(99, weights, 7, origin), result)), MeanOfOthers(), seed=0
        )
        for origin in (CONFIRM, IMPORTED)
    ]
    assert found[0].identical(found[1])
    assert found[0]["trial"].values.tolist() == [*range(10), 99]


def test_what_was_not_measured_is_not_scored(world):
    here = world()
    history = here.history(12)
    gappy = []
    for record in history.records:
        losses = dict(record.result.losses)
        if record.trial.id % 3 == 0:
            del losses["m2"]
        gappy.append(dataclasses.replace(record, outcome=Result(losses)))
    found = validate(here.problem, History(tuple(gappy)), MeanOfOthers(), seed=0)
    assert found["n"].values.tolist() == [12, 12, 8]
    assert found["objective_n"].item() == 8
    assert np.isfinite(found["objective_mse"].item())
    assert found["mean"].notnull().all()


def test_repeats_are_held_out_together(world):
    here = world()
    history = here.history(10, noise=0.0)
    again = [
        Record(Trial(50 + record.trial.id, record.trial.weights, 1, "sobol"), record.outcome)
        for record in history.records
    ]

    seen = []

    class Looking(MeanOfOthers):
        def fit(self, data, *, context, seed):
            seen.append({tuple(row) for row in data.X.tolist()})
            return super().fit(data, context=context, seed=seed)

    found = validate(here.problem, History((*history.records, *again)), Looking(), seed=0)
    assert found.attrs["repeats"] == 10
    assert "repeats of a mixture together" in found.attrs["description"]
    assert [len(each) for each in seen] == [9] * 10


@pytest.mark.parametrize("n", [1, 2])
def test_one_or_two_trials_give_numbers_or_nothing(world, n):
    here = world()
    found = validate(here.problem, here.history(n), GP(), seed=0)
    assert found["objective_n"].item() == n
    assert np.isfinite(found["objective_mse"].item())
    assert np.isnan(found["objective_spearman"].item()) == (n == 1)


def test_the_same_record_gives_the_same_scores(world):
    here = world()
    first, second = (validate(here.problem, here.history(14), GP(), seed=3) for _ in range(2))
    assert first.identical(second)


def test_predictions_have_the_ends_of_the_interval_of_a_new_run(world):
    here = world()
    points = here.problem.space.sobol(4, seed=9)
    found = predict(here.problem, here.history(10), GP(), points, seed=0)
    for prefix in ("", "objective_"):
        mean, sd = found[f"{prefix}mean"], found[f"{prefix}sd"]
        np.testing.assert_allclose(found[f"{prefix}lower"], mean - Z95 * sd)
        np.testing.assert_allclose(found[f"{prefix}upper"], mean + Z95 * sd)
