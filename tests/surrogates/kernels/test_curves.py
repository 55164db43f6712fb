"""Sums of curves: closed forms, and that the domains which a metric falls with are found."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from botorch.utils.datasets import SupervisedDataset

from bomix.contracts.context import FitContext
from bomix.contracts.covariance import KernelContext
from bomix.numerics.pairwise import PROFILES
from bomix.space.mixture_space import MixtureSpace
from bomix.surrogates.gp.presets import LEARNT
from bomix.surrogates.kernels.curve_specs import CommonCurve, SparseCurves

DOMAINS = tuple(f"d{index:02d}" for index in range(16))


def mixtures(count: int, seed: int = 0, d: int = len(DOMAINS)) -> torch.Tensor:
    return torch.as_tensor(np.random.default_rng(seed).dirichlet(np.ones(d), count))


def kernel_context(own: list[int]) -> KernelContext:
    return KernelContext(mixtures(64, seed=9), torch.tensor(own), DOMAINS)


def test_the_covariance_is_the_sum_of_that_of_each_domain():
    spec = SparseCurves(lengthscale=2.0, eps=0.05)
    bound, X, Z = spec.bind(kernel_context([-1, 3])), mixtures(5), mixtures(4, seed=1)
    theta = torch.randn(2, bound.size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = torch.zeros(2, 5, 4, dtype=torch.float64)
    for domain in range(len(DOMAINS)):
        u, v = ((each[:, domain] + 0.05).log() / 2.0 for each in (X, Z))
        curve, _ = PROFILES["matern52"]((u[:, None] - v[None, :]).square())
        expected += theta[:, domain].exp()[:, None, None] * curve
    found = bound(theta, X[None, None], Z[None, None])[0]
    assert torch.allclose(found, expected)


def test_one_curve_for_all_domains_is_a_function_of_the_weights_in_any_order():
    bound, X = CommonCurve().bind(kernel_context([-1])), mixtures(6)
    theta = torch.zeros(1, 0, dtype=torch.float64)
    order = torch.randperm(len(DOMAINS), generator=torch.Generator().manual_seed(1))
    assert torch.allclose(bound(theta, X[None, None]), bound(theta, X[:, order][None, None]), atol=1e-9)


def test_a_domain_that_is_known_to_be_a_metrics_own_counts_most_before_any_trial():
    prior = SparseCurves().bind(kernel_context([-1, 3])).prior
    assert prior.mean[0].unique().numel() == 1
    assert int(prior.mean[1].argmax()) == 3


def losses(X: torch.Tensor) -> torch.Tensor:
    """Two losses that fall with one domain, one that falls with three; noise of a hundredth."""
    noise = torch.as_tensor(np.random.default_rng(3).normal(0.0, 0.01, (len(X), 3)))
    rise = (X + 0.02) ** -0.5
    return torch.stack([rise[:, 4], rise[:, 11], rise[:, [0, 7, 9]].mean(dim=-1)], dim=-1) * 0.3 + 2.0 + noise


@pytest.mark.parametrize("metrics", [("loss_a", "loss_b", "task"), ("d11", "d04", "task")])
def test_planted_domains_are_found_whatever_the_names_say(metrics):
    X = mixtures(40)
    data = SupervisedDataset(X, losses(X), feature_names=list(DOMAINS), outcome_names=list(metrics))
    model = LEARNT.fit(data, context=FitContext(MixtureSpace(DOMAINS), metrics), seed=0)
    found = {metric: {} for metric in metrics}
    for each in model.named_hyperparameters(metrics):
        if each.name.startswith("curves.relevance["):
            found[each.metric][each.name[len("curves.relevance[") : -1]] = each.value
    best = [sorted(found[metric], key=found[metric].get, reverse=True) for metric in metrics]
    assert (best[0][0], best[1][0], set(best[2][:3])) == ("d04", "d11", {"d00", "d07", "d09"})
    others = mixtures(50, seed=5)
    error = (model.posterior(others.unsqueeze(1)).mean.squeeze(1) - losses(others)).std(dim=0)
    assert (error < 0.35 * losses(others).std(dim=0)).all()


def test_names_of_metrics_and_the_order_of_domains_change_no_prediction():
    X, Z = mixtures(30), mixtures(5, seed=5)
    order = torch.randperm(len(DOMAINS), generator=torch.Generator().manual_seed(2))
    found = []
    for columns, metrics in ((torch.arange(len(DOMAINS)), ("a", "b", "c")), (order, ("x", "y", "z"))):
        data = SupervisedDataset(X[:, columns], losses(X), feature_names=list(DOMAINS), outcome_names=list(metrics))
        model = LEARNT.fit(data, context=FitContext(MixtureSpace(DOMAINS), metrics), seed=0)
        found.append(model.posterior(Z[:, columns].unsqueeze(1)).mean)
    assert torch.allclose(found[0], found[1], atol=1e-4)
