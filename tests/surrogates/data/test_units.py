"""Metrics of any order give the same answer in their units."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from botorch.utils.datasets import SupervisedDataset

import bomix
from bomix.config import registry
from bomix.posterior.predict import predict
from bomix.recommendation.recommend import recommend
from bomix.recommendation.validate import validate
from bomix.surrogates.data.units import in_units, units
from bomix.surrogates.regression.specs import Ridge
from bomix.testing.surrogate_cases import METRICS, NAMES, base
from tests.conformance.every import spec_of
from tests.conformance.test_surrogates import OPTIONS

Options = Callable[[float, float], Mapping[str, Any]]
OBJECTIVES: Mapping[str, Options] = {
    "mean": lambda factor, offset: {},
    "weighted_mean": lambda factor, offset: {"of": {"b": 2.0, "d": 1.0}},
    "groups": lambda factor, offset: {"of": {"one": ["b"], "two": ["d", "other"]}},
    "pareto": lambda factor, offset: {"groups": {"one": ["b"], "two": ["d", "other"]}},
    "worst": lambda factor, offset: {},
    "smooth_max": lambda factor, offset: {"temperature": 0.05 * factor},
    "excess": lambda factor, offset: {"reference": dict.fromkeys(METRICS, offset + 2.5 * factor)},
    "guardrail": lambda factor, offset: {
        "reference": dict.fromkeys(METRICS, offset + 2.5 * factor),
        "margin": 0.1 * factor,
    },
}
"""Kind to options whose numbers are in the unit of losses that were multiplied and shifted."""

SCALES = [(1e-12, 0.0), (1e12, 0.0), (1e-12, 1e-10), (1e12, 1e13)]
TREES = {"boosting", "lightgbm"}
"""Where two splits are equally good, the last digit decides: these are compared at a power of two, which has none."""
SUM = {"groups": 2.0, "excess": 0.0}
"""By how many offsets an objective rises where losses do, unless it is one."""


def study(factor: float, offset: float, objective: str = "mean", n: int = 10) -> bomix.Study:
    """A study of runs of a known law, its losses multiplied and shifted."""
    X, Y = base(n)
    spec = spec_of("objective", objective, OBJECTIVES[objective](factor, offset))
    made = bomix.Study(NAMES, {name: bomix.MetricSpec(range=(None, None)) for name in METRICS}, objective=spec)
    for x, y in zip(X.tolist(), (offset + factor * Y).tolist(), strict=True):
        made.add(dict(zip(NAMES, x, strict=True)), dict(zip(METRICS, y, strict=True)))
    return made


def answer(made: bomix.Study, surrogate: Any, factor: float, offset: float, shift: float) -> dict[str, np.ndarray]:
    """What is recommended and predicted, in multiples of the factor from the offset."""
    best = recommend(made.problem, made.history, surrogate, seed=0)
    points = np.concatenate([np.eye(len(NAMES)), np.full((1, len(NAMES)), 1 / len(NAMES))])
    found = predict(made.problem, made.history, surrogate, points, seed=0)
    return {
        "weights": np.array([best.weights[name] for name in NAMES]),
        "interval": (np.array(best.interval) - shift * offset) / factor,
        "margins": np.array(best.margins["uniform"].interval) / factor,
        "metrics": np.array([(each.mean - offset) / factor for each in best.per_metric.values()]),
        "ranges": np.array(list(best.ranges.values())),
        "mean": (found["mean"].values - offset) / factor,
        "sd": found["sd"].values / factor,
        "objective_lower": (found["objective_lower"].values - shift * offset) / factor,
    }


def compared(kind: str, objective: str, scales: list[tuple[float, float]]) -> None:
    """Assert that the answer is the same at every scale."""
    surrogate, shift = spec_of("surrogate", kind, OPTIONS.get(kind, {})), SUM.get(objective, 1.0)
    expected = answer(study(1.0, 0.0, objective), surrogate, 1.0, 0.0, shift)
    for factor, offset in scales:
        found = answer(study(factor, offset, objective), surrogate, factor, offset, shift)
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, atol=2e-3, err_msg=f"{kind} {objective} {factor} {name}")


@pytest.mark.parametrize("kind", ["gp", "ridge", "law", "empirical_mean"])
def test_losses_of_any_order_give_the_same_answer(kind: str) -> None:
    compared(kind, "mean", SCALES[1:3])


@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
def test_so_they_do_under_every_objective(objective: str) -> None:
    assert set(OBJECTIVES) == set(registry.kinds("objective")), "give the options of a new objective"
    compared("ridge", objective, SCALES[::3])


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(set(registry.kinds("surrogate")) - {"mde"}))
def test_so_they_do_under_every_surrogate(kind: str) -> None:
    if kind == "lightgbm":
        pytest.importorskip("lightgbm")
    compared(kind, "mean", [(2.0**-40, 0.0), (2.0**40, 0.0)] if kind in TREES else SCALES)


@pytest.mark.parametrize("factor", [1e-12, 1e-4, 1e12])
def test_asks_and_validation_do_not_know_the_order(factor: float) -> None:
    first, second = study(1.0, 0.0), study(factor, 0.0)
    asked = [each.ask() for each in (first, second)]
    assert asked[0].origin == asked[1].origin
    np.testing.assert_allclose(*(list(trial.weights.values()) for trial in asked), atol=1e-2)
    scores = [validate(each.problem, each.history, Ridge(), seed=0) for each in (first, second)]
    for name in ("mean", "sd", "objective_mean", "objective_sd", "rmse"):
        np.testing.assert_allclose(scores[1][name].values / factor, scores[0][name].values, rtol=1e-6)
    np.testing.assert_allclose(scores[1]["spearman"].values, scores[0]["spearman"].values)


def test_metrics_of_different_orders_stand_side_by_side() -> None:
    first, second = study(1.0, 0.0), study(1.0, 0.0)
    mixed = bomix.Study(
        NAMES,
        {name: bomix.MetricSpec(range=(None, None)) for name in METRICS},
        objective=bomix.WeightedMean({"b": 1e12, "d": 1.0, "other": 1e-12}, normalise=False),
    )
    factors = {"b": 1e-12, "d": 1.0, "other": 1e12}
    for record in first.history.records:
        losses = record.result.losses
        mixed.add(record.trial.weights, {name: factors[name] * losses[name] for name in METRICS})
    found, expected = (recommend(each.problem, each.history, Ridge(), seed=0) for each in (mixed, second))
    np.testing.assert_allclose(np.array(found.interval) / 3.0, expected.interval, rtol=1e-6)
    assert found.per_metric["b"].mean * 1e12 == pytest.approx(expected.per_metric["b"].mean, rel=1e-6)


def test_units_are_powers_of_two_and_one_for_ordinary_metrics() -> None:
    nan = float("nan")
    Y = torch.tensor(
        [
            [3.0, 1e-12, 5e12, nan, 0.0, 2.0, 700.0],
            [3.001, 3e-12, 1e12, nan, 0.0, 2.0 + 1e-15, 20.0],
        ],
        dtype=torch.float64,
    )
    found = units(Y)
    assert found[[0, 3, 4, 5, 6]].tolist() == [1.0] * 5
    assert np.log2(found[[1, 2]].numpy()).tolist() == [-38.0, 42.0]
    data = SupervisedDataset(torch.eye(2).double(), Y, feature_names=["a", "b"], outcome_names=list("1234567"))
    assert 0.5 <= in_units(data, found).Y[1, 1] - in_units(data, found).Y[0, 1] <= 1.0
    ordinary = SupervisedDataset(data.X, Y[:, :1], feature_names=["a", "b"], outcome_names=["1"])
    assert in_units(ordinary, units(ordinary.Y)) is ordinary
