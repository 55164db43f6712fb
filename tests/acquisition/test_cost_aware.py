from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from bomix.acquisition.cost_aware import Contest, best_choice, expected_slopes
from bomix.numerics.expected_fall import expected_fall
from bomix.objectives.robust import SmoothMax
from bomix.posterior.objective import ModelObjective
from tests.acquisition.two_scales import LARGE, SMALL, TwoScales, kernel, weighted

RULES = ("knowledge", "entropy", "log_ei", "spread")
BOTH = [SMALL, LARGE]


def points(p: int = 6, d: int = 3) -> torch.Tensor:
    return torch.as_tensor(np.random.default_rng(1).dirichlet(np.ones(d), p))


def contest(slopes: list[float], discrepancy: float, *, noise: float = 0.1) -> Contest:
    objective = weighted(*[1.0 / len(slopes)] * len(slopes))
    return Contest.of(TwoScales(slopes, discrepancy, noise), objective, points(), BOTH)


def test_a_run_tells_of_its_mixture_as_much_as_metrics_slopes_and_noise_allow() -> None:
    slopes, left, noise = np.array([0.5, 1.2]), 0.4, 0.1
    found = contest(slopes.tolist(), left, noise=noise)
    # The metrics are independent: the best linear function of a small run explains slope^2 / (1 + noise^2) of each.
    explained = (slopes**2 / (1.0 + noise**2)).sum()
    assert found.told(0).numpy() == pytest.approx(explained / (slopes**2 + left**2).sum())


def test_slopes_that_differ_cost_nothing_where_the_metrics_are_known() -> None:
    assert contest([0.4, 1.2], 0.0, noise=1e-6).told(0).min() == pytest.approx(1.0, abs=1e-6)


def test_a_run_of_the_target_tells_all_but_its_noise() -> None:
    found = contest([1.0, 1.0], 0.5, noise=0.5)
    assert found.told(1).numpy() == pytest.approx(1.25 / (1.25 + 0.25))


def test_a_run_to_come_lowers_variances_as_conditioning_does() -> None:
    X, model = points(), TwoScales([0.8], 0.3)
    found = contest([0.8], 0.3).after(2, 0)
    same = kernel(X, X)
    told = 0.8 * same[:, 2]
    expected = (0.64 + 0.09) * same - told.outer(told) / (1.0 + model.noise**2)
    assert torch.allclose(found.covariance, expected, atol=1e-9)
    assert found.told(0)[2] < 0.2 * contest([0.8], 0.3).told(0)[2]


def test_the_knowledge_gradient_is_the_expected_fall() -> None:
    found = contest([0.7, 0.9], 0.2)
    shift = (found.across[0][:, 3] / found.noisy[0][3].sqrt()).numpy()
    worth = float(found.log_worth("knowledge", 0, seed=0)[3].exp())
    assert worth == pytest.approx(expected_fall(found.mean.numpy(), shift))


@pytest.mark.parametrize("rule", RULES)
def test_small_runs_that_tell_nearly_all_are_worth_their_cost(rule: str) -> None:
    free = torch.ones(2, 6, dtype=torch.bool)
    good = best_choice(contest([1.0], 0.05), rule, [1.0, 10.0], free, seed=0)
    assert good is not None
    assert good[1] == 0


@pytest.mark.parametrize("rule", RULES)
def test_small_runs_that_tell_nothing_are_not(rule: str) -> None:
    free = torch.ones(2, 6, dtype=torch.bool)
    bad = best_choice(contest([0.02], 1.0), rule, [1.0, 10.0], free, seed=0)
    assert bad is not None
    assert bad[1] == 1


@pytest.mark.parametrize("rule", RULES)
def test_what_may_not_be_run_is_not_chosen(rule: str) -> None:
    free = torch.zeros(2, 6, dtype=torch.bool)
    assert best_choice(contest([1.0], 0.1), rule, [1.0, 10.0], free, seed=0) is None
    free[1, 4] = True
    assert best_choice(contest([1.0], 0.1), rule, [1.0, 10.0], free, seed=0) == (4, 1)


@pytest.mark.parametrize("rule", RULES)
def test_the_same_seed_gives_the_same_worth(rule: str) -> None:
    first, again = (contest([0.6, 1.1], 0.3).log_worth(rule, 0, seed=7) for _ in range(2))
    assert torch.equal(first, again)


def test_expected_slopes_of_a_weighted_sum_are_its_coefficients() -> None:
    objective = weighted(0.3, 0.7)
    found = expected_slopes(TwoScales([1.0, 1.0], 0.1), objective, points())
    assert torch.allclose(found, torch.tensor([[0.3, 0.7]]).double().expand(6, 2))


def test_by_expected_slopes_another_objective_has_the_covariance_of_its_draws() -> None:
    model, X = TwoScales([0.9, 0.5], 0.3), points(2)
    names = ("m0", "m1")
    objective = ModelObjective(SmoothMax(temperature=1.0), names, (1.0, 1.0))
    found = Contest.of(model, objective, X, BOTH)
    mean, covariance = model.moments(X)
    across = model.across(X, X, SMALL)
    small = model.at(SMALL).moments(X)[1]
    whole = torch.cat([torch.cat([covariance, across], dim=1), torch.cat([across.mT, small], dim=1)])
    root = torch.linalg.cholesky(whole + 1e-9 * torch.eye(8).double())
    draws = torch.randn(400_000, 8, generator=torch.Generator().manual_seed(0)).double() @ root.mT
    metrics = draws[:, :4].reshape(-1, 2, 2).mT + mean
    value = objective(metrics)
    slopes = expected_slopes(model, objective, X)
    # What a small run of the second mixture shows: the best linear function of its metrics.
    own = torch.einsum("j,jk->k", slopes[1], across.reshape(2, 2, 2, 2)[:, 1, :, 1])
    best = torch.linalg.solve(small.reshape(2, 2, 2, 2)[:, 1, :, 1] + 0.01 * torch.eye(2).double(), own)
    shown = draws[:, 4:].reshape(-1, 2, 2)[..., 1] @ best
    drawn = ((value - value.mean(dim=0)) * (shown - shown.mean()).unsqueeze(-1)).mean(dim=0)
    assert torch.allclose(found.across[0][:, 1], drawn, rtol=0.05, atol=0.01)


def test_the_first_mixtures_are_those_without_the_others() -> None:
    found = contest([0.7], 0.2)
    part = found.first(3)
    assert torch.equal(part.covariance, found.covariance[:3, :3])
    assert replace(part).mean.shape == (3,)
