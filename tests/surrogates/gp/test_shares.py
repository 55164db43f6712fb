from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from botorch.utils.datasets import SupervisedDataset

from bomix.contracts.context import FitContext
from bomix.space.mixture_space import MixtureSpace
from bomix.surrogates.gp import shares
from bomix.surrogates.gp.presets import PREDICTING
from bomix.surrogates.gp.shares import left_out_density, stacked_shares
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.kernels.presets import LINE, MIXED_KERNELS

D, M, N = 5, 12, 16


def table(seed: int) -> tuple[SupervisedDataset, FitContext, torch.Tensor, torch.Tensor]:
    """Runs, and others to judge by, of metrics that are a line and mostly noise, half of it common to them."""
    rng = np.random.default_rng(seed)
    space, metrics = MixtureSpace([f"d{i}" for i in range(D)]), tuple(f"m{j:02d}" for j in range(M))
    X, test = space.sobol(N, seed=seed), space.sobol(256, seed=seed + 100)
    slopes = rng.standard_normal((D, M))

    def measure(weights: np.ndarray) -> torch.Tensor:
        noise = rng.standard_normal((len(weights), M)) + rng.standard_normal((len(weights), 1))
        return torch.as_tensor(0.15 * np.log(weights + 1e-3) @ slopes + 0.7 * noise)

    data = SupervisedDataset(
        torch.as_tensor(X), measure(X), feature_names=list(space.domains), outcome_names=list(metrics)
    )
    return data, FitContext(space, metrics), torch.as_tensor(test), measure(test)


def test_density_of_a_left_out_run_is_the_harmonic_mean_over_draws():
    data, context, _, _ = table(0)
    data.Y[3, 1] = torch.nan
    family = GP(kernels=(LINE,), draws=3).fit(data, context=context, seed=0).families[0]
    found = left_out_density(family)
    assert found[1, 3] == 0
    each = []
    for theta in family.theta:
        mean, variance = family.with_theta(theta.unsqueeze(0)).leave_one_out()
        each.append(torch.distributions.Normal(mean[0, 2], variance[0, 2].sqrt()).log_prob(family.targets[0, 2]).exp())
    assert found[0, 2].item() == pytest.approx(math.log(3.0 / sum(1.0 / value.item() for value in each)))


def test_the_last_family_has_the_share_that_left_out_runs_give_it_and_the_others_equal_ones():
    data, context, _, _ = table(0)
    model = PREDICTING.fit(data, context=context, seed=0)
    torch.testing.assert_close(model.shares, stacked_shares(model.families))
    _, second, line = model.families
    quiet = second.theta.clone()
    quiet[..., -1] = -6.0  # the noise of a run: hardly any, so that noise is followed
    wrong = second.with_theta(quiet)
    for families, least, most in (((wrong, wrong, line), 0.9, 1.0), ((line, line, wrong), 0.0, 0.3)):
        found = stacked_shares(families)
        assert least < found[-1, 0] < most
        torch.testing.assert_close(found.sum(dim=0), torch.ones(M, dtype=torch.float64))
        assert (found == found[:, :1]).all()
        assert (found[0] == found[1]).all()


def test_what_left_out_runs_leave_open_is_credited_to_the_last_family(monkeypatch):
    data, context, _, _ = table(0)
    first, second, line = PREDICTING.fit(data, context=context, seed=0).families
    credited = stacked_shares((first, second, line))[-1, 0]
    monkeypatch.setattr(shares, "CREDIT", 0.0)
    assert stacked_shares((first, second, line))[-1, 0] < credited < 1.0
    same = stacked_shares((first, first, first))[-1, 0]
    monkeypatch.setattr(shares, "CREDIT", 2.0)
    assert stacked_shares((first, first, first))[-1, 0] == same  # without a difference nothing is open


def test_shares_are_equal_unless_asked_for():
    data, context, _, _ = table(1)
    model = GP(kernels=(*MIXED_KERNELS, LINE), draws=0).fit(data, context=context, seed=0)
    torch.testing.assert_close(model.shares, torch.full((3, M), 1.0 / 3.0, dtype=torch.float64))


def test_intervals_of_noisy_scores_and_of_their_mean_hold():
    inside, mean_inside = [], []
    for seed in range(4):
        data, context, test, truth = table(seed)
        with torch.no_grad():
            posterior = PREDICTING.fit(data, context=context, seed=0).posterior(test.unsqueeze(-2), None, True)
        covariance = posterior.distribution.covariance_matrix
        error = (truth - posterior.mean.squeeze(-2)).abs()
        inside.append((error <= 1.96 * covariance.diagonal(dim1=-2, dim2=-1).sqrt()).double().mean())
        together = (truth.mean(dim=-1) - posterior.mean.squeeze(-2).mean(dim=-1)).abs()
        mean_inside.append((together <= 1.96 * covariance.mean(dim=(-2, -1)).sqrt()).double().mean())
    assert 0.86 < torch.stack(inside).mean() < 0.98
    assert 0.84 < torch.stack(mean_inside).mean() < 0.99
