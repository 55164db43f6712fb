"""From residuals to a belief."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from bomix.surrogates.cross_validation.folds import prepare
from bomix.surrogates.regression.residuals import best_setting, covariance_of, held_out


def constant(points, *, value):
    return np.full(len(points), value)


def shifted_means(X, values, settings):
    """One constant predictor for each setting: the mean of what it has seen, and the setting on top."""
    return [partial(constant, value=values.mean() + each) for each in settings]


def test_a_row_is_predicted_by_the_other_folds_alone_and_the_best_setting_wins(runs):
    prepared = prepare(runs(12)[0], folds=3, seed=0)
    found = held_out(prepared, [prepared.X] * 3, shifted_means, [5.0, 0.0])
    assert found.shape == (2, 12, 3)
    for fold in range(3):
        out = prepared.folds == fold
        np.testing.assert_allclose(found[1, out], np.broadcast_to(prepared.Z[~out].mean(axis=0), (out.sum(), 3)))
    assert best_setting(prepared, found).tolist() == [1, 1, 1]
    assert best_setting(prepared, found[[1, 1]]).tolist() == [0, 0, 0], "of equal ones the first"


def test_one_mixture_can_not_be_held_out(runs):
    prepared = prepare(runs(1)[0], folds=3, seed=0)
    assert held_out(prepared, [prepared.X] * 3, shifted_means, [0.0]).isnan().all()


def test_the_covariance_of_many_residuals_is_their_own_and_of_none_the_default():
    rng = np.random.default_rng(0)
    root = np.array([[1.0, 0.0], [1.2, 0.5]])
    residuals = torch.as_tensor(rng.normal(size=(20_000, 2)) @ root.T)
    known = torch.tensor([True, True])
    np.testing.assert_allclose(covariance_of(residuals, known, default=1.0), root @ root.T, rtol=0.05)
    none = covariance_of(residuals[:0], known, default=3.0)
    torch.testing.assert_close(none, 3.0 * torch.eye(2, dtype=torch.float64))
    flat = covariance_of(residuals, torch.tensor([True, False]), default=3.0)
    assert flat[1, 1].item() == pytest.approx(3.0)
