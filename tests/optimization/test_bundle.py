"""Minima of functions with kinks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bomix.optimization import bundle


def test_the_worst_of_several_lines_is_lowest_where_they_meet():
    # max_i a_i w_i over the simplex is least where all are equal: w_i proportional to 1 / a_i.
    slopes = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)
    found = bundle.minimise(lambda X: (slopes * X).amax(dim=-1), np.zeros(3), np.ones(3), np.full(3, 1.0 / 3.0))
    assert found == pytest.approx(np.array([4.0, 2.0, 1.0]) / 7.0, abs=1e-6)


def test_bounds_hold_and_the_start_is_never_beaten_upwards():
    lower, upper = np.array([0.1, 0.0, 0.2]), np.array([0.5, 0.4, 1.0])
    start = np.array([0.3, 0.3, 0.4])
    target = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)

    def value(X):
        return (X - target).abs().sum(dim=-1)

    found = bundle.minimise(value, lower, upper, start)
    assert (found >= lower - 1e-12).all()
    assert (found <= upper + 1e-12).all()
    assert found.sum() == pytest.approx(1.0)
    assert found == pytest.approx([0.5, 0.0, 0.5], abs=0.31)
    assert value(torch.as_tensor(found)[None]).item() == pytest.approx(1.0, abs=1e-6)
