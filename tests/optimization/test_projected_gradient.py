"""Descent on the polytope itself."""

from __future__ import annotations

import numpy as np

from bomix.optimization.projected_gradient import projected_gradient
from bomix.space.mixture_space import MixtureSpace


def test_every_start_reaches_the_projection_of_the_target_exactly():
    space = MixtureSpace(("a", "b", "c", "d"), upper={"a": 0.4})
    target = np.array([0.9, 0.4, -0.2, -0.3])

    def cost(X):
        return ((X - target) ** 2).sum(axis=1), 2.0 * (X - target)

    starts = space.sobol(8, seed=0)
    points, values = projected_gradient(cost, space, starts, 200)
    expected = space.project(target[None])[0]
    np.testing.assert_allclose(points, np.broadcast_to(expected, points.shape), atol=1e-7)
    np.testing.assert_allclose(values, cost(points)[0])
    assert (points[:, 2:] <= np.finfo(float).eps).all(), "faces are reached, not approached"


def test_it_never_ends_above_its_start_however_rough_the_function():
    space = MixtureSpace(("a", "b"))

    def cost(X):
        return np.sin(60.0 * X[:, 0]), np.stack([60.0 * np.cos(60.0 * X[:, 0]), np.zeros(len(X))], axis=1)

    starts = space.sobol(8, seed=0)
    points, values = projected_gradient(cost, space, starts, 50)
    assert (values <= cost(starts)[0]).all()
    np.testing.assert_allclose(values, cost(points)[0])
