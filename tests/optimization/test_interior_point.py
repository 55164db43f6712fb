"""Newton's method behind a barrier."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bomix.optimization.interior_point import approach, derivatives
from bomix.space import polytope

TARGET = torch.tensor([0.9, 0.4, -0.2, -0.3], dtype=torch.float64)


def distance(X):
    return (X - TARGET).square().sum(dim=-1)


@pytest.mark.parametrize("start", [None, np.full(4, 0.25), np.eye(4)[3]])
def test_the_nearest_mixture_of_a_point_is_found_from_anywhere(start):
    lower, upper = np.zeros(4), np.array([0.4, 1.0, 1.0, 1.0])
    found = approach(distance, lower, upper, None, start)
    assert found == pytest.approx(polytope.project(TARGET.numpy(), lower, upper), abs=1e-5)


def test_bounds_that_leave_one_mixture_give_it():
    only = np.array([0.1, 0.2, 0.3, 0.4])
    assert approach(distance, only, only, None, None) == pytest.approx(only)


def test_derivatives_are_those_of_a_quadratic():
    point = np.array([0.1, 0.2, 0.3, 0.4])
    value, gradient, hessian = derivatives(lambda X: 0.5 * (X * X).sum(-1) + X[:, 0] * X[:, 1], point)
    assert value == pytest.approx(0.5 * (point**2).sum() + 0.02)
    assert gradient == pytest.approx(point + np.array([0.2, 0.1, 0.0, 0.0]))
    assert hessian == pytest.approx(np.eye(4) + np.eye(4)[[1, 0, 2, 3]] * np.array([[1, 1, 0, 0]]).T)
