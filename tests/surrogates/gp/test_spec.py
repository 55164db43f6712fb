from __future__ import annotations

import dataclasses
import math
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from botorch.models import SingleTaskGP
from botorch.sampling.normal import SobolQMCNormalSampler
from botorch.utils.datasets import SupervisedDataset
from gpytorch.constraints import GreaterThan
from gpytorch.kernels import MaternKernel
from gpytorch.likelihoods import GaussianLikelihood
from gpytorch.mlls import ExactMarginalLogLikelihood

from bomix.numerics.lbfgs import Minima
from bomix.surrogates.data.standardize import standardisation
from bomix.surrogates.gp import likelihood, search
from bomix.surrogates.gp.exact import ExactGPs
from bomix.surrogates.gp.inputs import kernel_context
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.kernels.encoding import Encoding, distance
from bomix.surrogates.kernels.specs import Stationary

MAP = GP(kernels=(Stationary(),), draws=0)


def with_Y(data, Y):
    return SupervisedDataset(data.X, Y, feature_names=data.feature_names, outcome_names=data.outcome_names)


def test_the_best_hyperparameters_are_as_good_as_botorchs_and_predict_the_same(runs):
    data, context = runs(16)
    model = MAP.fit(data, context=context, seed=0)
    (family,) = model.families
    targets = ((data.Y - model.offset) / model.scale).mT
    encoding = Encoding("log")
    reach = distance(encoding(kernel_context(context).sample))
    ours, _ = likelihood.criterion(
        likelihood.Likelihood(family.covariance, family.noise, data.X, targets),
        likelihood.Likelihood(family.covariance, family.noise, data.X, targets).prior,
        family.theta[0],
    )
    X = torch.as_tensor(context.space.sobol(5, seed=3))
    for column in range(3):
        kernel = MaternKernel(2.5, ard_num_dims=4).double()
        by_hand = SingleTaskGP(
            data.X,
            targets[column].unsqueeze(-1),
            covar_module=kernel,
            likelihood=GaussianLikelihood(noise_constraint=GreaterThan(1e-5)).double(),
            input_transform=encoding,
            outcome_transform=None,
        )
        theta = family.theta[0, column]
        kernel.lengthscale = theta[:4].exp()
        by_hand.likelihood.noise = theta[4].exp() + likelihood.MIN_NOISE
        by_hand.mean_module.constant = family.means[0, column].item()
        by_hand.train()
        mll = ExactMarginalLogLikelihood(by_hand.likelihood, by_hand)
        density = 16 * mll(by_hand(*by_hand.train_inputs), by_hand.train_targets)
        z = torch.cat([(theta[:4] - math.log(10 * reach)) / 1.73, (theta[4:] + 4.0)])
        assert ours[column].item() == pytest.approx(-density.item() + 0.5 * z.square().sum().item(), abs=1e-6)
        by_hand.eval()
        with torch.no_grad():
            expected, got = by_hand.posterior(X), model.posterior(X)
            mean = model.offset[column] + model.scale[column] * expected.mean[:, 0]
            torch.testing.assert_close(got.mean[:, column], mean, rtol=1e-6, atol=1e-6)
            variance = model.scale[column].square() * expected.variance[:, 0]
            torch.testing.assert_close(got.variance[:, column], variance, rtol=1e-4, atol=1e-8)


def test_no_other_search_finds_better_hyperparameters(runs):
    from scipy.optimize import minimize

    data, context = runs(16)
    model = MAP.fit(data, context=context, seed=0)
    (family,) = model.families
    targets = ((data.Y - model.offset) / model.scale).mT
    problem = likelihood.Likelihood(family.covariance, family.noise, data.X, targets)
    ours, _ = likelihood.criterion(problem, problem.prior, family.theta[0])
    rng = np.random.default_rng(0)
    for column in range(3):
        rows = torch.tensor([column])

        def value(at, rows=rows):
            found, gradient = likelihood.criterion(problem, problem.prior, torch.as_tensor(at)[None], rows)
            return found.item(), gradient[0].numpy()

        for _ in range(4):
            start = problem.prior.start[column].numpy() + rng.normal(size=5)
            assert ours[column] <= minimize(value, start, jac=True, method="L-BFGS-B").fun + 1e-3


