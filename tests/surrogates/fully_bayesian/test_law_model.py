from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pyro
import pytest
import torch
from botorch.utils.datasets import SupervisedDataset

from bomix.contracts.context import FitContext
from bomix.laws.formulas import FLOOR
from bomix.space.mixture_space import MixtureSpace
from bomix.surrogates.fully_bayesian.specs import BayesianLaw

SHORT = BayesianLaw("exponential", warmup=20, samples=8, thinning=2, chains=2, max_tree_depth=3)
NOISE = (math.log(0.1), 1.0)


def with_Y(data, Y):
    return SupervisedDataset(data.X, Y, feature_names=data.feature_names, outcome_names=data.outcome_names)


def normalised(log_density):
    mass = np.exp(log_density - log_density.max())
    return mass / mass.sum()


@pytest.fixture
def bimix():
    """Eight runs of one BiMix law of two domains, and its posterior by quadrature."""
    space = MixtureSpace(("code", "web"))
    X = torch.as_tensor(space.sobol(8, seed=1))
    y = 2.0 * (X[:, 0] + FLOOR) ** -0.1 + 0.05 * torch.randn(8, generator=torch.Generator().manual_seed(0)).double()
    data = SupervisedDataset(X, y.unsqueeze(-1), feature_names=["code", "web"], outcome_names=["code"])
    unit, sd = y.mean().item(), y.std().item()
    grid = np.meshgrid(np.linspace(-0.6, 0.4, 61), np.linspace(-0.2, 0.3, 61), np.linspace(-5, 2, 61), indexing="ij")
    A, alpha, log_noise = (values[..., None] for values in grid)
    law = np.exp(A) * (X[:, 0].numpy() + FLOOR) ** -alpha
    ratio = (y.numpy() / unit - law) / (np.exp(log_noise) * sd / unit)
    pointwise = -0.5 * ratio**2 - log_noise
    prior = -0.5 * ((A / 0.5) ** 2 + ((alpha - 0.05) / 0.1) ** 2 + ((log_noise - NOISE[0]) / NOISE[1]) ** 2)[..., 0]
    return data, FitContext(space, ("code",)), grid, prior, pointwise, law * unit


@pytest.mark.parametrize("method", ["nuts", "svi"])
def test_parameters_have_the_posterior_that_quadrature_gives(bimix, method):
    data, context, grid, prior, pointwise, law = bimix
    mass = normalised(prior + pointwise.sum(axis=-1))
    spec = BayesianLaw("bimix", method, warmup=80, samples=400, thinning=1, max_tree_depth=3, steps=500)
    model = spec.fit(data, context=context, seed=0)
    flat = model.laws.flat[:, 0]
    found = {"A": flat[:, 0], "alpha": flat[:, 1], "log_noise": (model.laws.noise[:, 0] / data.Y.std()).log()}
    for (name, draws), values in zip(found.items(), grid, strict=True):
        mean = (mass * values).sum()
        sd = math.sqrt((mass * (values - mean) ** 2).sum())
        assert draws.mean().item() == pytest.approx(mean, abs=0.25 * sd), name
        assert draws.std().item() == pytest.approx(sd, rel=0.25), name
    if method == "nuts":
        assert model.diagnostics.complaints() == ()
        assert model.samples["alpha"].shape == (4, 100, 1)
        held = model.leave_one_out()
        exact = np.array(
            [
                (normalised(prior + np.delete(pointwise, row, axis=-1).sum(axis=-1)) * law[..., row]).sum()
                for row in range(8)
            ]
        )
        knowing = (mass[..., None] * law).sum(axis=(0, 1, 2))
        error = np.abs(held.mean[:, 0].numpy() - exact)
        assert error.mean() < 0.4 * np.abs(knowing - exact).mean()
        assert (error < 0.6 * held.covariance[:, 0, 0].sqrt().numpy()).all()
    else:
        assert model.diagnostics is None
    predicted = (mass[..., None] * law).sum(axis=(0, 1, 2))
    with torch.no_grad():
        posterior = model.posterior(data.X.unsqueeze(-2), observation_noise=True)
        latent = model.posterior(data.X.unsqueeze(-2))
    np.testing.assert_allclose(posterior.mean[:, 0, 0], predicted, atol=0.02)
    noise = (mass * np.exp(2 * grid[2])).sum() * data.Y.var().item()
    difference = (posterior.variance - latent.variance).flatten()
    assert difference[0].item() == pytest.approx(noise, rel=0.4)
    torch.testing.assert_close(difference, difference[:1].expand(8))


