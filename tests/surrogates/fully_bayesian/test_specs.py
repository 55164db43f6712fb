from __future__ import annotations

import math
import pickle
from dataclasses import replace

import numpy as np
import pyro
import pytest
import torch
from botorch.utils.datasets import SupervisedDataset
from linear_operator.utils.errors import NanError, NotPSDError
from pyro.distributions import Normal

from bomix.contracts.context import FitContext
from bomix.space.mixture_space import MixtureSpace
from bomix.surrogates.fully_bayesian import nuts
from bomix.surrogates.fully_bayesian.diagnostics import diagnose
from bomix.surrogates.fully_bayesian.gp_draws import Hyperparameters, Lengthscales, posterior_draws
from bomix.surrogates.fully_bayesian.gp_model import SampledGPs, thinned
from bomix.surrogates.fully_bayesian.nuts import SamplerSettings
from bomix.surrogates.fully_bayesian.specs import BayesianGP
from bomix.surrogates.kernels.encoding import Encoding

SHORT = BayesianGP(warmup=20, samples=8, thinning=2, chains=2, max_tree_depth=3)
TINY = replace(SHORT, thinning=1, max_tree_depth=2)


def with_Y(data, Y):
    return SupervisedDataset(data.X, Y, feature_names=data.feature_names, outcome_names=data.outcome_names)


def rows_of(data, keep):
    return SupervisedDataset(
        data.X[keep], data.Y[keep], feature_names=data.feature_names, outcome_names=data.outcome_names
    )


def by_hand(metrics: int = 3, draws: int = 4, d: int = 4, *, seed: int = 0) -> Hyperparameters:
    generator = torch.Generator().manual_seed(seed)
    uniform = torch.rand(draws, metrics, d + 2, generator=generator, dtype=torch.float64)
    return Hyperparameters(
        1.0 + 4 * uniform[..., :d],
        0.5 + uniform[..., d],
        0.05 * uniform[..., d + 1] + 0.01,
        torch.ones(metrics, dtype=torch.float64),
    )


def model_by_hand(data, values=None, **options) -> SampledGPs:
    scale = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)[: data.Y.shape[1]]
    offset = torch.tensor([2.0, 3.0, 1.0], dtype=torch.float64)[: data.Y.shape[1]]
    with torch.no_grad():
        return SampledGPs(
            data.X,
            data.Y,
            encoding=Encoding("sqrt"),
            offset=offset,
            scale=scale,
            hyperparameters=values or by_hand(data.Y.shape[1]),
            **options,
        )


def matern(first: np.ndarray, second: np.ndarray, inverse_squares: np.ndarray) -> np.ndarray:
    r = np.sqrt(5.0 * ((first[:, None] - second[None]) ** 2 @ inverse_squares))
    return (1.0 + r + r**2 / 3.0) * np.exp(-r)


def test_nuts_draws_from_a_conjugate_posterior():
    y = torch.tensor([1.2, 0.7, 2.1, 1.5], dtype=torch.float64)

    def model() -> None:
        mean = pyro.sample("mean", Normal(torch.zeros(4, dtype=torch.float64), 2.0).to_event(1))
        pyro.sample("y", Normal(mean.unsqueeze(-1), 0.5).to_event(2), obs=y.expand(4, 4))

    found = nuts.sample(model, SamplerSettings(60, 120, 4, 0.8), seed=0)
    values = found.values["mean"].mT.unsqueeze(-1)
    assert values.shape == (4, 120, 1)
    assert diagnose({"mean": values}, divergences=found.divergences).passed
    precision = 1 / 4.0 + 4 / 0.25
    assert values.mean().item() == pytest.approx(y.sum().item() / 0.25 / precision, abs=4 * 0.25 / math.sqrt(240))
    assert values.std().item() == pytest.approx(precision**-0.5, rel=0.15)


