"""Features: predictions that regressors and processes see beside the weights."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest
import torch
from botorch.sampling.normal import SobolQMCNormalSampler
from botorch.utils.datasets import SupervisedDataset
from scipy.stats import spearmanr
from sklearn.linear_model import Ridge as SklearnRidge

from bomix.config.build import build
from bomix.config.build import plain as plain_data
from bomix.contracts.covariance import KernelContext
from bomix.errors import FaultsError
from bomix.surrogates.cross_validation.held_out import new_runs
from bomix.surrogates.features.columns import columns_of
from bomix.surrogates.features.spec import Features
from bomix.surrogates.gp.exact import ExactGPs
from bomix.surrogates.gp.likelihood import Noise
from bomix.surrogates.gp.multitask import MultiTask
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.kernels.columns import ColumnsCovariance
from bomix.surrogates.kernels.composition_specs import Scaled
from bomix.surrogates.kernels.specs import Stationary
from bomix.surrogates.regression.specs import Boosting, LightGBM, Ridge
from tests.known.models import Known, curve, wave
from tests.known.runs import points

OWN = Features((Known(a=3.0, b=-2.0),))
GPS = {"kernels": (Scaled(Stationary()),), "draws": 0, "restarts": 1}
TREES = {"trees": (20,), "rates": (0.3,), "depths": (2,)}
SPECS = {
    "ridge": Ridge(features=OWN),
    "boosting": Boosting(**TREES, features=OWN),
    "gp": GP(**GPS, features=OWN),
    "multitask": MultiTask(**GPS, features=OWN),
}
each_spec = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())


def with_values(data, Y):
    return SupervisedDataset(data.X, Y, feature_names=data.feature_names, outcome_names=data.outcome_names)


def with_gaps(data):
    Y = data.Y.clone()
    Y[[1, 5], [0, 2]] = torch.nan
    return with_values(data, Y)


@pytest.mark.parametrize(
    ("use", "index"),
    [("own", [[0, 3], [1, 4], [2, 5]]), ("all", [[0, 1, 2, 3, 4, 5]] * 3), (("m2",), [[0, 1]] * 3)],
)
def test_a_metric_sees_its_own_all_or_those_named(runs, use, index):
    data, context = runs(9)
    features = Features((Known(), Known(b=-5.0)), use=use)
    columns = columns_of(features, data, context=context, seed=0)
    assert columns.index.tolist() == index
    expected = torch.cat([curve(data.X), -5.0 * curve(data.X)], dim=-1)
    expected = expected[:, [2, 5]] if use == ("m2",) else expected
    expected = (expected - expected.mean(dim=0)) / expected.std(dim=0)
    torch.testing.assert_close(columns.training, expected)
    torch.testing.assert_close(columns(data.X.reshape(3, 3, 4)), expected.reshape(3, 3, -1))


def test_trials_have_the_values_of_fits_that_have_not_seen_them(runs):
    data, context = runs(8)
    columns = columns_of(Features((Known(learnt=True, unseen=0.3),)), data, context=context, seed=0)
    seen = columns.training * columns.scale + columns.offset
    torch.testing.assert_close(seen - curve(data.X), (0.3 * wave(8)).expand(8, 3))
    torch.testing.assert_close(columns(data.X) * columns.scale + columns.offset, curve(data.X))


def test_a_metric_that_is_not_there_is_a_fault(runs):
    data, context = runs(6)
    features = Features((Known(),), use=("m0", "m9"))
    assert [fault.where for fault in features.metric_faults(context.metrics)] == ["use"]
    with pytest.raises(FaultsError, match="'m9'"):
        Ridge(features=features).fit(data, context=context, seed=0)
    assert [fault.where for fault in Features((), use=()).faults()] == ["of", "use"]


def test_a_study_file_can_say_it():
    plain = {"features": {"of": [{"kind": "law", "starts": 2}], "use": ["m0"]}}
    spec, faults = build(GP, plain)
    assert not faults
    assert spec.features.use == ("m0",)
    assert build(GP, plain_data(spec)) == (spec, [])
    assert build(Ridge, {"features": {"of": ["law"], "use": "all"}})[0].features.use == "all"


@pytest.mark.parametrize("name", ["ridge", "gp", "multitask"])
def test_a_metric_that_follows_its_feature_is_predicted_by_it(runs, name):
    """From a dozen trials and a scale that is not the metric's, where weights alone say too little."""
    data, context = runs(12, noise=0.002)
    unseen, _ = runs(40, noise=0.0, seed=7)
    errors = [
        (new_runs(each.fit(data, context=context, seed=0), unseen.X).mean - unseen.Y).square().mean(dim=0).sqrt()
        for each in (SPECS[name], dataclasses.replace(SPECS[name], features=None))
    ]
    assert (errors[0] < 0.35 * errors[1]).all()


