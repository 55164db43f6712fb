"""Hyperparameters that metrics share: what they maximise, what stays each metric's own; names do not matter."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from botorch.utils.datasets import SupervisedDataset

from bomix.contracts.context import FitContext
from bomix.numerics.pairwise import PROFILES
from bomix.space.mixture_space import MixtureSpace
from bomix.surrogates.gp import likelihood, search
from bomix.surrogates.gp.inputs import kernel_context
from bomix.surrogates.gp.shared_hyperparameters import search_shared
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.kernels import linear, one_dimensional
from bomix.surrogates.kernels.composition_specs import Scaled, Sum
from bomix.surrogates.kernels.specs import Isotropic, Linear, OwnDomain, SparseLinear, Stationary

D, N = 6, 30
NAMES = tuple(f"d{i}" for i in range(D))
CONTEXT = FitContext(MixtureSpace(NAMES), (*NAMES[:4], "all"))
CURVES = Sum((Scaled(OwnDomain()), Scaled(Linear(), variance=0.3), Scaled(Stationary(), variance=0.1)))
FEW = Sum((Scaled(OwnDomain()), Scaled(SparseLinear(), variance=0.3), Scaled(Isotropic(), variance=0.1)))


def data(n: int = N, *, noise: float = 0.02) -> SupervisedDataset:
    """Each loss falls with its own weight and has one slope in another; the last has no domain of its own."""
    rng = np.random.default_rng(0)
    X = torch.as_tensor(rng.dirichlet(np.ones(D), n))
    curves = torch.exp(-4.0 * X[:, :4]) + 1.5 * X[:, [4, 5, 4, 5]]
    Y = torch.cat([curves, X[:, :1].sqrt()], dim=-1) + noise * torch.as_tensor(rng.normal(size=(n, 5)))
    return SupervisedDataset(X, Y, feature_names=list(NAMES), outcome_names=list(CONTEXT.metrics))


def problem(kernel: object, **options: object) -> likelihood.Likelihood:
    frame, runs = kernel_context(CONTEXT), data()
    targets = ((runs.Y - runs.Y.mean(0)) / runs.Y.std(0)).mT
    return likelihood.Likelihood(kernel.bind(frame), likelihood.Noise(frame, **options), runs.X, targets)  # type: ignore[attr-defined]


def test_all_metrics_get_the_same_but_for_their_own_domain():
    fitted = problem(CURVES)
    tied = fitted.prior.tied
    (theta,) = search_shared(fitted, spread=0.0, restarts=1, seed=0)
    for number in range(int(tied.max()) + 1):
        assert len(theta[tied == number].unique()) == 1
    # The lengthscale of a metric's own domain is another than that of the domain for the others.
    frame = kernel_context(CONTEXT)
    stationary = Stationary().bind(frame).prior.tied
    for metric, own in enumerate(frame.own_domains.tolist()):
        expected = [D if column == own else column for column in range(D)]
        assert stationary[metric].tolist() == expected


def test_what_is_shared_is_where_the_sum_of_the_densities_is_highest():
    fitted = problem(CURVES)
    prior = fitted.prior
    (theta,) = search_shared(fitted, spread=0.0, restarts=1, seed=0)
    _, first = np.unique(prior.tied, return_index=True)
    at = theta.flatten()[torch.as_tensor(first)]

    def total(shared: torch.Tensor) -> float:
        each = shared[prior.tied]
        once = ((shared - prior.mean.flatten()[first]) / prior.sd.flatten()[first]).square().sum()
        return float(likelihood.log_marginal(fitted, each).sum() - 0.5 * once)

    best = total(at)
    assert best > total(prior.start.flatten()[first]) + 1.0
    rng = np.random.default_rng(1)
    for _ in range(20):
        step = torch.as_tensor(rng.normal(size=len(at)))
        assert total(at + 0.1 * step / step.norm()) < best + 1e-2


def test_a_spread_lets_metrics_differ_no_more_than_it_says():
    fitted = problem(CURVES)
    (shared,) = search_shared(fitted, spread=0.0, restarts=1, seed=0)
    own = [search_shared(fitted, spread=spread, restarts=1, seed=0)[0] for spread in (1e-3, 0.3, 1.0)]
    moved = [(theta - shared).abs().max() for theta in own]
    assert moved[0] < 0.02 < moved[1] < moved[2]


def test_slopes_that_few_need_are_each_metrics_own_and_the_right_ones_are_found():
    fitted = problem(FEW)
    (theta,) = search_shared(fitted, spread=0.0, restarts=1, seed=0)
    sparse = fitted.prior.tied < 0
    assert sparse.sum() == len(theta) * D
    relevance = theta[sparse].reshape(len(theta), D)[:4].exp()
    others = relevance[:, [4, 5]]
    assert (others.argmax(dim=-1) == torch.tensor([0, 1, 0, 1])).all()
    assert (others.amax(dim=-1) > 10.0 * others.amin(dim=-1)).all()


def test_a_metric_that_has_no_likelihood_has_no_say():
    fitted = problem(CURVES)
    broken = fitted.targets.clone()
    broken[2, 3] = torch.inf
    (with_it,) = search_shared(fitted._replace(targets=broken), spread=0.0, restarts=1, seed=0)
    gone = fitted.targets.clone()
    gone[2] = torch.nan  # a metric that nobody measured says nothing either
    (without,) = search_shared(fitted._replace(targets=gone), spread=0.0, restarts=1, seed=0)
    assert (with_it - without).abs().max() < 0.1
    assert (with_it[:, -1] - fitted.prior.mean[:, -1]).abs().min() > 0.3


@pytest.mark.parametrize("kernel", [CURVES, FEW], ids=["curves", "few"])
def test_every_start_that_was_asked_for_is_searched_and_is_another(kernel, monkeypatch):
    fitted, calls = problem(kernel), []
    criterion = likelihood.criterion
    monkeypatch.setattr(search, "criterion", lambda *given: calls.append(given[2]) or criterion(*given))
    for restarts in (1, 2, 3):
        calls.clear()
        search_shared(fitted, spread=0.5, restarts=restarts, seed=0)
        starts = calls[0].reshape(restarts, 5, -1)
        apart = (starts.unsqueeze(0) - starts.unsqueeze(1)).abs().amax(dim=(-1, -2))
        assert (apart[~torch.eye(restarts, dtype=torch.bool)] > 0.1).all()


def test_noise_that_repeats_tell_is_not_shared():
    level = torch.tensor([0.1, 0.2, torch.nan, 0.05, torch.nan], dtype=torch.float64)
    noises = likelihood.Noise(kernel_context(CONTEXT), level=level)
    (theta,) = search_shared(problem(CURVES, level=level), spread=0.0, restarts=1, seed=0)
    known = ~level.isnan()
    assert (theta[known, -1].exp() + likelihood.MIN_NOISE).tolist() == pytest.approx(level[known].tolist(), rel=0.05)
    assert len(noises.prior.tied[known].unique()) == known.sum()


@pytest.mark.parametrize("kernel", [CURVES, FEW], ids=["curves", "few"])
@pytest.mark.parametrize("pooled", [0.0, 0.5])
def test_predictions_do_not_depend_on_the_order_of_metrics(kernel, pooled):
    spec = GP(kernels=(kernel,), draws=0, restarts=1, pooling=pooled)
    runs, order = data(), [3, 0, 4, 2, 1]
    turned = SupervisedDataset(
        runs.X, runs.Y[:, order], feature_names=list(NAMES), outcome_names=[CONTEXT.metrics[i] for i in order]
    )
    other = FitContext(CONTEXT.space, tuple(CONTEXT.metrics[i] for i in order))
    at = torch.as_tensor(np.random.default_rng(5).dirichlet(np.ones(D), 7)).unsqueeze(-2)
    with torch.no_grad():
        one, two = (spec.fit(d, context=c, seed=0).posterior(at).mean for d, c in ((runs, CONTEXT), (turned, other)))
    torch.testing.assert_close(one[..., order], two, rtol=1e-3, atol=1e-3)


def test_few_runs_predict_better_than_with_hyperparameters_of_each_metrics_own():
    runs, test = data(14), data(200, noise=0.0)
    errors = []
    for pooled in (0.0, None):
        spec = GP(kernels=(FEW,), draws=0, restarts=1, pooling=pooled)
        with torch.no_grad():
            mean = spec.fit(runs, context=CONTEXT, seed=0).posterior(test.X.unsqueeze(-2)).mean.squeeze(-2)
        errors.append(float(((mean - test.Y)[:, :4]).square().mean()))
    assert errors[0] < errors[1]


def test_gaps_and_an_empty_record_are_no_trouble():
    runs = data(12)
    Y = runs.Y.clone()
    Y[::2, 1] = torch.nan
    Y[:, 3] = torch.nan
    spec = GP(kernels=(FEW,), draws=0, restarts=1, pooling=0.0)
    for X, values in ((runs.X, Y), (runs.X[:0], Y[:0])):
        gappy = SupervisedDataset(X, values, feature_names=list(NAMES), outcome_names=list(CONTEXT.metrics))
        posterior = spec.fit(gappy, context=CONTEXT, seed=0).posterior(runs.X.unsqueeze(-2))
        assert posterior.mean.isfinite().all()
        assert (posterior.variance > 0).all()


def test_one_metric_shares_with_nobody_and_is_found():
    # No metric is left for which its own domain is another's: that lengthscale is nobody's.
    runs, context = data(), FitContext(CONTEXT.space, NAMES[:1])
    alone = SupervisedDataset(runs.X, runs.Y[:, :1], feature_names=list(NAMES), outcome_names=[NAMES[0]])
    spec = GP(kernels=(Scaled(Stationary()),), draws=0, restarts=1, pooling=0.0)
    with torch.no_grad():
        mean = spec.fit(alone, context=context, seed=0).posterior(runs.X.unsqueeze(-2)).mean.squeeze(-2)
    assert (mean - runs.Y[:, :1]).square().mean() < 0.01 * runs.Y[:, 0].var()


def test_own_is_a_curve_in_the_own_weight_alone():
    frame = kernel_context(CONTEXT)
    covariance = one_dimensional.OwnDomainCovariance(PROFILES["rbf"], frame, 2.0, 1.0)
    theta = covariance.prior.mean + 0.3
    X = data(5).X.unsqueeze(0)
    found = covariance(theta, X)
    u = (X[0, :, :4] + theta[:4, 1].exp()).log()
    expected = torch.exp(-0.5 * (u.unsqueeze(0) - u.unsqueeze(1)).square() / theta[:4, 0].exp().square())
    torch.testing.assert_close(found[:4], expected.movedim(-1, 0), rtol=1e-9, atol=1e-12)
    assert (found[4] == 0).all()
    torch.testing.assert_close(covariance.diagonal(theta, X), found.diagonal(dim1=-2, dim2=-1))


def test_a_sparse_plane_of_equal_relevances_is_the_plane():
    frame, X = kernel_context(CONTEXT), data(7).X.unsqueeze(0)
    sparse, plane = linear.SparseLinearCovariance(frame, 0.05, 3.0), linear.LinearCovariance(frame)
    torch.testing.assert_close(sparse(sparse.prior.start, X), plane(plane.prior.start, X))
    assert sparse.prior.mean[0, 0].exp().item() == pytest.approx(0.05)
    torch.testing.assert_close(
        sparse.diagonal(sparse.prior.mean, X), sparse(sparse.prior.mean, X).diagonal(dim1=-2, dim2=-1)
    )


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_a_spread_that_is_none_is_refused(value):
    (fault,) = GP(pooling=value, draws=0).faults()
    assert fault.where == "pooling"


def test_a_kernel_that_says_nothing_leaves_what_the_mean_says():
    runs = data(5)
    context = FitContext(CONTEXT.space, ("all",))
    alone = SupervisedDataset(runs.X, runs.Y[:, 4:], feature_names=list(NAMES), outcome_names=["all"])
    model = GP(kernels=(OwnDomain(),), draws=0, pooling=0.0).fit(alone, context=context, seed=0)
    mean, covariance = model.moments(runs.X.unsqueeze(0))  # type: ignore[operator]
    torch.testing.assert_close(mean[0, :, 0], runs.Y[:, 4].mean().expand(5), rtol=1e-6, atol=1e-9)
    assert covariance.isfinite().all()


@pytest.mark.parametrize("draws", [None, 8])
def test_one_set_of_hyperparameters_and_draws_of_them_are_refused_together(draws):
    (fault,) = GP(pooling=0.0, draws=draws).faults()
    assert (fault.where, "draws" in fault.what) == ("pooling", True)
    assert not GP(pooling=0.0, draws=0).faults()
