"""Starts lie in the space, near what they are to be near, and apart from each other."""

from __future__ import annotations

import numpy as np
import pytest

from bomix.optimization.start_points import SPACED, around, spaced, sparse
from bomix.space.mixture_space import MixtureSpace


@pytest.fixture
def space():
    names = [f"d{index:02d}" for index in range(20)]
    return MixtureSpace(names, {"d00": 0.05}, {"d01": 0.2})


def inside(space, points):
    return space.contains(points, tolerance=1e-9).all()


def test_sparse_mixtures_have_most_of_their_tokens_from_a_few_domains(space):
    points = sparse(space, 200, np.random.default_rng(0))
    assert points.shape == (200, 20)
    assert inside(space, points)
    largest = np.sort(points, axis=1)[:, ::-1]
    assert np.median(largest[:, :4].sum(axis=1)) > 0.8
    even = np.sort(space.sobol(200, seed=0), axis=1)[:, ::-1]
    assert np.median(even[:, :4].sum(axis=1)) < 0.7


def test_clouds_lie_about_their_points_as_wide_as_asked_for(space):
    centres = space.sobol(3, seed=1)
    points = around(centres, space, np.repeat((1e-4, 1e-2), 50), np.random.default_rng(0))
    assert points.shape == (300, 20)
    assert inside(space, points)
    away = np.abs(points.reshape(100, 3, 20) - centres).max(axis=-1)
    assert away[:50].max() < 1e-3
    assert np.median(away[50:]) > 10.0 * np.median(away[:50])


def test_no_two_starts_are_near_each_other_or_the_others(space):
    rng = np.random.default_rng(0)
    ranked = around(space.sobol(4, seed=2), space, np.repeat(0.01, 50), rng)
    others = ranked[-2:]
    chosen = spaced(ranked, 8, others=others)
    assert 0 < len(chosen) <= 8
    every = np.concatenate([others, chosen])
    distance = np.abs(every[:, None] - every).max(axis=-1)[2:]
    distance[np.arange(len(chosen)), 2 + np.arange(len(chosen))] = np.inf
    assert distance.min() > SPACED


def test_the_best_start_is_always_taken_and_the_order_kept():
    ranked = np.array([[0.5, 0.5], [0.5001, 0.4999], [0.2, 0.8], [0.9, 0.1]])
    np.testing.assert_array_equal(spaced(ranked, 2), ranked[[0, 2]])
    np.testing.assert_array_equal(spaced(ranked, 9), ranked[[0, 2, 3]])
    assert spaced(ranked, 0).shape == (0, 2)
    np.testing.assert_array_equal(spaced(ranked, 9, min_distance=0.35), ranked[[0, 3]])
