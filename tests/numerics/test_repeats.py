"""Repeats: rows of one point are found whatever their order, and are dealt to folds together."""

from __future__ import annotations

import numpy as np
import pytest

from bomix.numerics import repeats


@pytest.fixture
def rows():
    """Twelve points, four of which have a second row, the first one a third: 17 rows in a random order."""
    points = np.random.default_rng(0).dirichlet(np.ones(4), size=12)
    every = np.concatenate([points, points[:4] + 3e-7, points[:1] - 3e-7])
    return every[np.random.default_rng(1).permutation(len(every))]


def test_points_are_numbered_in_the_order_of_their_first_rows():
    X = np.array([[0.3, 0.7], [0.5, 0.5], [0.3, 0.7 + 1e-8], [0.1, 0.9], [0.5, 0.5]])
    np.testing.assert_array_equal(repeats.number(X, tolerance=1e-6), [0, 1, 0, 2, 1])


def test_rows_nearer_than_the_tolerance_are_one_point_and_others_are_not(rows):
    assert repeats.count(rows, tolerance=1e-6) == 5
    assert repeats.count(rows, tolerance=1e-8) == 0


def test_the_tolerance_itself_is_within():
    X = np.array([[0.0, 1.0], [0.25, 0.75]])
    assert repeats.count(X, tolerance=0.25) == 1
    assert repeats.pairs(X, tolerance=0.25).all()


def test_a_chain_of_near_rows_is_one_point_whichever_row_comes_first():
    chain = np.array([[0.0, 1.0], [0.8, 0.2], [0.4, 0.6]])
    for order in ([0, 1, 2], [2, 0, 1], [1, 2, 0]):
        np.testing.assert_array_equal(repeats.number(chain[order], tolerance=0.5), [0, 0, 0])


def test_numbers_say_the_same_as_pairs_where_there_is_no_chain(rows):
    number = repeats.number(rows, tolerance=1e-6)
    np.testing.assert_array_equal(repeats.pairs(rows, tolerance=1e-6), number[:, None] == number)


def test_each_point_is_listed_once_in_lexicographic_order(rows):
    found = repeats.distinct(rows, tolerance=1e-6)
    assert len(found) == 12
    np.testing.assert_array_equal(found, found[np.lexsort(found.T[::-1])])
    np.testing.assert_array_equal(found, repeats.distinct(rows[::-1], tolerance=1e-6))


def test_the_numbers_of_points_can_be_made_independent_of_the_order_of_rows(rows):
    def numbered(X):
        return repeats.reordered(X, repeats.number(X, tolerance=1e-6))

    order = np.random.default_rng(2).permutation(len(rows))
    np.testing.assert_array_equal(numbered(rows[order]), numbered(rows)[order])


@pytest.mark.parametrize("even", [True, False])
def test_the_rows_of_a_point_share_a_fold_and_every_fold_is_used(rows, even):
    points = repeats.number(rows, tolerance=1e-6)
    fold = repeats.deal(points, folds=5, seed=3, even=even)
    assert all(len(set(fold[points == point].tolist())) == 1 for point in range(12))
    assert set(fold.tolist()) == set(range(5))


def test_even_folds_have_as_many_rows_and_others_as_many_points(rows):
    points = repeats.number(rows, tolerance=1e-6)
    assert np.ptp(np.bincount(repeats.deal(points, folds=4, seed=3))) <= 1
    in_turn = repeats.deal(points, folds=4, seed=3, even=False)
    np.testing.assert_array_equal(np.bincount(in_turn[repeats.firsts(points)]), [3, 3, 3, 3])


@pytest.mark.parametrize("even", [True, False])
def test_fewer_points_than_folds_take_a_fold_each_and_none_take_none(even):
    assert sorted(repeats.deal(np.arange(3), folds=8, seed=0, even=even).tolist()) == [0, 1, 2]
    assert repeats.number(np.zeros((0, 3)), tolerance=1e-6).shape == (0,)
    assert repeats.deal(np.zeros(0, dtype=int), folds=8, seed=0, even=even).shape == (0,)


def test_another_seed_deals_otherwise(rows):
    points = repeats.number(rows, tolerance=1e-6)
    first, second = (repeats.deal(points, folds=4, seed=seed) for seed in (0, 1))
    assert (first != second).any()