def test_hyperparameters_have_the_posterior_that_quadrature_gives():
    rng = np.random.default_rng(0)
    x = np.sort(rng.random((7, 1)), axis=0)
    y = np.sin(5 * x[:, 0]) + 0.1 * rng.normal(size=7)
    y = (y - y.mean()) / y.std(ddof=1)
    lengthscales = Lengthscales("plain", 0.5, 2.0)
    ells, scales, noises = np.meshgrid(
        np.linspace(-5, 7, 45), np.linspace(-4, 4, 33), np.linspace(-9, 0, 31), indexing="ij"
    )
    log_prior = -0.5 * ((ells / math.sqrt(3)) ** 2 + scales**2 + (noises + 4) ** 2)
    log_posterior = np.empty_like(ells)
    for index in range(45):
        shape = matern(x, x, np.exp(-2 * ells[index, :1, 0]))
        K = np.exp(scales[index])[..., None, None] * shape + 1.0
        K = K + (np.exp(noises[index]) + 1e-4)[..., None, None] * np.eye(7)
        fit = np.einsum("i,abij,j->ab", y, np.linalg.inv(K), y)
        log_posterior[index] = log_prior[index] - 0.5 * (fit + np.linalg.slogdet(K)[1])
    mass = np.exp(log_posterior - log_posterior.max())
    mass /= mass.sum()

    draws, divergences = posterior_draws(
        torch.as_tensor(x),
        torch.as_tensor(y).unsqueeze(-1),
        lengthscales,
        SamplerSettings(70, 60, 4, 0.8),
        chains=12,
        seed=1,
    )
    diagnostics = diagnose(draws, divergences=divergences)
    assert diagnostics.complaints() == ()
    for name, grid in (("lengthscale", ells), ("outputscale", scales), ("noise", noises)):
        mean = (mass * grid).sum()
        sd = math.sqrt((mass * (grid - mean) ** 2).sum())
        logs = draws[name].log()
        error = 4.0 * sd / math.sqrt(diagnostics.effective[name])
        assert logs.mean().item() == pytest.approx(mean, abs=error), name
        assert logs.std().item() == pytest.approx(sd, rel=0.2), name


def test_a_sparse_prior_finds_the_domain_that_matters():
    domains = tuple("abcdefgh")
    space = MixtureSpace(domains)
    X = torch.as_tensor(space.sobol(20, seed=2))
    Y = torch.stack([torch.sin(6 * X[:, 2].sqrt()), torch.cos(5 * X[:, 5].sqrt())], dim=-1)
    data = SupervisedDataset(X, Y, feature_names=list(domains), outcome_names=["first", "second"])
    spec = BayesianGP(prior="saas", warmup=50, samples=16, thinning=1, chains=2, max_tree_depth=4)
    model = spec.fit(data, context=FitContext(space, ("first", "second")), seed=0)
    relevance = model.hyperparameters.inverse_squares.median(dim=0).values
    for metric, active in ((0, 2), (1, 5)):
        others = [column for column in range(8) if column != active]
        assert relevance[metric, active] > 5.0 * relevance[metric, others].max()


def test_moments_are_those_of_the_mixture_of_the_draws_posteriors(runs):
    data, context = runs(9)
    Y = data.Y.clone()
    Y[[1, 4], 1] = torch.nan
    data = with_Y(data, Y)
    model = model_by_hand(data)
    X = torch.as_tensor(context.space.sobol(4, seed=3)).reshape(2, 2, 4)
    encoded, points = (np.sqrt(values.numpy() + 1e-4) for values in (data.X, X.reshape(4, 4)))
    values, m, s = model.hyperparameters, 3, 4
    expected_mean, expected_variance = np.zeros((4, m)), np.zeros((4, m))
    for metric in range(m):
        seen = ~Y[:, metric].isnan().numpy()
        train, y = encoded[seen], ((Y[:, metric] - model.offset[metric]) / model.scale[metric]).numpy()[seen]
        means, variances = [], []
        for draw in range(s):
            inverse, output = values.inverse_squares[draw, metric].numpy(), values.outputscale[draw, metric].item()
            noise = values.noise[draw, metric].item()
            K = output * matern(train, train, inverse) + 1.0 + noise * np.eye(len(train))
            across = output * matern(train, points, inverse) + 1.0
            means.append(across.T @ np.linalg.solve(K, y))
            variances.append(output + 1.0 - np.einsum("na,na->a", across, np.linalg.solve(K, across)) + noise)
        mixture = np.mean(means, axis=0)
        scale, offset = model.scale[metric].item(), model.offset[metric].item()
        expected_mean[:, metric] = offset + scale * mixture
        second = np.mean(np.array(variances) + np.array(means) ** 2, axis=0)
        expected_variance[:, metric] = scale**2 * (second - mixture**2)
    with torch.no_grad():
        joint = model.posterior(X, observation_noise=True)
        single = model.posterior(X.reshape(4, 1, 4), observation_noise=True)
    for posterior in (joint, single):
        np.testing.assert_allclose(posterior.mean.reshape(4, m), expected_mean, rtol=1e-8)
        np.testing.assert_allclose(posterior.variance.reshape(4, m), expected_variance, rtol=1e-6)
    covariance = single.distribution.covariance_matrix
    sd = covariance.diagonal(dim1=-2, dim2=-1).sqrt()
    correlation = covariance / (sd.unsqueeze(-1) * sd.unsqueeze(-2))
    torch.testing.assert_close(correlation, model.correlation.expand_as(correlation), rtol=1e-6, atol=1e-6)


