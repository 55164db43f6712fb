"""Faces of a space in which a weight is zero or at least something."""

from __future__ import annotations

import itertools

import numpy as np
import torch

from bomix.optimization import branch_and_bound, convex
from bomix.optimization.faces import face_of, on_nearest_face
from bomix.optimization.minimize import minimise
from bomix.space.mixture_space import MixtureSpace

NAMES = ("a", "b", "c", "d")
SPACE = MixtureSpace(NAMES, upper={"b": 0.6}, at_least={"a": 0.2, "b": 0.3})


def distance_to(target):
    at = torch.as_tensor(target, dtype=torch.float64)
    return lambda X: (X - at).square().sum(dim=-1)


def test_a_weight_that_is_zero_stays_zero_and_one_that_is_not_is_at_least_what_it_must_be():
    lower, upper = face_of(SPACE, np.array([0.0, 0.4, 0.6, 0.0]))
    np.testing.assert_array_equal(lower, [0.0, 0.3, 0.0, 0.0])
    np.testing.assert_array_equal(upper, [0.0, 0.6, 1.0, 1.0])


def test_a_zero_that_nothing_forbids_to_leave_may_leave():
    target = [0.1, 0.5, 0.4, 0.3]
    found = convex.minimise(distance_to(target), *face_of(SPACE, np.array([0.0, 0.6, 0.4, 0.0])))
    assert found.point[0] == 0.0
    assert found.point[3] > 0.1


def test_without_the_condition_nothing_is_minimised_again():
    free = MixtureSpace(NAMES)
    found = convex.minimise(distance_to([0.1, 0.2, 0.3, 0.4]), free.lower_array, free.upper_array)
    assert on_nearest_face(free, found, None) is found


def test_the_minimum_on_the_nearest_face_is_allowed_and_branching_finds_none_that_is_worse():
    rng = np.random.default_rng(0)
    for target in rng.dirichlet(np.ones(4), size=10):
        function = distance_to(target)
        near = minimise(function, SPACE, shape="convex", seed=0)
        best = branch_and_bound.minimise(function, SPACE)
        assert SPACE.contains(near.point[None], tolerance=1e-9).all()
        assert SPACE.contains(best.point[None], tolerance=1e-9).all()
        assert best.value <= near.value + 1e-9
        assert abs(best.value - by_every_face(function)) < 1e-8


def by_every_face(function):
    """The least of the minima over all faces."""
    values = []
    for a, b in itertools.product((False, True), repeat=2):
        lower = np.array([0.2 * a, 0.3 * b, 0.0, 0.0])
        upper = np.array([1.0 * a, 0.6 * b, 1.0, 1.0])
        values.append(convex.minimise(function, lower, upper).value)
    return min(values)
