"""Marginal likelihoods with gaps, against plain Gaussians of what is there."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from bomix.numerics import marginal
from bomix.numerics.marginal import LogMarginal, best_means, noisy_factor

N = 6


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    root = torch.as_tensor(rng.normal(size=(2, N, N)))
    seen = torch.as_tensor(rng.random((2, N)) < 0.7)
    noise, targets = torch.as_tensor(rng.uniform(0.1, 1.0, (2, N))), torch.as_tensor(rng.normal(size=(2, N)))
    return root @ root.mT, noise, targets, seen


def test_it_is_that_of_the_observations_that_are_there(problem):
    covariance, noise, targets, seen = problem
    values, means = LogMarginal.apply(covariance, noise, targets, seen)
    for value, mean, K, v, y, there in zip(values, means, covariance, noise, targets, seen, strict=True):
        matrix = (K + torch.diag(v))[there][:, there].numpy()
        weights = np.linalg.solve(matrix, np.ones(len(matrix)))
        assert mean.item() == pytest.approx(weights @ y[there].numpy() / weights.sum())
        expected = multivariate_normal(np.full(len(matrix), mean.item()), matrix).logpdf(y[there].numpy())
        assert value.item() == pytest.approx(expected)


def test_its_gradients_are_those_of_finite_differences(problem):
    covariance, noise, targets, seen = problem

    def value(root, v):
        return LogMarginal.apply(root @ root.mT + covariance, v, targets, seen)[0]

    root = torch.as_tensor(np.random.default_rng(1).normal(size=(2, N, N))).requires_grad_()
    assert torch.autograd.gradcheck(value, (root, noise.clone().requires_grad_()))


def test_a_matrix_that_no_jitter_mends_is_nan_and_spoils_no_other():
    matrices = torch.stack([torch.eye(3), -torch.eye(3)]).double()
    factor = noisy_factor(matrices, torch.zeros(2, 3).double(), torch.ones(2, 3, dtype=torch.bool))
    torch.testing.assert_close(factor[0], torch.eye(3).double())
    assert factor[1].isnan().all()
    means, _ = best_means(factor[:1], torch.tensor([[1.0, 2.0, 6.0]]).double(), torch.ones(1, 3).double())
    assert means.item() == pytest.approx(3.0)


def test_the_diagonal_of_an_inverse_is_the_same_in_parts(monkeypatch):
    root = torch.randn(5, 7, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    matrices = root @ root.mT + torch.eye(7, dtype=torch.float64)
    factor = torch.linalg.cholesky(matrices)
    monkeypatch.setattr(marginal, "MANY", 3)
    monkeypatch.setattr(marginal, "rows_within", lambda entries: 2)
    wanted = torch.linalg.inv(matrices).diagonal(dim1=-2, dim2=-1)
    torch.testing.assert_close(marginal.inverse_diagonal(factor), wanted)