@pytest.mark.parametrize("name", ["boosting", "lightgbm"])
def test_trees_rank_by_a_feature_that_ranks(runs, name):
    if name == "lightgbm":
        pytest.importorskip("lightgbm")
    data, context = runs(20, noise=0.002)
    unseen, _ = runs(60, noise=0.0, seed=7)
    spec = SPECS[name] if name == "boosting" else LightGBM(rounds=60, rate=0.1, features=OWN)
    featured, plain = (
        new_runs(each.fit(data, context=context, seed=0), unseen.X).mean
        for each in (spec, dataclasses.replace(spec, features=None))
    )
    for metric in range(3):
        ranks = [spearmanr(each[:, metric], unseen.Y[:, metric]).statistic for each in (featured, plain)]
        assert ranks[0] > max(0.94, ranks[1])


@each_spec
@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_defined_whatever_the_trials(runs, spec, n):
    data, context = runs(6)
    cut = SupervisedDataset(data.X[:n], data.Y[:n], feature_names=list(context.domains), outcome_names=["a", "b", "c"])
    if n == 5:
        cut.Y[:, 0], cut.Y[0, 1], cut.Y[:, 2] = 2.5, torch.nan, torch.nan
    found = new_runs(spec.fit(cut, context=context, seed=0), points(context, 8))
    assert found.mean.isfinite().all()
    assert (found.covariance.diagonal(dim1=-2, dim2=-1) > 0).all()
    assert found.covariance.diagonal(dim1=-2, dim2=-1).max() < 25.0


@each_spec
def test_it_says_whether_it_has_gradients(spec):
    rough = dataclasses.replace(spec, features=Features((Known(), Known(differentiable=False))))
    assert not rough.differentiable
    assert spec.differentiable == (not isinstance(spec, Boosting))


@pytest.mark.parametrize("name", ["ridge", "gp", "multitask"])
def test_gradients_are_those_of_finite_differences(runs, name):
    data, context = runs(10)
    model = SPECS[name].fit(with_gaps(data), context=context, seed=0)
    X = torch.cat([torch.eye(4).double(), points(context, 3)]).unsqueeze(-2).requires_grad_()
    others = torch.linspace(-1.0, 1.0, 3).double()

    def value(at):
        posterior = model.posterior(at)
        return ((posterior.mean + others * posterior.variance) * others).sum(dim=(-1, -2))

    (gradient,) = torch.autograd.grad(value(X).sum(), X)
    with torch.no_grad():
        moves = 1e-6 * torch.eye(4).double()
        slopes = [(4 * value(X + move) - 3 * value(X) - value(X + 2 * move)) / 2e-6 for move in moves]
    torch.testing.assert_close(gradient.squeeze(-2), torch.stack(slopes, dim=-1), rtol=2e-3, atol=2e-3)


# Ridge


def test_ridge_is_scikit_learns_on_weights_and_stretched_columns(runs):
    data, context = runs(14)
    data = with_gaps(data)
    features = Features((Known(learnt=True, unseen=0.05),))
    columns = columns_of(features, data, context=context, seed=0)
    X = points(context, 8)
    model = Ridge(penalties=(0.3,), features=features).fit(data, context=context, seed=0)
    for metric in range(3):
        seen = ~data.Y[:, metric].isnan()
        inputs = np.hstack([data.X[seen], 10.0 * columns.training[seen][:, [metric]]])
        by_hand = SklearnRidge(alpha=0.3).fit(inputs, data.Y[seen, metric])
        expected = by_hand.predict(np.hstack([X, 10.0 * columns(X)[:, [metric]]]))
        np.testing.assert_allclose(new_runs(model, X).mean[:, metric], expected, rtol=1e-8)


def test_a_slope_of_one_is_left_where_weights_are_held_down(runs):
    data, context = runs(15, noise=0.0)
    exact = with_values(data, curve(data.X))
    X = points(context, 8)
    found = new_runs(Ridge(penalties=(10.0,), features=Features((Known(),))).fit(exact, context=context, seed=0), X)
    torch.testing.assert_close(found.mean, curve(X), rtol=0.0, atol=0.03)


