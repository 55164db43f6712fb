"""Uniform mixtures under constraints agree with closed forms, in 200 domains under 20 constraints."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bomix.space import even, hit_and_run
from bomix.space.linear import Constraint, Rows
from bomix.space.mixture_space import MixtureSpace

D, GROUPS = 200, 20
SIZE = D // GROUPS
NAMES = [f"d{i:03d}" for i in range(D)]


def groups(*ends):
    members = [NAMES[SIZE * g : SIZE * (g + 1)] for g in range(GROUPS)]
    return Rows.of([Constraint(dict.fromkeys(each, 1.0), *ends) for each in members], NAMES)


def drawn(rows, *, seed, rounds=hit_and_run.ROUNDS // 4):
    found = hit_and_run.run((0.0,) * D, (1.0,) * D, rows, chains=512, rounds=rounds, rng=np.random.default_rng(seed))
    assert rows.hold(found, tolerance=1e-12).all()
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-12)
    return found.reshape(-1, GROUPS, SIZE)


def p_value(samples, law):
    """Of all columns together: p-values of the columns are uniform where each follows the law."""
    each = [stats.kstest(column, law).pvalue for column in samples.T]
    return stats.kstest(each, "uniform").pvalue


@pytest.mark.parametrize(("ends", "seed"), [((0.05, 0.05), 1), ((None, 0.06), 2), ((0.04, 0.07), 3)])
def test_shares_within_groups_follow_a_beta_law(ends, seed):
    """Whatever sums are allowed, the shares within a group are uniform on a simplex."""
    points = drawn(groups(*ends), seed=seed)
    shares = points / points.sum(axis=2, keepdims=True)
    assert p_value(shares.reshape(len(points), D), stats.beta(1, SIZE - 1).cdf) > 1e-3
    sums = points.sum(axis=2)
    low, high = ends[0] or 0.0, ends[1]
    assert sums.min() >= low - 1e-12
    assert sums.max() <= high + 1e-12


def test_sums_of_groups_follow_their_law():
    """One group that must have half and more: its sum is a Beta law that is cut, the rest a uniform simplex."""
    members = NAMES[:100]
    rows = Rows.of([Constraint(dict.fromkeys(members, 1.0), 0.5)], NAMES)
    points = drawn(rows, seed=4).reshape(-1, D)
    law = stats.beta(100, 100)
    cut = [(law.cdf(x) - law.cdf(0.5)) / (1.0 - law.cdf(0.5)) for x in points[:, :100].sum(axis=1)]
    assert stats.kstest(cut, "uniform").pvalue > 1e-3
    rest = points[:, 100:] / points[:, 100:].sum(axis=1, keepdims=True)
    assert p_value(rest, stats.beta(1, 99).cdf) > 1e-3


def test_a_narrow_slab_in_no_direction_of_single_weights_is_filled():
    """``|w1 - 2 w2 + w3 / 2| <= 1e-4``: what is left across the slab is uniform, and along it chains still move."""
    row = {"a": 1.0, "b": -2.0, "c": 0.5}
    rows = Rows.of([Constraint(row, -1e-4, 1e-4)], "abcd")
    found = hit_and_run.run((0.0,) * 4, (1.0,) * 4, rows, chains=512, rounds=40, rng=np.random.default_rng(5))
    across = found @ np.array([1.0, -2.0, 0.5, 0.0])
    assert stats.kstest(across, stats.uniform(-1e-4, 2e-4).cdf).pvalue > 1e-3
    # The slab is a triangle with corners d, (2a + b) / 3 and (b + 4c) / 5: of its share of d the law is Beta(1, 2).
    assert stats.kstest(found[:, 3], stats.beta(1, 2).cdf).pvalue > 1e-3


def test_the_first_points_of_a_sequence_are_those_of_a_longer_one():
    space = MixtureSpace(NAMES[:30], constraints=[Constraint(dict.fromkeys(NAMES[:3], 1.0), 0.5, 0.55)])
    longer = space.sobol(520, seed=3)
    np.testing.assert_array_equal(space.sobol(3, seed=3, skip=510), longer[510:513])
    assert np.abs(space.sobol(1, seed=4) - longer[:1]).max() > 1e-3
    some = even.points(space.lower, space.upper, space.rows, 2, seed=3, skip=511)
    np.testing.assert_array_equal(some, longer[511:513])
    assert space.sample(600, np.random.default_rng(0)).shape == (600, 30)


def test_a_sequence_that_is_sifted_is_as_even_as_the_whole():
    """A half of a simplex: as many points as its volume asks for, to what Sobol points miss."""
    half = MixtureSpace(tuple("abc"), constraints=[Constraint({"a": 1.0, "b": -1.0}, at_least=0.0)])
    points = half.sobol(512, seed=0)
    assert (points[:, 0] >= points[:, 1]).all()
    assert np.mean(points[:, 2] > 0.5) == pytest.approx(0.25, abs=0.02)
