"""Beliefs stay inside the ranges of their metrics, and cover what lies near a bound as often as they say."""

from __future__ import annotations

import csv
from io import StringIO

import numpy as np
import pytest
import torch

import bomix
from bomix.config import registry
from bomix.posterior.belief import believe
from bomix.posterior.objective import ModelObjective
from bomix.posterior.predict import Estimate, difference, estimates, predict
from bomix.posterior.ranges import limits, moved, objective_inside, widened
from bomix.problem import ANY, Metric, Problem
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.models.joint import gaussian
from bomix.testing.known import mixtures
from tests.conformance.every import spec_of
from tests.conformance.test_surrogates import OPTIONS

DOMAINS = ("code", "math", "web")
CORNERS = [{name: float(name == alone) for name in DOMAINS} for alone in DOMAINS]
BOUNDS = ("ceiling", "floor")
RUNS = """web,code,math,acc
0.1506,0.2538,0.5956,0.1424
0.217,0.3721,0.4109,0.2203
0.2669,0.1881,0.545,0.2963
0.2069,0.6648,0.1283,0.2067
0.3803,0.4383,0.1814,0.5106
0.3836,0.2273,0.3891,0.5172
0.2355,0.4866,0.2779,0.2468
0.1558,0.4606,0.3836,0.1476
0.2741,0.3862,0.3397,0.3085
0.5202,0.2513,0.2285,0.7616
"""
"""Accuracies that rise steeply with one domain: a straight continuation leaves [0, 1]."""


def accuracies(**given: object) -> bomix.Study:
    """A study of these runs."""
    study = bomix.Study(DOMAINS, {"acc": bomix.MetricSpec(unit="accuracy", direction="max")}, **given)  # type: ignore[arg-type]
    for row in csv.DictReader(StringIO(RUNS)):
        study.add({name: float(row[name]) for name in DOMAINS}, {"acc": float(row["acc"])})
    return study


def test_no_accuracy_above_one_is_predicted_or_recommended() -> None:
    study = accuracies()
    found, best = study.predict(CORNERS), study.recommend()
    for name, low, high in (("", 0.0, 1.0), ("objective_", -1.0, 0.0)):
        lower, mean, upper = (found[f"{name}{column}"].values for column in ("lower", "mean", "upper"))
        assert (low <= lower).all()
        assert (lower <= mean).all()
        assert (mean <= upper).all()
        assert (upper <= high).all()
    for belief in (best.objective, *best.references.values()):
        assert -1.0 <= belief.interval[0] <= belief.mean <= belief.interval[1] <= 0.0
    accuracy = best.per_metric["acc"]
    assert 0.0 <= accuracy.interval[0] <= accuracy.mean <= accuracy.interval[1] <= 1.0
    assert accuracy.mean == pytest.approx(-best.objective.mean)
    assert best.margins["uniform"].mean == pytest.approx(best.references["uniform"].mean - best.loss)
    assert best.weights["web"] > 0.8  # the model expects more than 1 of many mixtures, and still tells them apart


def test_where_the_mean_was_beyond_its_bound_less_is_claimed() -> None:
    study = accuracies()
    free = bomix.Study(DOMAINS, {"acc": bomix.MetricSpec(unit="score", direction="max")})
    free.records.add_all([(record.trial.weights, record.result.losses) for record in study.history.records])
    inside, as_it_is = study.predict(CORNERS), free.predict(CORNERS)
    beyond = as_it_is["mean"].values > 1.0
    assert beyond.any()
    excess = as_it_is["mean"].values - 1.0
    np.testing.assert_allclose(
        inside["sd"].values[beyond], np.hypot(as_it_is["sd"].values[beyond], excess[beyond]), rtol=1e-9
    )


