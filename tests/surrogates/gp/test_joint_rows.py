"""The belief beside fixed mixtures, against the joint moments of all of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from bomix.acquisition.joint_draws import Draws
from bomix.objectives.weighted import Mean
from bomix.problem import Metric, Problem
from bomix.space.mixture_space import MixtureSpace
from bomix.surrogates.data.dataset import fit_context, to_dataset
from bomix.surrogates.gp import inducing
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.means.law import LawMean
from tests.known.world import DOMAINS, World

SPACE = MixtureSpace(DOMAINS)
PROBLEM = Problem(SPACE, tuple(Metric(f"m{i}") for i in range(3)), Mean())
GROUPS = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.4, 0.6]], dtype=torch.float64)
SURROGATES = {
    "best": GP(draws=0),
    "drawn": GP(draws=3),
    "independent": GP(draws=3, correlated=False),
    "with a mean": GP(draws=0, mean=LawMean(starts=1)),
}


def fitted(surrogate, runs=9):
    history = World(PROBLEM).history(runs, noise=0.03)
    data = to_dataset(PROBLEM, history)
    return surrogate.fit(data, context=fit_context(PROBLEM, history), seed=0), data.X


def agrees(model, fixed):
    X = torch.as_tensor(SPACE.sobol(7, seed=3))
    row = model.jointly_with(fixed)(X)
    s, m = len(fixed), model.num_outputs
    mean, covariance = model.moments(torch.cat([fixed.expand(7, s, -1), X.unsqueeze(1)], dim=1))
    blocks = covariance.reshape(7, m, s + 1, m, s + 1)
    torch.testing.assert_close(row.mean, mean[:, -1], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(row.across, blocks[:, :, :s, :, s], rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(row.covariance, blocks[:, :, s, :, s], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("kind", SURROGATES)
def test_it_is_the_last_row_of_the_joint_moments(kind):
    model, runs = fitted(SURROGATES[kind])
    agrees(model, runs[:4])


def test_so_it_is_where_runs_are_seen_through_some_of_them(monkeypatch):
    monkeypatch.setattr(inducing, "EXACT_UP_TO", 10)
    monkeypatch.setattr(inducing, "inducing", lambda *_: 8)
    monkeypatch.setattr("bomix.surrogates.gp.independent.inducing", lambda *_: 8)
    model, runs = fitted(replace(SURROGATES["best"]), runs=16)
    assert isinstance(model.families[0], inducing.InducingGPs)
    agrees(model, runs[:4])


def test_slopes_of_draws_given_fixed_ones_are_the_same():
    model, runs = fitted(SURROGATES["drawn"])
    draws = Draws(model, GROUPS, runs[:4], count=8, seed=0)
    found = []
    for faster in (draws._faster, None):
        draws._faster = faster
        X = torch.as_tensor(SPACE.sobol(5, seed=4)).unsqueeze(1).requires_grad_()
        mean, covariance = draws.given(X)
        (slope,) = torch.autograd.grad(mean.square().sum() + covariance.sum(), X)
        found.append((mean.detach(), covariance.detach(), slope))
    for ours, joint in zip(*found, strict=True):
        torch.testing.assert_close(ours, joint, rtol=1e-6, atol=1e-7)


def test_fantasies_have_no_faster_way():
    model, runs = fitted(SURROGATES["best"])
    Y = torch.zeros(2, 1, 3, dtype=torch.float64)
    assert model.condition_on_observations(runs[:1], Y).jointly_with(runs[:4]) is None
