"""Intervals as the pages of the experiments print them: ends, Student's t, words."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from experiments import intervals


def test_half_of_a_mean_is_that_of_students_t():
    values = np.random.default_rng(0).normal(3.0, 2.0, size=7)
    low, high = stats.t.interval(0.95, 6, values.mean(), stats.sem(values))
    assert values.mean() - intervals.half(values) == pytest.approx(low)
    assert values.mean() + intervals.half(values) == pytest.approx(high)
    assert intervals.mean_and_half([1.0, 2.0, 3.0], 2, sign=True) == "+2.00 ± 2.48"
    assert np.isnan(intervals.half([1.0]))  # one repeat has no spread


def test_half_holds_the_mean_as_often_as_it_says():
    drawn = np.random.default_rng(1).normal(size=(4000, 3))
    inside = [abs(row.mean()) <= intervals.half(row) for row in drawn]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.015)
    inside = [row.min() <= 0.0 <= row.max() for row in drawn]  # what a bootstrap of three comes to
    assert np.mean(inside) == pytest.approx(0.75, abs=0.02)


def test_ends_leave_out_what_has_no_value():
    drawn = np.append(np.arange(1001) / 1000, [np.nan] * 50)
    assert intervals.ends(drawn) == pytest.approx((0.025, 0.975))


@pytest.mark.parametrize(
    ("found", "sign", "said"),
    [
        ((0.5, -0.25, 1.0), False, "0.50 [-0.25, 1.00]"),
        ((0.5, -0.25, 1.0), True, "+0.50 [-0.25, +1.00]"),
        ((0.5, np.nan, np.nan), True, "+0.50"),
        ((0.5,), False, "0.50"),
        ((np.nan, 0.0, 1.0), False, ""),
    ],
)
def test_words_of_an_interval(found, sign, said):
    assert intervals.said(found, 2, sign=sign) == said


def test_places_are_drawn_from_all_alike():
    some = intervals.places(5, 4000, seed=2)
    assert some.shape == (4000, 5)
    assert np.bincount(some.ravel(), minlength=5) == pytest.approx(np.full(5, 4000), rel=0.05)
