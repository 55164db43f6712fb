"""The shared numbers keep what they promise."""

from __future__ import annotations

import sys

import numpy as np

from bomix.numerics.constants import ARMIJO, TINY


def test_a_quotient_by_the_smallest_divisor_is_no_division_by_zero() -> None:
    assert sys.float_info.min < TINY
    with np.errstate(all="raise"):
        assert np.isfinite(np.float64(1.0) / np.float64(TINY))
        assert np.isfinite(np.log(np.float64(TINY)))


def test_the_least_decrease_lets_a_step_of_half_the_curvature_pass() -> None:
    # On a parabola the full Newton step brings half of what the slope promises.
    assert 0.0 < ARMIJO < 0.5