def test_the_law_that_made_the_runs_is_found_again(runs):
    data, context = runs(24, noise=0.02)
    spec = BayesianLaw("exponential", warmup=50, samples=32, thinning=2, chains=2, max_tree_depth=5)
    model = spec.fit(data, context=context, seed=0)
    test, _ = runs(40, noise=0.0, seed=9)
    with torch.no_grad():
        posterior = model.posterior(test.X.unsqueeze(-2))
    error = (posterior.mean.squeeze(-2) - test.Y).abs()
    assert error.max() < 0.1
    assert (error < 3.0 * posterior.variance.squeeze(-2).sqrt()).double().mean() > 0.9
    sd = model.laws.noise.mean(dim=0)
    assert ((sd > 0.008) & (sd < 0.04)).all()


def test_the_same_seed_gives_the_same_bits_and_nothing_global_moves(runs):
    data, context = runs(8)
    pyro.get_param_store()["kept"] = torch.ones(1)
    state = torch.get_rng_state()
    try:
        for spec in (SHORT, replace(SHORT, method="svi", steps=20)):
            first, second = (spec.fit(data, context=context, seed=5) for _ in range(2))
            assert torch.equal(first.laws.flat, second.laws.flat)
            assert not torch.equal(first.laws.flat, spec.fit(data, context=context, seed=6).laws.flat)
        assert list(pyro.get_param_store().keys()) == ["kept"]
    finally:
        pyro.get_param_store().clear()
    assert torch.equal(state, torch.get_rng_state())


def test_the_order_of_trials_changes_nothing(runs):
    data, context = runs(10)
    rows = torch.randperm(10, generator=torch.Generator().manual_seed(0))
    shuffled = SupervisedDataset(
        data.X[rows], data.Y[rows], feature_names=data.feature_names, outcome_names=data.outcome_names
    )
    first, second = (SHORT.fit(case, context=context, seed=0) for case in (data, shuffled))
    torch.testing.assert_close(first.laws.flat, second.laws.flat)
    torch.testing.assert_close(first.leave_one_out().mean[rows], second.leave_one_out().mean)


def test_defined_whatever_the_data(runs):
    data, context = runs(6)
    constant, absent = torch.full((6, 3), 2.5, dtype=torch.float64), data.Y.clone()
    absent[:, 1] = torch.nan
    absent[1:, 2] = torch.nan
    some = {
        count: SupervisedDataset(
            data.X[:count], data.Y[:count], feature_names=data.feature_names, outcome_names=data.outcome_names
        )
        for count in (0, 1, 2)
    }
    X = torch.as_tensor(context.space.sobol(6, seed=3)).reshape(3, 2, 4).requires_grad_()
    found = {}
    for name, case in {"constant": with_Y(data, constant), "absent": with_Y(data, absent), **some}.items():
        for form in ("log_linear", "exponential") if name == "absent" else ("exponential",):
            model = found[name] = replace(SHORT, form=form).fit(case, context=context, seed=0)
            posterior = model.posterior(X)
            assert posterior.mean.shape == (3, 2, 3)
            assert posterior.variance.isfinite().all()
            assert (posterior.variance > 0).all()
            held = model.leave_one_out()
            assert held.mean.isfinite().all()
            assert held.covariance.isfinite().all()
    with torch.no_grad():
        torch.testing.assert_close(found["constant"].posterior(X).mean, torch.full((3, 2, 3), 2.5).double())
        torch.testing.assert_close(found[1].posterior(data.X[:1]).mean, data.Y[:1])
        for posterior in (found[0].posterior(X), found["absent"].subset_output([1]).posterior(X)):
            torch.testing.assert_close(posterior.mean, torch.zeros_like(posterior.mean))
            torch.testing.assert_close(posterior.variance, torch.ones_like(posterior.variance))
    assert found["absent"].samples["t"].shape == (2, 8, 1, 4)


def test_gradients_are_finite_at_the_vertices_and_a_subset_is_those_metrics(runs):
    data, context = runs(8)
    model = SHORT.fit(data, context=context, seed=0)
    X = torch.eye(4, dtype=torch.float64).unsqueeze(-2).requires_grad_()
    posterior = model.posterior(X)
    (gradient,) = torch.autograd.grad(posterior.mean.sum() + posterior.variance.sum(), X)
    assert gradient.isfinite().all()
    assert gradient.abs().max() > 0
    with torch.no_grad():
        chosen = model.posterior(X, output_indices=[2, 0])
        torch.testing.assert_close(chosen.mean, posterior.mean[..., [2, 0]].detach())


def test_what_is_wrong_with_the_fields_is_said():
    assert not BayesianLaw().faults()
    wrong = BayesianLaw(warmup=1, samples=0, chains=0, max_tree_depth=0, target_accept=0.0, steps=0)
    assert {fault.where for fault in wrong.faults()} == {
        "warmup",
        "samples",
        "chains",
        "max_tree_depth",
        "target_accept",
        "steps",
    }