def test_far_from_its_bounds_a_belief_is_the_same_to_the_last_bit() -> None:
    loss, free = ({"m": bomix.MetricSpec(unit=unit)} for unit in ("nats/token", "something"))
    X = mixtures(12, 3)
    values = 3.0 + X @ np.array([0.3, -0.2, 0.1]) + 0.01 * np.random.default_rng(0).normal(size=12)
    found = []
    for metrics in (loss, free):
        study = bomix.Study(DOMAINS, metrics, seed=3)
        for row, value in zip(X, values, strict=True):
            study.add(dict(zip(DOMAINS, row.tolist(), strict=True)), {"m": float(value)})
        best, predicted = study.recommend(), study.predict(CORNERS)
        found.append((best.loss, best.objective.sd, best.interval, dict(best.weights), best.margins["uniform"].sd))
        found[-1] += (predicted["lower"].values.tobytes(), predicted["objective_upper"].values.tobytes())
        found[-1] += (dict(study.ask().weights),)
    assert found[0] == found[1]


@pytest.mark.parametrize("kind", sorted(set(registry.kinds("surrogate")) - {"mde", "lightgbm"}))
def test_every_surrogate_stays_inside(kind: str) -> None:
    study = accuracies()
    surrogate = spec_of("surrogate", kind, OPTIONS.get(kind, {}))
    X = study.problem.space.to_arrays(CORNERS)
    found = predict(study.problem, study.history, surrogate, X, seed=0)
    for column in ("mean", "lower", "upper"):
        assert found[column].values.min() >= 0.0
        assert found[column].values.max() <= 1.0
        assert found[f"objective_{column}"].values.max() <= 0.0
        assert found[f"objective_{column}"].values.min() >= -1.0


@pytest.mark.parametrize("objective", ["worst", "smooth_max", "excess", "guardrail", "weighted_mean", "pareto"])
def test_every_objective_stays_inside_what_its_metrics_allow(objective: str) -> None:
    options = {
        "excess": {"reference": {"acc": 0.3, "other": 0.9}},
        "guardrail": {"reference": {"acc": 0.3, "other": 0.9}},
        "weighted_mean": {"of": {"acc": 2.0, "other": 1.0}},
        "pareto": {"groups": {"one": ["acc"], "two": ["other"]}},
    }.get(objective, {})
    first = accuracies()
    metrics = {name: bomix.MetricSpec(unit="accuracy", direction="max") for name in ("acc", "other")}
    study = bomix.Study(DOMAINS, metrics, objective=spec_of("objective", objective, options))
    for record in first.history.records:
        value = record.result.losses["acc"]
        study.add(record.trial.weights, {"acc": value, "other": 1.0 - value / 3})
    low, high = study.problem.objective_range
    assert low < high
    found, best = study.predict(CORNERS), study.recommend()
    for values in (found["objective_mean"], found["objective_lower"], found["objective_upper"]):
        assert values.min() >= low
        assert values.max() <= high
    assert low <= best.interval[0] <= best.loss <= best.interval[1] <= high
    for point in best.front:
        assert all(0.0 <= value <= 1.0 for value in point.groups.values())


def test_a_difference_knows_of_what_its_two_means_were_moved_by() -> None:
    mean, covariance = torch.tensor([[1.2], [1.1]]), torch.diag(torch.tensor([0.01, 0.04]))
    posterior = gaussian(mean.double(), covariance.double())
    by = moved(
        posterior.mean, limits([Metric("acc", "accuracy", "max")], ModelObjective(bomix.Mean(), ("acc",), (-1.0,)))
    ).flatten()
    torch.testing.assert_close(by, torch.tensor([-0.2, -0.1], dtype=torch.float64), rtol=1e-6, atol=1e-6)
    inside = widened(posterior, by)
    found = difference(inside, 0, 1, (0.0, 1.0))
    assert found.mean == pytest.approx(0.0, abs=1e-6)
    assert found.sd == pytest.approx(np.sqrt(0.05 + 0.1**2), rel=1e-6)
    assert found.limits == (-1.0, 1.0)
    assert [each.mean for each in estimates(inside, (0.0, 1.0))] == pytest.approx([1.0, 1.0])
    assert widened(posterior, torch.zeros(2)) is posterior


def test_an_estimate_is_cut_at_its_limits_only() -> None:
    assert Estimate(0.5, 1.0).interval == pytest.approx((-1.46, 2.46), abs=1e-2)
    assert Estimate(0.5, 1.0, (0.0, 1.0)).interval == (0.0, 1.0)
    assert Estimate(0.5, 1.0, ANY) == Estimate(0.5, 1.0)