def test_leaving_one_out_is_the_model_without_that_trial(runs):
    data, _ = runs(8)
    Y = data.Y.clone()
    Y[2, 1] = torch.nan
    data, values = with_Y(data, Y), by_hand(draws=1)
    held = model_by_hand(data, values).leave_one_out()
    for row in range(8):
        keep = [other for other in range(8) if other != row]
        without = model_by_hand(rows_of(data, keep), values)
        with torch.no_grad():
            posterior = without.posterior(data.X[row : row + 1], observation_noise=True)
        torch.testing.assert_close(held.mean[row], posterior.mean[0])
        torch.testing.assert_close(held.covariance[row].diagonal(), posterior.variance[0])


def test_draws_are_reweighted_by_what_they_owe_the_trial_that_is_left_out(runs):
    data, _ = runs(8)
    one = rows_of(data, slice(None))
    values = by_hand(draws=3)
    held = model_by_hand(one, values).leave_one_out()
    parts = [
        model_by_hand(one, Hyperparameters(*(part[s : s + 1] for part in values[:3]), values.mean_variance))
        for s in range(3)
    ]
    singles = [part.leave_one_out() for part in parts]
    means = torch.stack([single.mean for single in singles])
    sds = torch.stack([single.covariance.diagonal(dim1=-2, dim2=-1) for single in singles]).sqrt()
    weights = 1.0 / torch.distributions.Normal(means, sds).log_prob(data.Y).exp()
    weights = (weights / weights.sum(dim=0)).clamp_max(3**-0.5)
    weights = weights / weights.sum(dim=0)
    torch.testing.assert_close(held.mean, (weights * means).sum(dim=0))


def test_the_same_seed_gives_the_same_bits_and_nothing_global_moves(runs):
    data, context = runs(8)
    pyro.get_param_store()["kept"] = torch.ones(1)
    state, dtype = torch.get_rng_state(), torch.get_default_dtype()
    numpy_state = np.random.get_state()[1].copy()
    try:
        first, second = (SHORT.fit(data, context=context, seed=5) for _ in range(2))
        other = SHORT.fit(data, context=context, seed=6)
        assert list(pyro.get_param_store().keys()) == ["kept"]
    finally:
        pyro.get_param_store().clear()
    assert torch.equal(first.hyperparameters.inverse_squares, second.hyperparameters.inverse_squares)
    assert not torch.equal(first.hyperparameters.noise, other.hyperparameters.noise)
    assert torch.equal(state, torch.get_rng_state())
    assert (numpy_state == np.random.get_state()[1]).all()
    assert torch.get_default_dtype() == dtype
    assert all(values.dtype == torch.float64 for values in first.samples.values())


def test_the_order_of_trials_domains_and_metrics_changes_nothing(runs):
    data, context = runs(8)
    rows = torch.randperm(8, generator=torch.Generator().manual_seed(0))
    columns, metrics = [2, 0, 3, 1], [1, 2, 0]
    shuffled = SupervisedDataset(
        data.X[rows][:, columns],
        data.Y[rows][:, metrics],
        feature_names=data.feature_names,
        outcome_names=[data.outcome_names[index] for index in metrics],
    )
    names = replace(context, metrics=tuple(context.metrics[index] for index in metrics))
    X = torch.as_tensor(context.space.sobol(4, seed=3)).unsqueeze(-2)
    with torch.no_grad():
        first = SHORT.fit(data, context=context, seed=0).posterior(X)
        second = SHORT.fit(shuffled, context=names, seed=0).posterior(X[..., columns])
    torch.testing.assert_close(first.mean[..., metrics], second.mean)
    torch.testing.assert_close(first.variance[..., metrics], second.variance)


