"""Shares of draws, and moments of mixtures."""

from __future__ import annotations

import torch

from bomix.surrogates.fully_bayesian.importance import pooled_variables, truncated_shares


def test_no_draw_decides_alone():
    shares = truncated_shares(torch.tensor([100.0, 0.0, 0.0, 0.0]).double())
    assert shares[0] == shares.max()
    torch.testing.assert_close(shares.sum(), torch.tensor(1.0).double())
    torch.testing.assert_close(truncated_shares(torch.zeros(4, 2)), torch.full((4, 2), 0.25))


def test_a_mixture_has_the_moments_of_its_draws():
    means, variances = torch.tensor([[0.0], [4.0]]).double(), torch.tensor([[1.0], [2.0]]).double()
    mean, variance = pooled_variables(means, variances, torch.tensor([[0.25], [0.75]]).double())
    torch.testing.assert_close(mean, torch.tensor([3.0]).double())
    torch.testing.assert_close(variance, torch.tensor([0.25 * 1.0 + 0.75 * 2.0 + 0.25 * 9.0 + 0.75 * 1.0]).double())
