"""What a model expects of scales: where their optima are, and how far they agree."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bomix.problem import Metric
from bomix.recommendation.scale_optima import outlook
from bomix.recommendation.scale_runs import runs_by_scale
from bomix.surrogates.regression.specs import Ridge
from tests.known.scales import history, problem
from tests.known.two_scales import Known

ANY = (None, None)
MIXTURES = np.random.default_rng(0).dirichlet(np.ones(3), 24)


def expected_of(surrogate, *, small=24, large=12, names=("x",)):
    study = problem([Metric(name, range=ANY) for name in names])
    runs = []
    for at, count, place in (("small", small, [0.2, 0.6, 0.2]), ("large", large, [0.6, 0.2, 0.2])):
        for row in MIXTURES[:count]:
            runs.append((at, row, dict.fromkeys(names, float(((row - place) ** 2).sum()))))
    record = history(study, runs)
    return outlook(study, record, surrogate, runs_by_scale(study, record), seed=0)


def test_the_best_mixture_of_each_scale_is_where_the_model_has_it():
    found = expected_of(Known())
    assert found.across
    small, large = found.optima
    assert [small.scale, large.scale] == ["small", "large"]
    assert small.weights["b"] == pytest.approx(0.6, abs=1e-3)
    assert large.weights["a"] == pytest.approx(0.6, abs=1e-3)
    assert small.cosine == pytest.approx((2 * 0.6 * 0.2 + 0.2**2) / (0.6**2 + 2 * 0.2**2), abs=1e-3)
    assert large.cosine == pytest.approx(1.0)


def test_the_price_of_the_small_optimum_is_that_at_the_target():
    small, large = expected_of(Known()).optima
    assert small.lost.mean == pytest.approx(2 * 0.4**2, abs=1e-2)
    assert small.lost.sd > 0.0
    assert (large.lost.mean, large.lost.sd) == (0.0, 0.0)


def test_scales_that_are_one_function_agree_and_those_with_their_own_do_not():
    place = ((0.6, 0.2, 0.2),)
    (same,) = expected_of(Known(place, place, spread=1.0, apart=1e-4)).expected
    (other,) = expected_of(Known(place, place, spread=1e-4, apart=1.0)).expected
    assert (same.small, same.large, same.n) == ("small", "large", 24)
    assert same.lower > 0.5  # draws of half the function, beside a mean of its own
    assert other.lower < 0.5
    assert other.upper - other.lower > same.upper - same.lower


def test_certain_models_of_one_shape_agree_for_certain():
    place = ((0.6, 0.2, 0.2),)
    (found,) = expected_of(Known(place, place, spread=1e-4, apart=1e-4)).expected
    assert found.lower == pytest.approx(1.0, abs=1e-3)


def test_an_approximate_covariance_of_two_scales_is_no_obstacle():
    place = ((0.6, 0.2, 0.2),)
    (found,) = expected_of(Known(place, place, spread=0.1, apart=1e-4, stretched=1.5)).expected
    assert found.lower <= found.rho <= found.upper <= 1.0


def test_metrics_stay_apart_in_joint_draws():
    places, at_small = ((0.6, 0.2, 0.2), (0.2, 0.2, 0.6)), ((0.2, 0.6, 0.2), (0.2, 0.6, 0.2))
    found = expected_of(Known(places, at_small, 1e-4, 1e-4), names=("x", "y"))
    mean = np.array(places).mean(axis=0)
    assert [found.optima[1].weights[name] for name in "abc"] == pytest.approx(mean, abs=1e-3)
    (expected,) = found.expected
    assert math.isfinite(expected.rho)
    assert expected.rho < 0.9


def test_without_a_model_across_scales_each_is_asked_by_its_own_runs():
    found = expected_of(Ridge())
    assert not found.across
    assert found.expected == ()
    assert [each.scale for each in found.optima] == ["small", "large"]


def test_a_scale_of_few_runs_is_not_asked_by_itself():
    found = expected_of(Ridge(), large=7)
    assert [each.scale for each in found.optima] == ["small"]
    assert found.optima[0].lost is None
    assert math.isnan(found.optima[0].cosine)
