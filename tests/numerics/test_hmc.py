from __future__ import annotations

import pytest
import torch

from bomix.numerics.hmc import sample

SETTINGS = {"warmup": 60, "draws": 400, "thinning": 1, "leaps": 8}


def gaussians(means, covariances):
    """Negative log densities of ``b`` Gaussians of ``p`` variables."""
    precisions = torch.linalg.inv(covariances)

    def function(x):
        apart = x - means
        gradient = (precisions @ apart.unsqueeze(-1)).squeeze(-1)
        return 0.5 * (apart * gradient).sum(dim=-1), gradient

    return function


MEANS = torch.tensor([[0.0, 3.0], [-1.0, 1.0], [10.0, 0.0]], dtype=torch.float64)
COVARIANCES = torch.tensor(
    [[[1.0, 0.0], [0.0, 4.0]], [[1.0, 0.8], [0.8, 1.0]], [[0.01, 0.0], [0.0, 0.25]]], dtype=torch.float64
)
SCALE = COVARIANCES.diagonal(dim1=-2, dim2=-1).sqrt()


def test_draws_have_the_moments_of_the_gaussians_that_they_are_drawn_from():
    chains = sample(gaussians(MEANS, COVARIANCES), MEANS + SCALE, SCALE, seed=0, **SETTINGS)
    assert chains.draws.shape == (400, 3, 2)
    # 400 draws, some of them alike: an error of the mean near a tenth of a standard deviation.
    assert ((chains.draws.mean(dim=0) - MEANS).abs() < 0.25 * SCALE).all()
    apart = (chains.draws - chains.draws.mean(dim=0)) / SCALE
    found = torch.einsum("sbi,sbj->bij", apart, apart) / 399
    expected = COVARIANCES / (SCALE.unsqueeze(-1) * SCALE.unsqueeze(-2))
    torch.testing.assert_close(found, expected, rtol=0.0, atol=0.3)
    assert ((chains.acceptance > 0.6) & (chains.acceptance < 1.0)).all()


def test_a_posterior_in_closed_form():
    """Three observations of variance 1/4 under a standard normal prior: mean 12/13 of theirs, variance 1/13."""
    observed = torch.tensor([0.7, 1.1, 1.5], dtype=torch.float64)

    def function(x):
        apart = x - observed
        return 0.5 * x.square().sum(-1) + 2.0 * apart.square().sum(-1), x + 4.0 * apart.sum(-1, keepdim=True)

    start = torch.zeros(1, 1, dtype=torch.float64)
    chains = sample(function, start, torch.ones_like(start), seed=1, **SETTINGS)
    assert chains.draws.mean().item() == pytest.approx(12.0 / 13.0 * 1.1, abs=0.06)
    assert chains.draws.var().item() == pytest.approx(1.0 / 13.0, rel=0.3)


def test_the_same_seed_gives_the_same_bits_and_no_global_generator_moves():
    function, state = gaussians(MEANS, COVARIANCES), torch.get_rng_state()
    settings = SETTINGS | {"draws": 5}
    first, second, other = (sample(function, MEANS, SCALE, seed=seed, **settings).draws for seed in (4, 4, 5))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert torch.equal(state, torch.get_rng_state())


def test_a_density_that_ends_is_not_left():
    """Half a Gaussian: beyond zero there is no number, which counts as a rejected trajectory."""

    def function(x):
        value = torch.where(x < 0.0, torch.nan, 0.5 * x.square()).sum(dim=-1)
        return value, torch.where(x < 0.0, torch.nan, x)

    start = torch.full((2, 1), 0.5, dtype=torch.float64)
    chains = sample(function, start, torch.ones_like(start), seed=0, **SETTINGS)
    assert (chains.draws > 0.0).all()
    assert chains.draws.isfinite().all()
    assert chains.draws.mean().item() == pytest.approx((2.0 / torch.pi) ** 0.5, abs=0.15)