def test_defined_whatever_the_data(runs):
    data, context = runs(6)
    constant, absent = torch.full((6, 3), 2.5, dtype=torch.float64), data.Y.clone()
    absent[:, 1] = torch.nan
    absent[1:, 2] = torch.nan
    repeated = SupervisedDataset(
        data.X[:1].repeat(6, 1), data.Y, feature_names=data.feature_names, outcome_names=data.outcome_names
    )
    cases = {
        "constant": with_Y(data, constant),
        "absent": with_Y(data, absent),
        "repeated": repeated,
        "two": rows_of(data, slice(2)),
        "single": rows_of(data, slice(1)),
        "nothing": rows_of(data, slice(0)),
    }
    X = torch.as_tensor(context.space.sobol(6, seed=3)).reshape(3, 2, 4).requires_grad_()
    found = {}
    for name, case in cases.items():
        for spec in (replace(TINY, prior="saas", encoding="log"), TINY) if name == "absent" else (TINY,):
            model = found[name] = spec.fit(case, context=context, seed=0)
            posterior = model.posterior(X)
            assert posterior.mean.shape == (3, 2, 3)
            assert posterior.variance.isfinite().all()
            assert (posterior.variance > 0).all()
            held = model.leave_one_out()
            assert held.mean.shape == (len(case.X), 3)
            assert held.mean.isfinite().all()
            assert held.covariance.isfinite().all()
            (gradient,) = torch.autograd.grad(posterior.mean.sum() + posterior.variance.sum(), X)
            assert gradient.isfinite().all()
    with torch.no_grad():
        flat = found["constant"].posterior(X)
        torch.testing.assert_close(flat.mean, torch.full_like(flat.mean, 2.5))
        assert found["constant"].diagnostics is None
        one = found["single"].posterior(data.X[:1])
        torch.testing.assert_close(one.mean, data.Y[:1])
        empty = found["nothing"].posterior(X)
        torch.testing.assert_close(empty.mean, torch.zeros_like(empty.mean))
        torch.testing.assert_close(empty.variance, torch.ones_like(empty.variance))
        lacking = found["absent"].posterior(X)
        torch.testing.assert_close(lacking.mean[..., 1], torch.zeros(3, 2, dtype=torch.float64))
        torch.testing.assert_close(lacking.variance[..., 1], torch.ones(3, 2, dtype=torch.float64))
    assert set(found["absent"].samples) == {"lengthscale", "outputscale", "noise"}
    assert found["absent"].samples["lengthscale"].shape == (2, 4, 1, 4)


def test_gradients_are_finite_at_the_vertices_and_a_pickle_is_the_same_model(runs):
    data, context = runs(6)
    model = SHORT.fit(data, context=context, seed=0)
    X = torch.eye(4, dtype=torch.float64).unsqueeze(-2).requires_grad_()
    posterior = model.posterior(X)
    (gradient,) = torch.autograd.grad(posterior.mean.sum() + posterior.variance.sum(), X)
    assert gradient.isfinite().all()
    assert gradient.abs().max() > 0
    with torch.no_grad():
        again = pickle.loads(pickle.dumps(model))
        assert torch.equal(again.posterior(X).mean, model.posterior(X).mean)
        assert again.diagnostics == model.diagnostics
        chosen = model.posterior(X, output_indices=[2, 0])
        torch.testing.assert_close(chosen.mean, posterior.mean[..., [2, 0]].detach())


@pytest.mark.parametrize("error", [NanError("nan in a factor"), NotPSDError("not positive definite")])
def test_a_matrix_that_breaks_is_a_divergence(error):
    def model() -> None:
        x = pyro.sample("x", Normal(torch.zeros(1, dtype=torch.float64), 1.0).to_event(1))
        if x.abs() > 1.5:
            raise error

    found = nuts.sample(model, SamplerSettings(40, 60, 4, 0.8), seed=0)
    assert found.values["x"].abs().max() <= 1.5
    assert found.divergences > 0
    assert "diverged" in " ".join(diagnose({"x": found.values["x"].unsqueeze(0)}, divergences=1).complaints())


def test_kept_draws_are_spread_evenly_over_all_chains():
    values = torch.arange(12.0).reshape(3, 4)
    assert thinned({"x": values}, 12)["x"].sort().values.tolist() == list(range(12))
    assert len(set((thinned({"x": values}, 6)["x"] // 4).tolist())) == 3


def test_what_is_wrong_with_the_fields_is_said():
    assert not BayesianGP().faults()
    wrong = BayesianGP(eps=0.0, lengthscale=-1.0, warmup=3, samples=1, thinning=0, target_accept=1.0)
    assert {fault.where for fault in wrong.faults()} == {
        "eps",
        "lengthscale",
        "warmup",
        "samples",
        "thinning",
        "target_accept",
    }
