"""Processes seen through some of their runs: exact where all are inducing, near it where some are, bounded memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from botorch.exceptions.errors import UnsupportedError
from botorch.utils.datasets import SupervisedDataset

from bomix.contracts.context import FitContext
from bomix.space.mixture_space import MixtureSpace
from bomix.surrogates.gp import inducing
from bomix.surrogates.gp.exact import ExactGPs
from bomix.surrogates.gp.hyperparameters import hyperparameters
from bomix.surrogates.gp.independent import IndependentGPs, posterior
from bomix.surrogates.gp.inducing import InducingGPs
from bomix.surrogates.gp.inputs import inputs
from bomix.surrogates.gp.presets import POOLED
from bomix.surrogates.gp.spec import GP

SPACE, METRICS = MixtureSpace(["a", "b", "c"]), ("a", "b", "other")


def record(n: int, *, gaps: bool = False) -> tuple[SupervisedDataset, FitContext]:
    """``n`` runs of three domains and as many metrics, with a little noise."""
    rng = np.random.default_rng(0)
    X = torch.as_tensor(SPACE.sobol(n, seed=0))
    Y = torch.stack([-(X[:, 0] + 0.05).log(), X[:, 1].square() - X[:, 2], (3.0 * X[:, 2]).sin()], dim=-1)
    Y = Y + 0.02 * torch.as_tensor(rng.normal(size=Y.shape))
    if gaps:
        Y[5:20, 0], Y[10, :] = torch.nan, torch.nan
    data = SupervisedDataset(X, Y, feature_names=list(SPACE.domains), outcome_names=list(METRICS))
    return data, FitContext(SPACE, METRICS)


def models(monkeypatch: pytest.MonkeyPatch, spec: GP, count: int, **kind: bool) -> tuple[IndependentGPs, ...]:
    """The exact model of forty runs, and that by ``count`` inducing ones."""
    seen = inputs(*record(40, **kind), spec, seed=0)
    theta = hyperparameters(seen, spec, seed=0)
    exact = posterior(seen, theta)
    monkeypatch.setattr("bomix.surrogates.gp.independent.inducing", lambda n, processes: count)
    return exact, posterior(seen, theta)


@pytest.mark.parametrize("spec", [GP(draws=0), GP(draws=2), POOLED])
@pytest.mark.parametrize("gaps", [False, True])
def test_all_runs_inducing_is_the_exact_process(monkeypatch: pytest.MonkeyPatch, spec: GP, gaps: bool) -> None:
    exact, other = models(monkeypatch, spec, 40, gaps=gaps)
    assert isinstance(other.families[0], InducingGPs)
    for X in (torch.as_tensor(SPACE.sobol(6, seed=1)).unsqueeze(-2), torch.as_tensor(SPACE.sobol(6, seed=1))[None]):
        for noise in (False, True):
            for found, wanted in zip(other.moments(X, noise), exact.moments(X, noise), strict=True):
                torch.testing.assert_close(found, wanted, atol=2e-5, rtol=1e-3)
        torch.testing.assert_close(other.mean(X), exact.mean(X), atol=2e-5, rtol=1e-4)
    held, closed = other.leave_one_out(), exact.leave_one_out()
    assert held is not None
    assert closed is not None
    torch.testing.assert_close(held.mean, closed.mean, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(held.covariance, closed.covariance, atol=1e-6, rtol=1e-3)


def test_half_of_the_runs_tell_nearly_what_all_do_and_know_that_they_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    exact, other = models(monkeypatch, GP(draws=0), 20)
    X = torch.as_tensor(SPACE.sobol(64, seed=1)).unsqueeze(-2)
    spread = exact.train_Y.std(dim=0)
    (mean, covariance), (wanted, least) = other.moments(X), exact.moments(X)
    assert ((mean - wanted).squeeze(-2) / spread).square().mean().sqrt() < 0.05
    ratio = (covariance.diagonal(dim1=-2, dim2=-1) / least.diagonal(dim1=-2, dim2=-1)).sqrt()
    assert 0.95 < ratio.median() < 2.0


def test_the_means_at_the_runs_are_those_of_their_mixtures(monkeypatch: pytest.MonkeyPatch) -> None:
    _, other = models(monkeypatch, GP(draws=0), 20, gaps=True)
    fitted = other.fitted()
    assert fitted is not None
    torch.testing.assert_close(fitted, other.mean(other.train_X))


def test_many_runs_take_inducing_ones_whatever_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inducing, "EXACT_UP_TO", 30)
    monkeypatch.setattr(inducing, "_FEWEST", 10)
    data, context = record(40)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    turned = SupervisedDataset(data.X[order], data.Y[order], feature_names=["a", "b", "c"], outcome_names=list(METRICS))
    X = torch.as_tensor(SPACE.sobol(6, seed=1)).unsqueeze(-2)
    first, second = (GP(draws=0).fit(each, context=context, seed=0).posterior(X) for each in (data, turned))
    torch.testing.assert_close(first.mean, second.mean, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(first.variance, second.variance, atol=1e-6, rtol=1e-4)


def test_factors_stay_within_their_bound() -> None:
    for processes in (1, 16, 40, 400, 2400):
        for n in (100, 512, 768, 769, 3000, 20_000):
            count = inducing.inducing(n, processes)
            entries = processes * n**2 if count is None else 2 * processes * count**2
            fewest = 2 * processes * inducing._FEWEST**2
            assert entries <= max(inducing.FACTORS, fewest) or n <= inducing._FEWEST
    assert inducing.inducing(768, 16) is None
    assert inducing.inducing(3000, 16) == 768
    assert inducing.inducing(3000, 400) == 353


def test_fantasies_of_many_runs_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    _, other = models(monkeypatch, GP(draws=0), 20)
    with pytest.raises(UnsupportedError, match="40 runs are too many for fantasies"):
        other.condition_on_observations(other.train_X[:1], other.train_Y[:1])


def test_a_record_within_the_bound_is_exact() -> None:
    model = GP(draws=0).fit(record(12)[0], context=record(12)[1], seed=0)
    assert type(model.families[0]) is ExactGPs
