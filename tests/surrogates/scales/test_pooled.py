"""The average of a model across scales with one of the target's runs alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bomix.surrogates.gp.spec import GP
from bomix.surrogates.models.joint import HeldOut
from bomix.surrogates.scales.pooled import LEAST_RUNS, Pool, PooledModel, pooled
from bomix.testing.known import mixtures
from tests.surrogates.scales.test_model import LARGE, QUICK, SMALL, D, M, data_of, fitted, large, points, small

N = 400
UNIT = torch.eye(M).double().expand(N, M, M)


def held(errors: np.ndarray) -> HeldOut:
    return HeldOut(torch.as_tensor(-errors), UNIT)


@pytest.mark.parametrize(("sd", "share"), [(1.0, 0.5), (3.0, 0.9), (1.0 / 3.0, 0.1), (30.0, 0.975)])
def test_independent_errors_are_weighed_by_their_variances(sd, share):
    one, other = np.random.default_rng(0).normal(size=(2, N, M))
    found = pooled(held(one), held(sd * other), torch.zeros(N, M).double())
    assert found.share == pytest.approx(share, abs=0.03)
    assert found.common < 0.15
    assert found.stretch == pytest.approx(max(1.0, sd), rel=0.1)


def test_errors_that_both_share_leave_the_average_nothing_to_gain():
    both, one, other = np.random.default_rng(0).normal(size=(3, N, M))
    found = pooled(held(both + 0.1 * one), held(2.0 * both + 0.1 * other), torch.zeros(N, M).double())
    assert found.share > 0.95
    assert found.common == pytest.approx(0.9)


def test_a_handful_of_runs_leaves_the_expectation_as_it_is():
    one, other = np.random.default_rng(0).normal(size=(2, 2, M))
    first, second = (HeldOut(torch.as_tensor(-errors), UNIT[:2]) for errors in (one, 0.01 * other))
    assert 0.1 < pooled(first, second, torch.zeros(2, M).double()).share < 0.6


@pytest.fixture(scope="module")
def model():
    linked = fitted(LEAST_RUNS - 1)
    Z = mixtures(LEAST_RUNS + 1, D, seed=2)[2:]
    data, context = data_of([(Z, large(Z), LARGE)], None)
    alone = GP(draws=0, restarts=1).fit(data, context=context, seed=0)
    pool = Pool(0.6, 0.3, 1.2, torch.zeros(len(Z), M).double())
    return PooledModel(linked, alone, pool, 24 + torch.arange(len(Z)))


def test_moments_are_those_of_the_average(model):
    X, share = points(3, 2), model.pool.share
    with torch.no_grad():
        mean, covariance = model.moments(X)
        parts = [member.moments(X) for member in (model.linked, model.alone)]
        torch.testing.assert_close(mean, model.mean(X))
    torch.testing.assert_close(mean, share * parts[0][0] + (1.0 - share) * parts[1][0])
    one, other = (part[1].diagonal(dim1=-2, dim2=-1).sqrt() for part in parts)
    rest = (1.0 - share) * model.pool.stretch * other
    expected = (share * one).square() + rest.square() + 2.0 * model.pool.common * share * one * rest
    torch.testing.assert_close(covariance.diagonal(dim1=-2, dim2=-1), expected, rtol=1e-6, atol=1e-12)
    assert torch.linalg.eigvalsh(covariance).min() > 0.0


def test_covariances_depend_neither_on_the_order_of_points_nor_on_other_points(model):
    X, order = points(6), torch.tensor([3, 0, 5, 1, 4, 2])
    with torch.no_grad():
        whole, turned, pair = (model.moments(each)[1] for each in (X, X[order], X[[1, 4]]))
    # Each metric by itself: between metrics the members' own covariances go by the order of the points.
    for start in (0, 1):
        own, other, two = (
            each.unflatten(-1, (M, -1)).unflatten(0, (M, -1))[start, :, start] for each in (whole, turned, pair)
        )
        torch.testing.assert_close(own[order][:, order], other, rtol=1e-6, atol=1e-12)
        torch.testing.assert_close(own[[1, 4]][:, [1, 4]], two, rtol=1e-6, atol=1e-12)


def test_the_average_depends_on_the_order_neither_of_points_nor_of_metrics(model):
    roots = torch.as_tensor(np.random.default_rng(0).normal(size=(2, 3 * M, 3 * M)))
    members = roots @ roots.mT
    order = torch.tensor([4, 1, 5, 0, 3, 2])
    expected = model._covariance(*members)[order][:, order]
    torch.testing.assert_close(model._covariance(*(each[order][:, order] for each in members)), expected)
    assert torch.linalg.eigvalsh(expected).min() > 0.0


def test_other_scales_are_told_by_the_model_across_scales(model):
    X = points(2, 1)
    with torch.no_grad():
        expected = model.pool.share * model.linked.across(X, X, SMALL)
        torch.testing.assert_close(model.across(X, X, SMALL), expected)
        torch.testing.assert_close(model.at(SMALL).mean(X), model.linked.at(SMALL).mean(X))
        own, across = model.moments(X)[1], model.across(X, X, LARGE)
    assert model.at(LARGE) is model
    torch.testing.assert_close(across.diagonal(dim1=-2, dim2=-1), own.diagonal(dim1=-2, dim2=-1), rtol=1e-3, atol=1e-8)


def test_few_runs_of_the_target_are_not_modelled_alone():
    assert not isinstance(fitted(LEAST_RUNS - 1), PooledModel)


def test_small_runs_that_say_nothing_do_no_harm():
    X, Z, judged = mixtures(24, D, seed=1), mixtures(24, D, seed=2), points(40, 1)
    nonsense = np.random.default_rng(0).normal(size=(len(X), M))
    data, context = data_of([(X, nonsense, SMALL), (Z, large(Z), LARGE)], LARGE)
    known, names = data_of([(Z, large(Z), LARGE)], None)
    truth, errors = large(judged.squeeze(-2).numpy()), []
    for spec, runs in ((QUICK, (data, context)), (GP(draws=0, restarts=1), (known, names))):
        with torch.no_grad():
            mean = spec.fit(runs[0], context=runs[1], seed=0).mean(judged).squeeze(-2).numpy()
        errors.append(np.abs(mean - truth).mean())
    assert errors[0] < 2.0 * errors[1]
    assert errors[0] < 0.2 * truth.std(axis=0).mean()


def test_held_out_predictions_are_of_all_runs(model):
    found = model.leave_one_out()
    assert found.mean.shape == (24 + LEAST_RUNS - 1, M)
    assert found.mean.isfinite().all()


def test_repeats_of_one_mixture_of_the_target_that_agree_to_the_last_digit_are_learnt_from():
    X, Z = mixtures(24, D, seed=1), np.repeat(mixtures(3, D, seed=2)[2:], 8, axis=0)
    data, context = data_of([(X, small(X), SMALL), (Z, large(Z), LARGE)], LARGE)
    found = QUICK.fit(data, context=context, seed=0)
    assert not isinstance(found, PooledModel)  # left out, that mixture leaves nothing to learn from
    at = torch.as_tensor(Z[:1]).unsqueeze(0)
    with torch.no_grad():
        posterior = found.posterior(at)
    np.testing.assert_allclose(posterior.mean.squeeze().numpy(), large(Z)[0], atol=0.01)
    assert 0.0 < posterior.variance.max() < 0.01