# Gaussian processes


def test_the_covariance_of_columns_is_its_formula():
    rng = np.random.default_rng(0)
    frame = KernelContext(torch.as_tensor(rng.dirichlet(np.ones(2), 8)), torch.tensor([-1, -1, -1]))
    index = torch.tensor([[0, 1], [2, 0], [1, 2]])
    covariance = ColumnsCovariance(frame, index)
    theta = torch.as_tensor(rng.normal(size=(3, 4)))
    X, Z = (torch.as_tensor(rng.normal(size=(1, n, 5))) for n in (4, 3))
    found, diagonal = covariance(theta, X, Z), covariance.diagonal(theta, X)
    for metric in range(3):
        relevance, bend, variance = theta[metric, :2].exp(), theta[metric, 2].exp(), theta[metric, 3].exp()
        first, second = (each[0, :, 2 + index[metric]] * relevance for each in (X, Z))
        r = (5.0**0.5) * bend * torch.cdist(first, second)
        expected = first @ second.mT + variance * (1.0 + r + r.square() / 3.0) * torch.exp(-r)
        torch.testing.assert_close(found[metric], expected)
        torch.testing.assert_close(diagonal[metric], first.square().sum(dim=-1) + variance)
    torch.testing.assert_close(covariance(theta[[2]], X, Z, rows=torch.tensor([2]))[0], found[2])
    torch.testing.assert_close(covariance.towards(theta, X)(Z), found)


def test_a_process_is_exact_on_weights_and_columns_of_the_trials(runs):
    """Trials stand where fits that have not seen them put them, new mixtures where the prediction does."""
    data, context = runs(10)
    features = Features((Known(learnt=True, unseen=0.4),), use="all")
    columns = columns_of(features, data, context=context, seed=0)
    model = GP(**GPS, features=features).fit(data, context=context, seed=0)
    (family,) = model.families
    torch.testing.assert_close(family.X, torch.cat([data.X, columns.training], dim=-1))
    again = ExactGPs(family.covariance, family.noise, family.theta, family.X, family.targets)
    X = points(context, 8)
    mean, _ = again.marginals(torch.cat([X, columns(X)], dim=-1))
    torch.testing.assert_close(new_runs(model, X).mean, model.offset + model.scale * mean.mT)
    assert model.leave_one_out() is not None


def test_noise_that_grows_looks_at_the_weights(runs):
    frame = KernelContext(torch.as_tensor(np.random.default_rng(0).dirichlet(np.ones(3), 5)), torch.tensor([-1, -1]))
    noise, theta = Noise(frame, growing=True), torch.tensor([[0.1, 1.0], [0.2, 2.0]]).double()
    X = frame.sample
    torch.testing.assert_close(noise(theta, torch.cat([X, 3.0 * X], dim=-1)), noise(theta, X))


def test_conditioning_sees_features_of_the_new_runs(runs):
    data, context = runs(10)
    model = GP(**GPS, features=OWN, mean=Known()).fit(data, context=context, seed=0)
    X = points(context, 2)
    Y = curve(X) + 0.05
    updated = model.condition_on_observations(X, Y)
    again = pickle.loads(pickle.dumps(updated))
    at = points(context, 5, seed=2)
    torch.testing.assert_close(new_runs(again, at).mean, new_runs(updated, at).mean)
    before, after = (new_runs(each, X).mean - Y for each in (model, updated))
    assert (after.abs() <= before.abs() + 1e-9).all()
    fantasy = model.fantasize(X, SobolQMCNormalSampler(torch.Size([3]), seed=0))
    assert fantasy.posterior(at).mean.shape == (3, 5, 3)


def test_draws_and_gaps_go_with_features(runs):
    data, context = runs(9)
    spec = MultiTask(kernels=(Scaled(Stationary()),), draws=3, features=OWN, mean=Known())
    found = new_runs(spec.fit(with_gaps(data), context=context, seed=0), points(context, 8))
    assert (found.mean - curve(points(context, 8))).abs().max() < 0.1


def test_the_mean_is_asked_once_for_each_batch(runs):
    data, context = runs(8)
    calls = []

    class Counting(Known):
        def predict(self, X):
            calls.append(X.shape)
            return super().predict(X)

    model = GP(draws=0, restarts=1, mean=Counting()).fit(data, context=context, seed=0)
    assert len(calls) == 1
    model.posterior(points(context, 8).unsqueeze(-2))
    assert len(calls) == 2