def test_intervals_near_a_bound_cover_what_they_say() -> None:
    """Of ten small tables; a third of the new runs lie within 3 % of the bound."""
    few = [coverage(seed, bound=bound, runs=25, surrogate=GP(draws=2)) for seed in range(5) for bound in BOUNDS]
    assert np.mean(few) >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("runs", [10, 25])
def test_coverage_near_a_bound(bound: str, runs: int) -> None:
    """Prints the figure of the decision on ranges: ``pytest -m slow -s -k near_a_bound``."""
    found = [coverage(seed, bound=bound, runs=runs, surrogate=GP()) for seed in range(100, 130)]
    error = np.std(found) / np.sqrt(len(found))
    print(f"{bound}, {runs} runs: {100 * np.mean(found):.1f} +- {100 * error:.1f} % of new runs inside 95 % intervals")
    assert np.mean(found) >= {10: 0.86, 25: 0.9}[runs]


def coverage(seed: int, *, bound: str, runs: int, surrogate: GP) -> float:
    """Share of new runs inside their intervals, of an accuracy that is logistic in the logarithms of three weights."""
    rng = np.random.default_rng(seed)
    slopes = rng.normal(size=3)
    many = np.log(rng.dirichlet(np.ones(3), 4000) + 0.02) @ slopes
    middle, width = np.quantile(many, 0.3 if bound == "ceiling" else 0.7), many.std() / 3.0

    def answered(X: np.ndarray) -> np.ndarray:
        share = 1.0 / (1.0 + np.exp(-(np.log(X + 0.02) @ slopes - middle) / width))
        return np.asarray(rng.binomial(200, share) / 200)

    X, new = rng.dirichlet(np.ones(3), runs), rng.dirichlet(np.ones(3), 60)
    study = bomix.Study(DOMAINS, {"acc": bomix.MetricSpec(unit="accuracy", direction="max")})
    for row, value in zip(X, answered(X), strict=True):
        study.add(dict(zip(DOMAINS, row.tolist(), strict=True)), {"acc": float(value)})
    found = predict(study.problem, study.history, surrogate, new, seed=0)
    values, rounding = answered(new), 1e-9
    inside = (found["lower"].values[:, 0] - rounding <= values) & (values <= found["upper"].values[:, 0] + rounding)
    return float(inside.mean())


def test_the_objective_inside_is_the_belief_itself_where_metrics_have_no_range() -> None:
    study = bomix.Study(DOMAINS, {"m": bomix.MetricSpec(unit="score")})
    for row in mixtures(6, 3):
        study.add(dict(zip(DOMAINS, row.tolist(), strict=True)), {"m": float(row[0] - row[1])})
    belief = believe(study.problem, study.history, GP(draws=0), seed=0)
    X = torch.eye(3, dtype=torch.float64)
    torch.testing.assert_close(objective_inside(belief, X).mean, belief.aggregate.posterior(belief.model, X).mean)


def test_ranges_of_objectives() -> None:
    space = bomix.MixtureSpace(DOMAINS)
    loss, acc, free = Metric("loss"), Metric("acc", "accuracy", "max"), Metric("free", "score")
    inf = float("inf")
    for metrics, objective, expected in (
        ((loss, Metric("b", "bpb")), bomix.Mean(), (0.0, inf)),
        ((acc, Metric("other", "accuracy", "max")), bomix.Mean(), (-1.0, 0.0)),
        ((loss, acc), bomix.Mean(), (-0.5, inf)),
        ((loss, free), bomix.Mean(), (-inf, inf)),
        ((loss, free), bomix.Mean(metrics=("loss",)), (0.0, inf)),
        ((loss, free), spec_of("objective", "worst"), (0.0, inf)),
        ((Metric("ppl", "perplexity"),), bomix.Mean(), (1.0, inf)),
        ((free, free), spec_of("objective", "smooth_max"), (-inf, inf)),
        ((loss,), spec_of("objective", "excess"), (-inf, inf)),  # its reference is not measured yet
    ):
        assert Problem(space, metrics, objective).objective_range == expected
