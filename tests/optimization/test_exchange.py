"""Designs by exchange against closed forms, and against every design there is."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from bomix.optimization.exchange import exchange, mean_variance


def problem(n: int = 30, p: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Candidates, moments and precisions of a model with a constant."""
    rng = np.random.default_rng(seed)
    candidates = np.concatenate([np.ones((n, 1)), rng.standard_normal((n, p - 1))], axis=1)
    sample = np.concatenate([np.ones((500, 1)), rng.standard_normal((500, p - 1))], axis=1)
    return candidates, sample.T @ sample / 500, np.array([1e-6, *[0.1] * (p - 1)])


def test_the_mean_variance_is_the_mean_of_the_variances_of_predictions() -> None:
    rng = np.random.default_rng(1)
    X, sample, precision = rng.standard_normal((7, 3)), rng.standard_normal((200, 3)), np.full(3, 0.5)
    covariance = np.linalg.inv(X.T @ X + 0.5 * np.eye(3))
    variances = [row @ covariance @ row for row in sample]
    assert mean_variance(X, sample.T @ sample / 200, precision) == pytest.approx(np.mean(variances))


def test_no_exchange_raises_the_mean_variance_and_it_is_that_of_the_rows() -> None:
    candidates, moments, precision = problem()
    given = candidates[:2]
    found = exchange(candidates, moments, precision, given, 8)
    assert (np.diff(found.variances) <= 1e-12).all()
    rows = np.concatenate([given, candidates[found.rows]])
    assert found.variances[-1] == pytest.approx(mean_variance(rows, moments, precision))
    assert len(set(found.rows.tolist())) == 8


def test_it_is_the_best_of_all_designs_where_these_can_be_counted() -> None:
    candidates, moments, precision = problem(n=12, p=3, seed=4)
    none = candidates[:0]
    best = min(
        mean_variance(candidates[list(rows)], moments, precision) for rows in itertools.combinations(range(12), 4)
    )
    found = exchange(candidates, moments, precision, none, 4)
    assert found.variances[-1] == pytest.approx(best, rel=0.02)


def test_the_first_rows_are_a_better_design_than_the_last_ones() -> None:
    candidates, moments, precision = problem(n=200, p=6)
    rows = exchange(candidates, moments, precision, candidates[:0], 20).rows
    first, last = (mean_variance(candidates[part], moments, precision) for part in (rows[:8], rows[-8:]))
    assert first < last


def test_more_rows_than_candidates_are_all_of_them() -> None:
    candidates, moments, precision = problem(n=5)
    assert sorted(exchange(candidates, moments, precision, candidates[:0], 9).rows) == list(range(5))
