from __future__ import annotations

import math
import pickle
import subprocess
import sys
import warnings

import pytest
import torch
from botorch.fit import fit_gpytorch_mll
from botorch.models import SingleTaskGP
from botorch.sampling.normal import SobolQMCNormalSampler
from botorch.utils.datasets import SupervisedDataset
from gpytorch.constraints import GreaterThan
from gpytorch.kernels import MaternKernel
from gpytorch.mlls import ExactMarginalLogLikelihood
from gpytorch.priors import LogNormalPrior

from bomix.surrogates import fitting
from bomix.surrogates.encoding import Encoding, typical_distance
from bomix.surrogates.gp import GP, standardisation
from bomix.surrogates.lbfgs import Minimum


def with_Y(data, Y):
    return SupervisedDataset(data.X, Y, feature_names=data.feature_names, outcome_names=data.outcome_names)


def test_every_metric_is_botorchs_fit_by_hand(runs):
    data, context = runs(16)
    model = GP().fit(data, context=context, seed=0)
    encoded, targets = Encoding("sqrt")(data.X), (data.Y - model.offset) / model.scale
    found = fitting.Hyperparameters(model.covar_module, model.likelihood, model.means)
    ours = fitting.log_posterior(encoded, targets, found)
    X = torch.as_tensor(context.space.sobol(5, seed=3))
    for column in range(3):
        prior = LogNormalPrior(math.log(10 * typical_distance(Encoding("sqrt"), context.space)), math.sqrt(3))
        bound = GreaterThan(1e-3, transform=None, initial_value=prior.mode)
        kernel = MaternKernel(2.5, ard_num_dims=4, lengthscale_prior=prior, lengthscale_constraint=bound)
        by_hand = SingleTaskGP(
            data.X, data.Y[:, column : column + 1], covar_module=kernel, input_transform=Encoding("sqrt")
        )
        mll = fit_gpytorch_mll(ExactMarginalLogLikelihood(by_hand.likelihood, by_hand))
        mll.train()
        theirs = 16 * mll(by_hand(*by_hand.train_inputs), by_hand.train_targets)
        assert ours[column] >= theirs - 1e-3
        if ours[column] <= theirs + 1e-3:
            with torch.no_grad():
                expected, got = by_hand.posterior(X), model.posterior(X)
            torch.testing.assert_close(got.mean[:, column], expected.mean[:, 0], rtol=1e-3, atol=1e-3)
            torch.testing.assert_close(got.variance[:, column], expected.variance[:, 0], rtol=2e-2, atol=1e-6)


def test_a_missing_metric_is_as_if_its_trials_were_left_out(runs):
    data, context = runs(14)
    partial = data.Y.clone()
    partial[[1, 5, 9], 2] = torch.nan
    model = GP(correlated=False).fit(with_Y(data, partial), context=context, seed=0)
    keep = [row for row in range(14) if row not in (1, 5, 9)]
    short = SupervisedDataset(
        data.X[keep], data.Y[keep], feature_names=data.feature_names, outcome_names=data.outcome_names
    )
    dense = GP(correlated=False).fit(short, context=context, seed=0)
    full = GP(correlated=False).fit(data, context=context, seed=0)
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
        torch.testing.assert_close(empty.variance, torch.ones_like(empty.variance))
        lacking = GP().fit(with_Y(data, absent), context=context, seed=0).posterior(X)
        torch.testing.assert_close(lacking.mean[..., 1], torch.zeros(3, 2, dtype=torch.float64))
        torch.testing.assert_close(lacking.variance[..., 1], torch.ones(3, 2, dtype=torch.float64))


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
    first, second = (GP(restarts=4).fit(data, context=context, seed=5) for _ in range(2))
    assert torch.equal(first.covar_module.lengthscale, second.covar_module.lengthscale)
    assert torch.equal(state, torch.get_rng_state())


def test_conditioning_is_refitting_with_the_same_hyperparameters(runs):
    data, context = runs(12)
    model = GP().fit(data, context=context, seed=0)
    new_X = torch.as_tensor(context.space.sobol(2, seed=11))
    new_Y = torch.tensor([[2.5, 3.0, 2.2], [2.4, 2.9, torch.nan]], dtype=torch.float64)
    updated = model.condition_on_observations(new_X, new_Y)
    fresh = type(model)(
        torch.cat([data.X, new_X]),
        torch.cat([data.Y, new_Y]),
        encoding=model.encoding,
        covar_module=model.covar_module,
        likelihood=model.likelihood,
        means=model.means,
        offset=model.offset,
        scale=model.scale,
        correlation=model.correlation,
    )
    X = torch.as_tensor(context.space.sobol(3, seed=4))
    with torch.no_grad():
        torch.testing.assert_close(updated.posterior(X).mean, fresh.posterior(X).mean)
        torch.testing.assert_close(updated.posterior(X).variance, fresh.posterior(X).variance)


def test_fantasies_have_botorchs_shapes_and_shrink_the_variance(runs):
    data, context = runs(12)
    model = GP().fit(data, context=context, seed=0)
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
    expected = GP().fit(data, context=context, seed=0)
    original, calls = fitting.minimize, []

    def lazy(function, start, **options):
        calls.append(len(start))
        value, gradient = function(start)
        return Minimum(start, value, gradient) if len(calls) == 1 else original(function, start, **options)

    monkeypatch.setattr(fitting, "minimize", lazy)
    with caplog.at_level("INFO", logger="bomix"):
        found = GP().fit(data, context=context, seed=0)
    assert len(calls) == 2
    assert "never left their start" in caplog.text
    torch.testing.assert_close(found.likelihood.noise, expected.likelihood.noise, rtol=0.5, atol=1e-3)


def test_a_fit_that_fails_falls_back_to_the_prior(runs, monkeypatch, caplog):
    data, context = runs(10)

    def broken(function, start, **options):
        return Minimum(start, torch.full((len(start),), torch.nan), torch.zeros_like(start))

    monkeypatch.setattr(fitting, "minimize", broken)
    model = GP().fit(data, context=context, seed=0)
    median = 10 * typical_distance(Encoding("sqrt"), context.space)
    torch.testing.assert_close(
        model.covar_module.lengthscale, torch.full((3, 1, 4), median, dtype=torch.float64), rtol=1e-2, atol=0.0
    )
    assert "fits failed" in caplog.text
    assert model.posterior(data.X).mean.isfinite().all()


def test_fields_that_cannot_be_are_faults():
    assert GP().faults() == []
    wrong = GP(eps=0.0, lengthscale=-1.0, restarts=0)
    assert [fault.where for fault in wrong.faults()] == ["eps", "lengthscale", "restarts"]
    assert GP(encoding="raw", eps=0.0).faults() == []


def test_the_specs_import_without_torch():
    code = (
        "import sys, bomix.surrogates.gp, bomix.strategies.bayesian, bomix.strategies.design, bomix.history, "
        "bomix.strategies.posterior; print({'torch', 'botorch', 'xarray', 'scipy.stats'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