def test_a_missing_metric_is_as_if_its_trials_were_left_out(runs):
    data, context = runs(14)
    partial = data.Y.clone()
    partial[[1, 5, 9], 2] = torch.nan
    model = dataclasses.replace(MAP, correlated=False).fit(with_Y(data, partial), context=context, seed=0)
    keep = [row for row in range(14) if row not in (1, 5, 9)]
    short = SupervisedDataset(
        data.X[keep], data.Y[keep], feature_names=data.feature_names, outcome_names=data.outcome_names
    )
    dense = dataclasses.replace(MAP, correlated=False).fit(short, context=context, seed=0)
    full = dataclasses.replace(MAP, correlated=False).fit(data, context=context, seed=0)
    X = torch.as_tensor(context.space.sobol(4, seed=3))
    with torch.no_grad():
        got, left_out, complete = (m.posterior(X, observation_noise=True) for m in (model, dense, full))
    for name in ("mean", "variance"):
        moment = getattr(got, name)
        torch.testing.assert_close(moment[:, 2], getattr(left_out, name)[:, 2], rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(moment[:, :2], getattr(complete, name)[:, :2], rtol=1e-4, atol=1e-6)


def test_defined_whatever_the_data(runs):
    data, context = runs(8)
    constant = torch.full((8, 3), 2.5, dtype=torch.float64)
    absent = data.Y.clone()
    absent[:, 1] = torch.nan
    repeated = SupervisedDataset(
        data.X[:1].repeat(8, 1), data.Y, feature_names=data.feature_names, outcome_names=data.outcome_names
    )
    single = SupervisedDataset(
        data.X[:1], data.Y[:1], feature_names=data.feature_names, outcome_names=data.outcome_names
    )
    nothing = SupervisedDataset(
        data.X[:0], data.Y[:0], feature_names=data.feature_names, outcome_names=data.outcome_names
    )
    X = torch.as_tensor(context.space.sobol(6, seed=3)).reshape(3, 2, 4).requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for case in (with_Y(data, constant), with_Y(data, absent), repeated, single, nothing):
            posterior = GP().fit(case, context=context, seed=0).posterior(X)
            assert posterior.mean.shape == (3, 2, 3)
            assert posterior.variance.isfinite().all()
            if len(case.X):
                (gradient,) = torch.autograd.grad(posterior.mean.sum() + posterior.variance.sum(), X)
                assert gradient.isfinite().all()
    with torch.no_grad():
        flat = GP().fit(with_Y(data, constant), context=context, seed=0).posterior(X)
        torch.testing.assert_close(flat.mean, torch.full_like(flat.mean, 2.5))
        one = GP().fit(single, context=context, seed=0).posterior(data.X[:1])
        torch.testing.assert_close(one.mean, data.Y[:1])
        empty = GP().fit(nothing, context=context, seed=0).posterior(X)
        torch.testing.assert_close(empty.mean, torch.zeros_like(empty.mean))
        assert ((empty.variance > 1.0) & (empty.variance < 20.0)).all()
        lacking = GP().fit(with_Y(data, absent), context=context, seed=0).posterior(X)
        torch.testing.assert_close(lacking.mean[..., 1], torch.zeros(3, 2, dtype=torch.float64))
        assert ((lacking.variance[..., 1] > 1.0) & (lacking.variance[..., 1] < 20.0)).all()


def test_standardisation_of_what_has_no_spread():
    nan = torch.nan
    mean, sd = standardisation(torch.tensor([[1.0, 2.0, nan, 3.0], [3.0, 2.0, nan, nan]], dtype=torch.float64))
    assert mean.tolist() == [2.0, 2.0, 0.0, 3.0]
    assert sd.tolist() == pytest.approx([math.sqrt(2.0), 1.0, 1.0, 1.0])


def test_the_order_of_trials_does_not_matter(runs):
    data, context = runs(12)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0))
    shuffled = SupervisedDataset(
        data.X[order], data.Y[order], feature_names=data.feature_names, outcome_names=data.outcome_names
    )
    X = torch.as_tensor(context.space.sobol(4, seed=3))
    with torch.no_grad():
        first, second = (GP().fit(case, context=context, seed=0).posterior(X) for case in (data, shuffled))
    torch.testing.assert_close(first.mean, second.mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(first.covariance_matrix, second.covariance_matrix, rtol=1e-2, atol=1e-6)


def test_the_same_seed_gives_the_same_bits_and_no_global_generator_moves(runs):
    data, context = runs(10)
    state = torch.get_rng_state()
    first, second = (GP().fit(data, context=context, seed=5) for _ in range(2))
    assert all(torch.equal(a.theta, b.theta) for a, b in zip(first.families, second.families, strict=True))
    assert torch.equal(state, torch.get_rng_state())
    other = GP().fit(data, context=context, seed=6)
    assert not torch.equal(first.families[0].theta, other.families[0].theta)


def test_draws_widen_intervals_where_trials_are_few(runs):
    data, context = runs(6, noise=0.0)
    X = torch.as_tensor(context.space.sobol(64, seed=3)).unsqueeze(-2)
    with torch.no_grad():
        drawn, best = (
            dataclasses.replace(MAP, draws=draws).fit(data, context=context, seed=0).posterior(X).variance.mean()
            for draws in (12, 0)
        )
    assert drawn > best


def test_the_mixture_of_families_has_the_moments_of_a_mixture(runs):
    data, context = runs(9)
    X = torch.as_tensor(context.space.sobol(4, seed=3)).reshape(2, 2, 4)
    model = GP().fit(data, context=context, seed=0)
    with torch.no_grad():
        means, covariances = zip(*(family.marginals(X) for family in model.families), strict=True)
        mean = (means[0] + means[1]) / 2
        apart = (means[0] - means[1]) / 2
        expected = (covariances[0] + covariances[1]) / 2 + apart.unsqueeze(-1) * apart.unsqueeze(-2)
        posterior = model.posterior(X)
    torch.testing.assert_close(posterior.mean, model.offset + model.scale * mean.mT)
    variance = expected.diagonal(dim1=-2, dim2=-1).mT * model.scale.square()
    torch.testing.assert_close(posterior.variance, variance, rtol=1e-6, atol=1e-9)


def test_noise_that_is_known_is_taken_as_it_is(runs):
    data, context = runs(12)
    known = torch.full_like(data.Y, 0.04)
    given = SupervisedDataset(
        data.X, data.Y, Yvar=known, feature_names=data.feature_names, outcome_names=data.outcome_names
    )
    with torch.no_grad():
        model = MAP.fit(given, context=context, seed=0)
        X = torch.as_tensor(context.space.sobol(3, seed=3))
        noise = model.posterior(X, observation_noise=True).variance - model.posterior(X).variance
    torch.testing.assert_close(noise, torch.full_like(noise, 0.04), rtol=0.05, atol=0.0)


def test_noise_from_repeats_is_their_variance(runs):
    data, context = runs(6, noise=0.0)
    X = data.X.repeat(4, 1)
    jitter = torch.as_tensor(np.random.default_rng(0).normal(size=(24, 3))) * torch.tensor([0.02, 0.05, 0.1])
    Y = data.Y.repeat(4, 1) + jitter
    repeated = SupervisedDataset(X, Y, feature_names=data.feature_names, outcome_names=data.outcome_names)
    model = dataclasses.replace(MAP, noise="repeats").fit(repeated, context=context, seed=0)
    with torch.no_grad():
        noise = model.posterior(X[:1], observation_noise=True).variance - model.posterior(X[:1]).variance
    within = Y.reshape(4, 6, 3).var(dim=0).mean(dim=0)
    torch.testing.assert_close(noise[0], within, rtol=0.02, atol=2e-4)


def test_noise_grows_towards_the_vertices_where_it_does(runs):
    data, context = runs(6, noise=0.0)
    X = torch.cat([torch.eye(4).double(), torch.full((1, 4), 0.25).double()]).repeat(6, 1)
    loud = (X.amax(dim=-1, keepdim=True) > 0.9).double() * 0.3 + 0.01
    Y = data.Y.mean(dim=0) + loud * torch.as_tensor(np.random.default_rng(0).normal(size=(30, 3)))
    runs_ = SupervisedDataset(X, Y, feature_names=data.feature_names, outcome_names=data.outcome_names)
    model = dataclasses.replace(MAP, noise="growing").fit(runs_, context=context, seed=0)
    with torch.no_grad():
        noise = model.posterior(X[:5], observation_noise=True).variance - model.posterior(X[:5]).variance
    assert (noise[:4].mean(dim=0) > 10.0 * noise[4]).all()


def test_conditioning_is_refitting_with_the_same_hyperparameters(runs):
    data, context = runs(12)
    model = MAP.fit(data, context=context, seed=0)
    new_X = torch.as_tensor(context.space.sobol(2, seed=11))
    new_Y = torch.tensor([[2.5, 3.0, 2.2], [2.4, 2.9, torch.nan]], dtype=torch.float64)
    updated = model.condition_on_observations(new_X, new_Y)
    (family,) = model.families
    X_all, Y_all = torch.cat([data.X, new_X]), torch.cat([data.Y, new_Y])
    targets = ((Y_all - model.offset) / model.scale).mT
    again = ExactGPs(family.covariance, family.noise, family.theta, X_all, targets, means=family.means)
    fresh = type(model)(
        X_all,
        Y_all,
        [again],
        model.transforms,
        shares=model.shares,
        correlation=model.correlation,
    )
    X = torch.as_tensor(context.space.sobol(3, seed=4))
    with torch.no_grad():
        torch.testing.assert_close(updated.posterior(X).mean, fresh.posterior(X).mean)
        torch.testing.assert_close(updated.posterior(X).variance, fresh.posterior(X).variance)


def test_fantasies_have_botorchs_shapes_and_shrink_the_variance(runs):
    data, context = runs(12)
    model = MAP.fit(data, context=context, seed=0)
    X = torch.as_tensor(context.space.sobol(6, seed=4)).reshape(2, 3, 4)
    with torch.no_grad():
        fantasy = model.fantasize(X, SobolQMCNormalSampler(torch.Size([5]), seed=0))
        assert fantasy.batch_shape == (5, 2)
        after = fantasy.posterior(X)
        assert after.mean.shape == (5, 2, 3, 3)
        assert (after.variance < model.posterior(X).variance).all()


def test_a_subset_is_those_metrics_and_a_pickle_is_the_same_model(runs):
    data, context = runs(12)
    model = GP().fit(data, context=context, seed=0)
    X = torch.as_tensor(context.space.sobol(4, seed=4)).reshape(2, 2, 4)
    with torch.no_grad():
        full, chosen = model.posterior(X), model.posterior(X, output_indices=[2, 0])
        torch.testing.assert_close(chosen.mean, full.mean[..., [2, 0]])
        torch.testing.assert_close(chosen.variance, full.variance[..., [2, 0]])
        single = model.subset_output([1]).posterior(X)
        torch.testing.assert_close(single.mean, full.mean[..., [1]])
        torch.testing.assert_close(pickle.loads(pickle.dumps(model)).posterior(X).mean, full.mean)


def test_a_fit_that_never_left_its_start_is_done_again(runs, monkeypatch, caplog):
    data, context = runs(14)
    expected = MAP.fit(data, context=context, seed=0)
    original, calls = search.minimize, []

    def lazy(function, start, **options):
        calls.append(len(start))
        value, gradient = function(start, torch.arange(len(start)))
        return Minima(start, value, gradient) if len(calls) == 1 else original(function, start, **options)

    monkeypatch.setattr(search, "minimize", lazy)
    with caplog.at_level("INFO", logger="bomix"):
        found = MAP.fit(data, context=context, seed=0)
    assert len(calls) == 2
    assert "never left their start" in caplog.text
    X = torch.as_tensor(context.space.sobol(8, seed=3))
    with torch.no_grad():
        torch.testing.assert_close(found.posterior(X).mean, expected.posterior(X).mean, rtol=0.02, atol=0.02)


def test_a_fit_that_fails_falls_back_to_the_prior(runs, monkeypatch, caplog):
    data, context = runs(10)

    def broken(function, start, **options):
        return Minima(start, torch.full((len(start),), torch.nan), torch.zeros_like(start))

    monkeypatch.setattr(search, "minimize", broken)
    model = MAP.fit(data, context=context, seed=0)
    (family,) = model.families
    torch.testing.assert_close(family.theta[0, :, :4], family.covariance.prior.mean)
    assert "failed; their hyperparameters stay" in caplog.text
    assert model.posterior(data.X).mean.isfinite().all()


def test_fields_that_cannot_be_are_faults():
    assert GP().faults() == []
    assert [fault.where for fault in GP(kernels=(), restarts=0, draws=-1).faults()] == ["kernels", "restarts", "draws"]


def test_the_specs_import_without_torch():
    code = (
        "import sys, bomix.surrogates.gp.spec, bomix.strategies.bayesian.whole_space, bomix.strategies.designs, "
        "bomix.history, bomix.posterior.predict; "
        "print({'torch', 'botorch', 'xarray', 'scipy.stats'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
