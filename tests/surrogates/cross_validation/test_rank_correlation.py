"""Rank correlations and shares of pairs in one order: what they are, and what their intervals hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr

from bomix.recommendation.scale_runs import runs_by_scale
from bomix.surrogates.cross_validation.rank_correlation import correlation, ordered, twice_as_sure
from tests.known.scales import regmix


def random(n=30, m=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, m)) @ rng.normal(size=(m, m))


def test_ties_share_their_mean_rank():
    first, second = np.array([1.0, 1.0, 2.0, 3.0, 3.0, 4.0]), np.array([2.0, 1.0, 2.0, 5.0, 4.0, 4.0])
    assert correlation(first, second).rho == pytest.approx(spearmanr(first, second).statistic)


def test_the_interval_is_fishers_with_the_variance_of_bonett_and_wright():
    values = random(n=40)
    rho, lower, upper, n = correlation(*values[:, :2].T)
    reach = 1.959964 * math.sqrt((1.0 + rho**2 / 2.0) / (n - 3))
    assert (lower, upper) == pytest.approx((math.tanh(math.atanh(rho) - reach), math.tanh(math.atanh(rho) + reach)))


@pytest.mark.parametrize(("n", "pearson"), [(12, 0.0), (30, 0.7), (60, 0.9)])
def test_intervals_hold_what_they_promise(n, pearson):
    rng = np.random.default_rng(n)
    truth = 6.0 / math.pi * math.asin(pearson / 2.0)  # of ranks, in a population that is Gaussian
    inside = 0
    for _ in range(600):
        first, noise = rng.normal(size=(2, n))
        found = correlation(first, pearson * first + math.sqrt(1.0 - pearson**2) * noise)
        inside += found.lower <= truth <= found.upper
    assert 0.92 <= inside / 600 <= 0.985


def test_few_trials_in_perfect_order_are_not_certain():
    few, many = (correlation(np.arange(n), np.arange(n)) for n in (4, 100))
    assert few.rho == many.rho == few.upper == many.upper == pytest.approx(1.0)
    assert few.lower < 0.0
    assert many.lower > 0.99


def test_the_share_of_pairs_is_that_of_kendalls_coefficient():
    first, second = random(n=25).T
    assert ordered(first, second).share == pytest.approx(0.5 * (1.0 + kendalltau(first, second).statistic))


def test_a_tie_on_one_side_is_half_a_pair_in_order():
    found = ordered(np.array([1.0, 1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0, 4.0]))
    assert found.share == pytest.approx(5.5 / 6.0)


@pytest.mark.parametrize(("n", "pearson"), [(12, 0.0), (30, 0.7), (60, 0.9)])
def test_intervals_of_pairs_hold_what_they_promise(n, pearson):
    rng = np.random.default_rng(n)
    truth = 0.5 + math.asin(pearson) / math.pi  # in a population that is Gaussian
    inside = 0
    for _ in range(400):
        first, noise = rng.normal(size=(2, n))
        found = ordered(first, pearson * first + math.sqrt(1.0 - pearson**2) * noise)
        inside += found.lower <= truth <= found.upper
    assert inside / 400 >= 0.92


def test_of_four_mixtures_in_order_nothing_is_certain_and_of_three_nothing_is_said():
    four, three = ordered(np.arange(4.0), np.arange(4.0)), ordered(np.arange(3.0), np.arange(3.0))
    assert four[:3] == (1.0, 0.0, 1.0)
    assert math.isnan(three.share)
    assert three.n == 3


def test_mixtures_that_lack_a_value_do_not_count():
    first, second = random(n=20).T
    first[:5], second[15:] = np.nan, np.nan
    assert ordered(first, second).n == correlation(first, second).n == 10
    assert correlation(first, second).rho == pytest.approx(spearmanr(first[5:15], second[5:15]).statistic)


@pytest.mark.parametrize("n", [4, 9, 50])
def test_so_many_pairs_halve_the_interval_on_fishers_scale(n):
    def width(count):
        return math.sqrt(1.0 / (count - 3))

    assert width(twice_as_sure(n)) == pytest.approx(0.5 * width(n))


@pytest.mark.parametrize("n", [8, 16, 24])
def test_intervals_of_few_mixtures_hold_what_all_of_regmixs_say(n):
    small, large = (each.values[:, 0] for each in runs_by_scale(*regmix(256, 256)))
    rng, inside = np.random.default_rng(n), np.zeros(2)
    truth = correlation(small, large).rho, ordered(small, large).share
    for _ in range(200):
        some = rng.choice(256, n, replace=False)
        found = correlation(small[some], large[some]), ordered(small[some], large[some])
        inside += [each[1] <= value <= each[2] for each, value in zip(found, truth, strict=True)]
    assert (inside / 200 >= 0.88).all()
