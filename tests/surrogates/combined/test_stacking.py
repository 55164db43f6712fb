"""Shares of models by held-out density."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Normal

from bomix.surrogates.combined.auto import Auto
from bomix.surrogates.combined.stacking import log_density, mixed, picked, stacked
from bomix.surrogates.models.joint import HeldOut
from bomix.surrogates.regression.specs import EmpiricalMean, Ridge


def test_the_density_is_that_of_a_gaussian_and_gaps_ask_nothing():
    held = HeldOut(torch.tensor([[1.0, 2.0]]).double(), torch.diag_embed(torch.tensor([[4.0, 0.25]])).double())
    Y = torch.tensor([[2.0, math.nan]]).double()
    expected = Normal(1.0, 2.0).log_prob(torch.tensor(2.0)).item()
    found = log_density(held, Y)
    assert found[0, 0].item() == pytest.approx(expected)
    assert found[0, 1].item() == 0.0


def test_the_likelier_member_has_the_larger_share_of_its_metric():
    density = torch.zeros(2, 30, 2, dtype=torch.float64)
    density[0, :, 0], density[1, :, 1] = 2.0, 2.0
    shares = stacked(density)
    torch.testing.assert_close(shares.sum(dim=0), torch.ones(2, dtype=torch.float64))
    assert shares[0, 0] > 0.9
    assert shares[1, 1] > 0.9
    torch.testing.assert_close(stacked(0.0 * density), torch.full((2, 2), 0.5, dtype=torch.float64))
    density[0, 0, 0] = 3.0
    torch.testing.assert_close(picked(density), torch.tensor([[1.0, 1.0], [0.0, 0.0]]).double())


def test_a_mixture_has_the_moments_of_its_draws():
    generator = torch.Generator().manual_seed(0)
    means = [torch.randn(1, 2, 1, generator=generator, dtype=torch.float64) for _ in range(2)]
    roots = [torch.randn(1, 2, 2, generator=generator, dtype=torch.float64) for _ in range(2)]
    shares = torch.tensor([[0.3], [0.7]]).double()
    mean, covariance = mixed(means, [root @ root.mT for root in roots], shares)
    centre = 0.3 * means[0] + 0.7 * means[1]
    torch.testing.assert_close(mean, centre)
    parts = [root @ root.mT + (each - centre) @ (each - centre).mT for root, each in zip(roots, means, strict=True)]
    torch.testing.assert_close(covariance, 0.3 * parts[0] + 0.7 * parts[1])


def test_a_choice_among_none_or_in_one_fold_is_a_fault():
    assert [fault.where for fault in Auto(of=(), folds=1).faults()] == ["of", "folds"]
    assert Auto(of=(Ridge(),)).differentiable == Ridge().differentiable
    assert not Auto(of=(Ridge(), EmpiricalMean())).fantasizes
