from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from botorch.utils.datasets import SupervisedDataset

from bomix.contracts.context import FitContext
from bomix.space.mixture_space import MixtureSpace
from bomix.surrogates.gp.presets import PREDICTING
from bomix.surrogates.gp.shares import left_out_density, stacked_shares
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.kernels.presets import LINE, MIXED_KERNELS

D, M, N = 5, 12, 16


def table(kind: str, seed: int) -> tuple[SupervisedDataset, FitContext, torch.Tensor, torch.Tensor]:
    """Runs and others to judge by, of metrics that are a line and noise, or curves with hardly any."""
    rng = np.random.default_rng(seed)
    space, metrics = MixtureSpace([f"d{i}" for i in range(D)]), tuple(f"m{j:02d}" for j in range(M))
    X, test = space.sobol(N, seed=seed), space.sobol(256, seed=seed + 100)
    slopes, scale = rng.standard_normal((D, M)), rng.uniform(0.02, 0.1, M)

    def measure(weights: np.ndarray) -> torch.Tensor:
        noise = rng.standard_normal((len(weights), M))
        if kind == "curve":
            values = np.exp(-weights[:, np.arange(M) % D] / scale) + 0.3 * np.sin(weights @ slopes * 6.0) + 0.01 * noise
        else:
            values = 0.15 * np.log(weights + 1e-3) @ slopes + 0.7 * noise + 0.7 * rng.standard_normal((len(weights), 1))
        return torch.as_tensor(values)

    data = SupervisedDataset(
        torch.as_tensor(X), measure(X), feature_names=list(space.domains), outcome_names=list(metrics)
    )
    return data, FitContext(space, metrics), torch.as_tensor(test), measure(test)


def test_density_of_a_left_out_run_is_the_harmonic_mean_over_draws():
    data, context, _, _ = table("noise", 0)
    data.Y[3, 1] = torch.nan
    family = GP(kernels=(LINE,), draws=3).fit(data, context=context, seed=0).families[0]
    found = left_out_density(family)
    assert found[1, 3] == 0
    each = []
    for theta in family.theta:
        mean, variance = family.with_theta(theta.unsqueeze(0)).leave_one_out()
        each.append(torch.distributions.Normal(mean[0, 2], variance[0, 2].sqrt()).log_prob(family.targets[0, 2]).exp())
    assert found[0, 2].item() == pytest.approx(math.log(3.0 / sum(1.0 / value.item() for value in each)))


def test_a_line_has_its_share_where_scores_are_noise_and_none_where_losses_are_curves():
    shares = {}
    for kind in ("noise", "curve"):
        data, context, _, _ = table(kind, 0)
        model = PREDICTING.fit(data, context=context, seed=0)
        shares[kind] = model.shares
        torch.testing.assert_close(model.shares.sum(dim=0), torch.ones(M, dtype=torch.float64))
        torch.testing.assert_close(model.shares, stacked_shares(model.families))
        assert (model.shares == model.shares[:, :1]).all()
        assert (model.shares[0] == model.shares[1]).all()
    assert shares["curve"][-1, 0] < 0.05
    assert shares["noise"][-1, 0] > 5.0 * shares["curve"][-1, 0]


def test_shares_are_equal_unless_asked_for():
    data, context, _, _ = table("noise", 1)
    model = GP(kernels=(*MIXED_KERNELS, LINE), draws=0).fit(data, context=context, seed=0)
    torch.testing.assert_close(model.shares, torch.full((3, M), 1.0 / 3.0, dtype=torch.float64))


def test_intervals_of_noisy_scores_and_of_their_mean_hold():
    inside, mean_inside = [], []
    for seed in range(3):
        data, context, test, truth = table("noise", seed)
        with torch.no_grad():
            posterior = PREDICTING.fit(data, context=context, seed=0).posterior(test.unsqueeze(-2), None, True)
        covariance = posterior.distribution.covariance_matrix
        error = (truth - posterior.mean.squeeze(-2)).abs()
        inside.append((error <= 1.96 * covariance.diagonal(dim1=-2, dim2=-1).sqrt()).double().mean())
        together = (truth.mean(dim=-1) - posterior.mean.squeeze(-2).mean(dim=-1)).abs()
        mean_inside.append((together <= 1.96 * covariance.mean(dim=(-2, -1)).sqrt()).double().mean())
    assert 0.88 < torch.stack(inside).mean() < 0.98
    assert 0.88 < torch.stack(mean_inside).mean() < 0.99
