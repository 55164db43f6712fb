"""Far from all trials a recommendation claims less, by as much as it takes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import bomix
from bomix.posterior.explored import tried
from bomix.posterior.predict import difference, estimates
from bomix.posterior.ranges import objective_inside
from bomix.recommendation.decision import as_tensor, decide
from bomix.recommendation.extrapolation import stretch
from bomix.surrogates.gp.spec import GP

DOMAINS = ("a", "b", "c", "d")
FAMILIES = ("exponential", "power", "lines")


def losses(rng: np.random.Generator, family: str, X: np.ndarray) -> np.ndarray:
    """Three losses of four weights, ``n x d`` to ``n x 3``: falling with one domain, or with several."""
    own = rng.choice(4, 3, replace=False)
    if family == "exponential":
        slopes = rng.normal(0.0, 1.0, (3, 4)) - 2.0 * (rng.random((3, 4)) < 0.3)
        return np.asarray(rng.uniform(1.5, 2.5, 3) + rng.uniform(0.5, 1.5, 3) * np.exp(X @ slopes.T))
    if family == "power":  # it rises steeply as the weight of its own domain vanishes
        return np.asarray(2.0 + rng.uniform(0.05, 0.3, 3) * (X[:, own] + 0.003) ** -rng.uniform(0.15, 0.5, 3))
    return np.asarray(2.5 + X @ rng.uniform(-0.5, 0.5, (3, 4)).T + 1.5 * np.exp(-6.0 * X[:, own]))


def extrapolated(family: str, seed: int) -> tuple[float, float, float] | None:
    """Errors of the objective and of the margin in standard deviations before they are stretched, and the stretch.

    Twelve runs lie about one mixture. None where the recommendation does not lie far from them.
    """
    rng = np.random.default_rng([seed, FAMILIES.index(family)])
    X = rng.dirichlet(rng.dirichlet(np.full(4, 8.0)) * 30.0, 12)
    points = np.concatenate([X, np.full((1, 4), 0.25)])
    study, state = bomix.Study(DOMAINS, ["m0", "m1", "m2"]), rng.integers(2**31)
    Y = losses(np.random.default_rng(state), family, points)[:12] + 0.01 * rng.normal(size=(12, 3))
    for x, y in zip(X.tolist(), Y.tolist(), strict=True):
        study.add(dict(zip(DOMAINS, x, strict=True)), dict(zip(("m0", "m1", "m2"), y, strict=True)))
    found = decide(study.problem, study.history, GP(draws=4), seed=0)
    if (factor := stretch(tried(study.problem.space, study.history), found.point)) == 1.0:
        return None
    with torch.no_grad():
        pair = objective_inside(found.belief, as_tensor([found.point, points[-1]]))
    best, margin = estimates(pair)[0], difference(pair, 1, 0)
    true = losses(np.random.default_rng(state), family, np.stack([found.point, points[-1]])).mean(axis=1)
    return (true[0] - best.mean) / best.sd, (true[1] - true[0] - margin.mean) / margin.sd, factor


def test_the_stretch_is_the_distance_in_typical_ones() -> None:
    line = np.linspace(0.3, 0.5, 11)
    runs = np.stack([line, 1.0 - line], axis=1)
    roots = np.sqrt(runs)
    step = np.quantile(np.linalg.norm(np.diff(roots, axis=0), axis=1), 0.9)
    point = np.array([0.8, 0.2])
    expected = np.linalg.norm(np.sqrt(point) - roots[-1]) / step
    assert stretch(runs, point) == pytest.approx(expected, rel=0.05)
    assert stretch(runs, runs[3]) == 1.0
    assert stretch(runs, np.array([0.405, 0.595])) == 1.0
    assert stretch(runs[:1], point) == 1.0  # one run has no typical distance
    assert stretch(runs[:0], point) == 1.0


def test_a_recommendation_far_from_all_runs_claims_less() -> None:
    study = bomix.Study(DOMAINS[:3], ["m"])
    for share in (0.2, 0.25, 0.3, 0.35):
        for rest in (0.3, 0.35):
            study.add({"a": share, "b": rest, "c": 1.0 - share - rest}, {"m": 4.0 - share + 0.1 * rest})
    best = study.recommend()
    runs = tried(study.problem.space, study.history)
    factor = stretch(runs, study.problem.space.to_array(best.weights))
    assert factor > 2.0
    assert f"{factor:.1f} times less sure" in " ".join(best.warnings)
    found = decide(study.problem, study.history, study._surrogate(), seed=0)
    with torch.no_grad():
        (plain,) = estimates(objective_inside(found.belief, as_tensor([found.point])))
    assert best.objective.mean == plain.mean
    assert best.objective.sd == pytest.approx(factor * plain.sd)
    assert best.per_metric["m"].sd == pytest.approx(best.objective.sd)
    assert 0.5 < best.beats["uniform"] < 1.0


@pytest.mark.slow
def test_intervals_of_extrapolated_recommendations_cover_what_they_say() -> None:
    """Prints the figures of the changelog: ``pytest -m slow -s -k extrapolated_recommendations``."""
    found = [extrapolated(family, seed) for family in FAMILIES for seed in range(100, 120)]
    errors, margins, factors = np.array([each for each in found if each is not None]).T
    for name, values in (("objective", errors), ("margin over uniform", margins)):
        before, now = (np.mean(np.abs(values / by) < 1.96) for by in (1.0, factors))
        print(
            f"{name}, {len(values)} recommendations: {100 * before:.0f} % covered as it is, {100 * now:.0f} % stretched"
        )
        assert now >= 0.88
