"""A model across scales: what small runs say of the target, and how far."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from botorch.utils.datasets import SupervisedDataset

from bomix.contracts.context import FitContext
from bomix.scale import Scale
from bomix.space.mixture_space import MixtureSpace
from bomix.surrogates.cross_validation.scores import spearman
from bomix.surrogates.gp import inducing
from bomix.surrogates.gp.multitask import MultiTask
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.models.joint import JointModel
from bomix.surrogates.models.scales import MultiScaleModel
from bomix.surrogates.regression.specs import Ridge
from bomix.surrogates.scales import from_first
from bomix.surrogates.scales.linked import Linked
from bomix.surrogates.scales.spec import MultiScale
from bomix.testing.known import mixtures

D, M = 3, 2
NAMES, METRICS = ("a", "b", "c"), ("code", "web")
SMALL, MIDDLE, LARGE = Scale(10**6, 10**8), Scale(10**7, 10**8), Scale(10**8, 10**9)
QUICK = MultiScale(GP(draws=0, restarts=1))


def small(X: np.ndarray) -> np.ndarray:
    return np.stack([3.0 - X[:, 0] - np.sqrt(X[:, 1]), 2.0 + np.exp(-3.0 * X[:, 1]) + 0.5 * X[:, 2]], axis=1)


def large(X: np.ndarray) -> np.ndarray:
    return np.array([0.7, 0.9]) * small(X) - 1.0 + 0.3 * X[:, 2:3] ** 2


def data_of(parts: list[tuple[np.ndarray, np.ndarray, Scale | None]], target: Scale | None):
    X, Y = np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
    scales = tuple(scale for X, _, scale in parts for _ in range(len(X)))
    context = FitContext(MixtureSpace(NAMES), METRICS, tuple(range(len(X))), scales=scales, target=target)
    dataset = SupervisedDataset(
        torch.as_tensor(X), torch.as_tensor(Y), feature_names=list(NAMES), outcome_names=list(METRICS)
    )
    return dataset, context


def fitted(n: int, spec: MultiScale = QUICK, *, middle: bool = False, seed: int = 0):
    rng = np.random.default_rng(seed)
    X, Z, W = mixtures(24, D, seed=1), mixtures(n + 2, D, seed=2)[2:], mixtures(6, D, seed=4)
    noise = lambda Y: Y + 0.005 * rng.normal(size=Y.shape)  # noqa: E731
    parts = [(X, noise(small(X)), SMALL), (Z, noise(large(Z)), LARGE)]
    if middle:
        parts.insert(1, (W, noise(0.5 * (small(W) + large(W))), MIDDLE))
    data, context = data_of(parts, LARGE)
    return spec.fit(data, context=context, seed=0)


def points(*batch: int) -> torch.Tensor:
    rows = mixtures(int(np.prod(batch)) + 3, D, seed=9)[3:]
    return torch.as_tensor(rows).reshape(*batch, D)


@pytest.fixture(scope="module")
def model():
    found = fitted(5, middle=True)
    assert isinstance(found, MultiScaleModel)
    return found


def test_without_a_large_run_the_ranking_is_that_of_the_small_ones():
    across, X = fitted(0), points(20)
    alone = across.at(SMALL)
    with torch.no_grad():
        mean, covariance = across.moments(X.unsqueeze(-2))
        expected, certain = alone.moments(X.unsqueeze(-2))
    for metric in range(M):
        assert spearman(mean[:, 0, metric].numpy(), expected[:, 0, metric].numpy()) > 0.9999
    assert (covariance.diagonal(dim1=-2, dim2=-1) > certain.diagonal(dim1=-2, dim2=-1)).all()


def test_large_runs_are_fitted_and_narrow_what_is_believed():
    X = points(40).unsqueeze(-2)
    truth = torch.as_tensor(large(points(40).numpy()))
    errors, spreads = [], []
    for n in (0, 3, 12):
        with torch.no_grad():
            mean, covariance = fitted(n).moments(X, True)
        sd = covariance.diagonal(dim1=-2, dim2=-1).sqrt()
        error = (mean.squeeze(-2) - truth).abs()
        assert (error <= 3.0 * sd).double().mean() > 0.9
        errors.append(error.mean().item())
        spreads.append(sd.mean().item())
    assert errors[0] > 4.0 * errors[1] > 4.0 * errors[2]
    assert spreads[0] > spreads[1] > spreads[2]


def test_few_large_runs_with_small_ones_tell_more_than_alone():
    X, truth = points(40), large(points(40).numpy())
    Z = mixtures(7, D, seed=2)[2:]
    data, context = data_of([(Z, large(Z), LARGE)], None)
    alone = GP(draws=0, restarts=1).fit(data, context=context, seed=0)
    with torch.no_grad():
        found = [model.posterior(X).mean.numpy() for model in (fitted(5), alone)]
    errors = [np.abs(mean - truth).mean() for mean in found]
    assert errors[0] < 0.7 * errors[1]


def test_a_target_further_away_is_known_less():
    X = points(4).unsqueeze(-2)
    Z = mixtures(20, D, seed=1)
    data, _ = data_of([(Z, small(Z), SMALL)], None)
    spreads = []
    for params in (10**6, 10**7, 10**9, 10**11):
        target = Scale(params, 10**8, "other" if params == 10**6 else None)
        _, context = data_of([(Z, small(Z), SMALL)], target)
        with torch.no_grad():
            spreads.append(QUICK.fit(data, context=context, seed=0).posterior(X).variance.mean().item())
    assert spreads == sorted(spreads)
    assert spreads[-1] > 2.0 * spreads[1]


@pytest.mark.parametrize("scale", [SMALL, MIDDLE, LARGE, Scale(3 * 10**7, 10**8), Scale(10**9, 10**9)])
def test_covariances_of_two_scales_belong_to_one_gaussian(model, scale):
    """What is said of each scale and across them: a covariance of both together is positive semi-definite."""
    X, Z = points(2, 2), points(2, 3)[:, 1:]
    with torch.no_grad():
        own, other, across = model.moments(X)[1], model.at(scale).moments(Z)[1], model.across(X, Z, scale)
    assert across.shape == (2, M * 2, M * 2)
    # The variances on both sides bound every covariance.
    bound = own.diagonal(dim1=-2, dim2=-1).sqrt().unsqueeze(-1) * other.diagonal(dim1=-2, dim2=-1).sqrt().unsqueeze(-2)
    assert (across.abs() <= bound * (1.0 + 1e-6)).all()
    one = across.unflatten(-1, (M, 2)).unflatten(-3, (M, 2))
    for metric in range(M):
        keep = slice(2 * metric, 2 * metric + 2)
        top = torch.cat([own[:, keep, keep], one[:, metric, :, metric, :]], dim=-1)
        low = torch.cat([one[:, metric, :, metric, :].mT, other[:, keep, keep]], dim=-1)
        assert torch.linalg.eigvalsh(torch.cat([top, low], dim=-2)).min() > -1e-8


def test_a_run_of_the_target_at_the_same_mixture_has_its_own_covariance(model):
    X = points(3, 2)
    with torch.no_grad():
        torch.testing.assert_close(
            model.across(X, X, LARGE).diagonal(), model.moments(X)[1].diagonal(), rtol=1e-6, atol=1e-9
        )
        assert model.at(LARGE) is model


def test_gradients_are_those_of_finite_differences(model):
    # Inside the simplex: there is nothing below a weight of zero.
    X, Z = ((0.9 * points(2, q) + 0.1 / D).requires_grad_() for q in (1, 2))

    def value(X, Z):
        mean, covariance = model.moments(X, True)
        across = model.across(X, Z, SMALL)
        return mean.sum() + covariance.sum() + across.sum() + model.at(MIDDLE).moments(Z)[0].sum()

    assert torch.autograd.gradcheck(value, (X, Z), eps=1e-6, atol=1e-4, rtol=1e-3)


def test_runs_of_the_target_tell_of_smaller_scales(model):
    X = points(6, 1)
    with torch.no_grad():
        before = fitted(0, middle=True).at(MIDDLE).moments(X)[1].diagonal(dim1=-2, dim2=-1)
        after = model.at(MIDDLE).moments(X)[1].diagonal(dim1=-2, dim2=-1)
    assert after.mean() < before.mean()


def test_left_out_runs_are_predicted_at_their_own_scale(model):
    held = model.leave_one_out()
    assert held.mean.shape == (24 + 6 + 5, M)
    assert held.covariance.shape == (35, M, M)
    assert torch.linalg.eigvalsh(held.covariance).min() > 0.0


@pytest.mark.parametrize("few", [0, 5])
def test_a_scale_below_the_one_modelled_by_itself_is_predicted_above_it(few):
    """Losses 5, 4 and 3.2 up the scales: down the chain the level rises, and runs that are there count."""
    sizes, X = {5.0: few, 4.0: 24, 3.2: 6}, mixtures(40, D, seed=1)
    scales = {5.0: Scale(10**6, 10**7), 4.0: Scale(10**7, 10**8), 3.2: Scale(10**8, 10**9)}
    rng = np.random.default_rng(0)
    noise = {n: 0.005 * rng.normal(size=(n, M)) for n in sizes.values()}
    parts = [(X[:n], level + 0.2 * small(X[:n]) + noise[n], scales[level]) for level, n in sizes.items() if n]
    data, context = data_of(parts, scales[3.2])
    model, at = QUICK.fit(data, context=context, seed=0), points(10).unsqueeze(-2)
    with torch.no_grad():
        mean, covariance = model.at(scales[5.0]).moments(at)
    error = mean.squeeze(-2) - (5.0 + 0.2 * torch.as_tensor(small(points(10).numpy())))
    sd = covariance.diagonal(dim1=-2, dim2=-1).sqrt()
    assert (error.abs() <= 3.0 * sd).double().mean() > 0.9
    assert error.abs().max() < (0.1 if few else 0.6)


def test_slopes_are_told_by_name():
    X, Z, slopes = mixtures(24, D, seed=1), mixtures(10, D, seed=2), np.array([0.7, 1.2])
    data, context = data_of([(X, small(X), SMALL), (Z, slopes * small(Z) - 1.0, LARGE)], LARGE)
    model = QUICK.fit(data, context=context, seed=0)
    told = {(each.metric, each.name): each.value for each in model.named_hyperparameters(METRICS)}
    assert told["code", f"slope[{LARGE}]"] == pytest.approx(0.7, abs=0.1)
    assert told["web", f"slope[{LARGE}]"] == pytest.approx(1.2, abs=0.1)
    assert 0.0 <= told["web", "common"] <= 1.0


def test_any_surrogate_can_model_the_smallest_scale():
    model = fitted(4, MultiScale(Ridge()))
    with torch.no_grad():
        mean, covariance = model.moments(points(5, 2))
        assert model.across(points(5, 2), points(5, 1), SMALL).shape == (5, 2 * M, M)
    assert mean.isfinite().all()
    assert covariance.isfinite().all()


def test_what_links_rest_on_without_larger_runs_is_nothing():
    model, Z = fitted(0), torch.zeros(0, D, dtype=torch.float64)
    found = from_first.at_runs(model.at(SMALL).towards(Z), Z, torch.zeros(M), torch.ones(M))
    assert found[0].shape == (M, 0)
    assert found[1].shape == (M, 0, 0)


def test_metrics_that_a_scale_lacks_are_carried_over():
    X, Z = mixtures(24, D, seed=1), mixtures(8, D, seed=2)
    Y = large(Z)
    Y[:, 1] = np.nan
    data, context = data_of([(X, small(X), SMALL), (Z, Y, LARGE)], LARGE)
    model = QUICK.fit(data, context=context, seed=0)
    with torch.no_grad():
        mean, covariance = model.moments(points(20, 1))
    rank = spearman(mean[:, 0, 1].numpy(), large(points(20).numpy())[:, 1])
    assert rank > 0.9
    assert covariance[:, 1, 1].min() > covariance[:, 0, 0].max()


@pytest.mark.parametrize("spec", [GP(draws=3), GP(draws=0, restarts=1, shares="stacked"), MultiTask(draws=2)])
@pytest.mark.parametrize("q", [1, 2])
def test_covariances_with_fixed_runs_are_those_of_both_together(spec, q):
    """What processes know by their factors, against moments of all mixtures at once."""
    X, Z = mixtures(14, D, seed=1), points(3)
    Y = small(X)
    Y[3, 0] = np.nan
    data, context = data_of([(X, Y, SMALL)], None)
    model = spec.fit(data, context=context, seed=0)
    at = points(4, q)
    with torch.no_grad():
        found, expected = model.towards(Z)(at), JointModel.towards(model, Z)(at)
        means, shared = model.mean_towards(Z)(at[:, 0])
        rows = JointModel.towards(model, Z)(at[:, :1])
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-8)
    torch.testing.assert_close(means, rows.mean[:, 0], rtol=1e-5, atol=1e-8)
    torch.testing.assert_close(shared, rows.shared[:, :, 0].movedim(0, 1), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("spec", [MultiTask(draws=0), GP(draws=0, restarts=1)])
def test_means_alone_are_those_of_the_moments_where_metrics_lack(spec):
    X, Z = mixtures(16, D, seed=1), mixtures(5, D, seed=2)
    Y = small(X)
    Y[::2, 1] = np.nan
    data, context = data_of([(X, Y, SMALL), (Z, large(Z), LARGE)], LARGE)
    model, at = MultiScale(spec, integrated=False).fit(data, context=context, seed=0), points(6, 1)
    with torch.no_grad():
        torch.testing.assert_close(model.mean(at), model.moments(at)[0], rtol=1e-6, atol=1e-8)


def test_covariances_with_fixed_runs_through_inducing_runs(monkeypatch):
    monkeypatch.setattr(inducing, "EXACT_UP_TO", 12)
    monkeypatch.setattr(inducing, "_FEWEST", 12)
    X, Z = mixtures(20, D, seed=1), points(3)
    data, context = data_of([(X, small(X), SMALL)], None)
    model = GP(draws=0, restarts=1).fit(data, context=context, seed=0)
    assert isinstance(model.families[0], inducing.InducingGPs)
    with torch.no_grad():
        found, expected = model.towards(Z)(points(4, 1)), JointModel.towards(model, Z)(points(4, 1))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-8)


def test_a_scale_beyond_the_chain_leaves_what_is_believed_of_the_others(model):
    linked, X = model.linked._linked, points(4, 1)
    assert isinstance(linked, Linked)
    longer = linked.with_scale(Scale(10**9, 10**9))
    assert len(longer.levels) == len(linked.levels) + 1
    for wanted in range(len(linked.levels)):
        for one, other in zip(linked.marginals(X, [wanted]), longer.marginals(X, [wanted]), strict=True):
            torch.testing.assert_close(one, other)
