from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import trapezoid

from bomix.numerics.expected_fall import expected_fall


@pytest.mark.parametrize("n", [1, 2, 7, 40])
def test_it_is_the_integral_over_the_observation(n: int) -> None:
    rng = np.random.default_rng(n)
    mean, shift = rng.standard_normal(n), rng.standard_normal(n)
    z = np.linspace(-9.0, 9.0, 40_001)
    density = np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi)
    falls = mean.min() - (mean + shift * z[:, None]).min(axis=1)
    assert expected_fall(mean, shift) == pytest.approx(float(trapezoid(falls * density, z)), abs=1e-6)


def test_what_moves_all_means_alike_changes_no_choice() -> None:
    assert expected_fall(np.array([1.0, 2.0, 1.5]), np.full(3, 0.4)) == 0.0
