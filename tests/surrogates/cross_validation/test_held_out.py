"""Held-out predictions and their scores, against refitting by hand, NumPy and SciPy."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from botorch.models import SingleTaskGP
from botorch.utils.datasets import SupervisedDataset
from scipy import stats

from bomix.contracts.context import FitContext
from bomix.space.mixture_space import MixtureSpace
from bomix.surrogates.cross_validation.held_out import (
    assign_folds,
    closed_form,
    held_out,
    new_runs,
    refitted,
    weighted,
)
from bomix.surrogates.cross_validation.scores import Z95, empirical_coverage, gaussian_nlpd, score, spearman
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.models.joint import HeldOut, JointModel

CORRELATION = torch.tensor([[1.0, 0.7, -0.2], [0.7, 1.0, 0.1], [-0.2, 0.1, 1.0]], dtype=torch.float64)
NOISE = 1e-3


def kernel(first, second):
    return torch.exp(-0.5 * (torch.cdist(first, second) / 0.4).square())


class FixedGP(JointModel):
    """``k(w, w') R_ij`` and independent noise, nothing learnt; leaves out by the inverse of the whole matrix."""

    def __init__(self, X, Y, *, closed):
        super().__init__()
        self.X, self.Y, self.closed = X, Y, closed
        self.matrix = self.joint(X, X) + NOISE * torch.eye(Y.numel(), dtype=torch.float64)

    @property
    def num_outputs(self):
        return 3

    @property
    def batch_shape(self):
        return torch.Size()

    def joint(self, first, second):
        return torch.kron(CORRELATION, kernel(first, second))

    def moments(self, X, noise=False):
        means, covariances = [], []
        for points in X.reshape(-1, *X.shape[-2:]):
            across = torch.linalg.solve(self.matrix, self.joint(self.X, points)).mT
            means.append((2.0 + across @ (self.Y.mT.flatten() - 2.0)).reshape(3, -1).mT)
            covariance = self.joint(points, points) - across @ self.joint(self.X, points)
            covariances.append(covariance + float(noise) * NOISE * torch.eye(3 * len(points), dtype=torch.float64))
        q = X.shape[-2]
        return torch.stack(means).reshape(*X.shape[:-2], q, 3), torch.stack(covariances).reshape(
            *X.shape[:-2], 3 * q, 3 * q
        )

    def leave_one_out(self):
        if not self.closed:
            return None
        n = len(self.X)
        inverse = torch.linalg.inv(self.matrix).reshape(3, n, 3, n)
        alpha = torch.linalg.solve(self.matrix, self.Y.mT.flatten() - 2.0).reshape(3, n)
        blocks = torch.stack([torch.linalg.inv(inverse[:, i, :, i]) for i in range(n)])
        return HeldOut(self.Y - torch.einsum("nij,jn->ni", blocks, alpha), blocks)


@dataclass(frozen=True)
class Fixed:
    """Fits nothing."""

    closed: bool = True

    def fit(self, data, *, context, seed):
        assert context.trials == () or len(context.trials) == len(data.X)
        return FixedGP(data.X, data.Y, closed=self.closed)


def test_the_closed_form_is_that_of_refitting_with_the_same_hyperparameters(runs):
    data, context = runs(12)
    closed = held_out(Fixed(True), data, context=context, seed=0)
    again = held_out(Fixed(False), data, context=context, seed=0, folds=20)
    torch.testing.assert_close(closed.mean, again.mean)
    torch.testing.assert_close(closed.covariance, again.covariance)
    assert (closed.covariance[:, 0, 1] > 0).all()


def test_a_fold_knows_nothing_of_its_own_runs(runs):
    data, context = runs(14)
    fold = assign_folds(data.X, folds=4, seed=3)
    before = refitted(Fixed(), data, context=context, seed=3, folds=4)
    Y = data.Y.clone()
    Y[fold == 2] += 5.0
    after = refitted(Fixed(), with_outcomes(data, Y), context=context, seed=3, folds=4)
    torch.testing.assert_close(after.mean[fold == 2], before.mean[fold == 2])
    assert ((after.mean - before.mean)[fold != 2].abs() > 1e-6).any()


def with_outcomes(data, Y):
    return SupervisedDataset(data.X, Y, feature_names=data.feature_names, outcome_names=data.outcome_names)


def test_folds_are_even_and_keep_repeats_together():
    X = torch.as_tensor(MixtureSpace(("a", "b", "c")).sobol(20, seed=0))
    assert sorted(np.bincount(assign_folds(X, folds=8, seed=0))) == [2, 2, 2, 2, 3, 3, 3, 3]
    repeated = torch.cat([X, X[:5] + 1e-9, X[:1]])
    fold = assign_folds(repeated, folds=8, seed=0)
    assert (fold[:5] == fold[20:25]).all()
    assert fold[25] == fold[0]
    assert np.ptp(np.bincount(fold)) <= 1
    order = np.random.default_rng(0).permutation(26)
    np.testing.assert_array_equal(assign_folds(repeated[order], folds=8, seed=0), fold[order])
    assert sorted(assign_folds(X[:3], folds=8, seed=0)) == [0, 1, 2]
    assert assign_folds(X[:0], folds=8, seed=0).shape == (0,)


def test_the_context_of_a_fold_is_that_of_its_trials(runs):
    data, context = runs(6)
    trials = tuple(range(10, 16))
    seen = []

    @dataclass(frozen=True)
    class Looking(Fixed):
        def fit(self, data, *, context, seed):
            seen.append(context)
            return super().fit(data, context=context, seed=seed)

    context = dataclasses.replace(context, trials=trials, artifacts={12: {"model": "here"}})
    refitted(Looking(), data, context=context, seed=0, folds=6)
    left_out = [set(trials) - set(each.trials) for each in seen]
    assert sorted(map(sorted, left_out)) == [[trial] for trial in trials]
    assert all((12 in each.trials) == (12 in each.artifacts) for each in seen)


@pytest.mark.parametrize("n", [0, 1, 2])
@pytest.mark.parametrize("surrogate", [Fixed(True), Fixed(False), GP()])
def test_hardly_any_trials_are_still_defined(runs, n, surrogate):
    data, context = runs(3)
    few = SupervisedDataset(data.X[:n], data.Y[:n], feature_names=data.feature_names, outcome_names=data.outcome_names)
    found = held_out(surrogate, few, context=context, seed=0)
    assert found.mean.shape == (n, 3)
    assert found.covariance.shape == (n, 3, 3)
    assert found.mean.isfinite().all()
    assert (found.covariance.diagonal(dim1=1, dim2=2) > 0).all()


def test_models_of_botorch_serve_as_they_are(runs):
    data, _ = runs(8)
    model = SingleTaskGP(data.X, data.Y)
    assert closed_form(model) is None
    found = new_runs(model, data.X[:5])
    posterior = model.posterior(data.X[:5].unsqueeze(1), observation_noise=True)
    torch.testing.assert_close(found.mean, posterior.mean.squeeze(1).detach())
    torch.testing.assert_close(found.covariance.diagonal(dim1=1, dim2=2), posterior.variance.squeeze(1).detach())


def test_the_variance_of_a_weighted_sum_counts_the_covariances(runs):
    data, context = runs(10)
    found = held_out(Fixed(), data, context=context, seed=0)
    factors = np.array([0.5, 0.0, -2.0])
    mean, sd = weighted(found, factors)
    np.testing.assert_allclose(mean, found.mean.numpy() @ factors)
    np.testing.assert_allclose(sd**2, [factors @ each @ factors for each in found.covariance.numpy()])


def test_scores_are_those_of_scipy():
    rng = np.random.default_rng(0)
    y, mean, sd = rng.normal(size=40), rng.normal(size=40), rng.uniform(0.5, 2.0, size=40)
    y[:4] = y[4]
    clean = score(y, mean, sd)
    assert clean.n == 40
    assert clean.spearman == pytest.approx(stats.spearmanr(y, mean).statistic)
    assert clean.mse == pytest.approx(np.mean((y - mean) ** 2))
    assert clean.rmse == pytest.approx(np.sqrt(clean.mse))
    assert clean.mse_se == pytest.approx(stats.sem((y - mean) ** 2))
    logpdf = stats.norm(mean, sd).logpdf(y)
    np.testing.assert_allclose(gaussian_nlpd(y, mean, sd), -logpdf)
    assert (clean.nlpd, clean.nlpd_se) == pytest.approx((-logpdf.mean(), stats.sem(logpdf)))
    low, high = stats.norm(mean, sd).interval(0.95)
    assert clean.coverage == pytest.approx(np.mean((low <= y) & (y <= high)))
    assert clean.width == pytest.approx(np.mean(high - low))
    np.testing.assert_allclose(Z95, stats.norm.ppf(0.975))
    gaps = np.append(y, [np.nan, np.nan])
    assert score(gaps, np.append(mean, [1.0, 2.0]), np.append(sd, [1.0, 2.0])) == clean


def test_standard_errors_are_the_spread_over_many_samples():
    rng = np.random.default_rng(1)
    found = []
    for _ in range(400):
        mean = rng.normal(size=60)
        found.append(score(mean + rng.normal(size=60), mean, np.ones(60)))
    for name in ("spearman", "mse", "nlpd", "coverage"):
        spread = np.std([getattr(each, name) for each in found])
        claimed = np.mean([getattr(each, f"{name}_se") for each in found])
        assert claimed == pytest.approx(spread, rel=0.25), name


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_scores_of_few_runs_are_numbers_or_undefined_and_never_errors(n):
    y = np.arange(n, dtype=float)
    found = score(y, y + 0.5, np.ones(n))
    assert found.n == n
    assert np.isnan(found.spearman) == (n < 2)
    assert np.isnan(found.mse) == np.isnan(found.coverage) == (n < 1)
    assert np.isnan(found.mse_se) == (n < 2)
    assert np.isnan(found.spearman_se) == (n < 4)
    assert np.isnan(spearman(np.ones(5), np.arange(5.0)))
    assert np.isfinite(score(np.zeros(4), np.zeros(4), np.zeros(4)).nlpd)


def test_a_calibrated_model_covers_what_it_promises():
    rng = np.random.default_rng(2)
    mean, sd = rng.normal(size=20_000), rng.uniform(0.1, 3.0, size=20_000)
    y = mean + sd * rng.normal(size=20_000)
    assert score(y, mean, sd).coverage == pytest.approx(0.95, abs=0.005)
    levels = np.array([0.1, 0.5, 0.8, 0.95])
    np.testing.assert_allclose(empirical_coverage(y, mean, sd, levels), levels, atol=0.015)
    assert empirical_coverage(y, mean, 0.5 * sd, levels)[-1] < 0.75
    assert np.isnan(empirical_coverage(y[:0], mean[:0], sd[:0], levels)).all()


def test_a_planted_model_covers_95_percent_of_what_it_did_not_see():
    rng = np.random.default_rng(3)
    space = MixtureSpace(("a", "b", "c", "d"))
    inside = []
    for seed in range(6):
        X = torch.as_tensor(space.sobol(40, seed=seed))
        matrix = torch.kron(CORRELATION, kernel(X, X)) + NOISE * torch.eye(120, dtype=torch.float64)
        draw = torch.linalg.cholesky(matrix) @ torch.as_tensor(rng.normal(size=120))
        data = SupervisedDataset(X, 2.0 + draw.reshape(3, 40).mT, feature_names=[*"abcd"], outcome_names=[*"xyz"])
        context = FitContext(space, ("x", "y", "z"))
        for surrogate in (Fixed(True), Fixed(False)):
            found = held_out(surrogate, data, context=context, seed=0)
            mean, sd = weighted(found, [0.3, 0.3, 0.4])
            target = data.Y @ data.Y.new_tensor([0.3, 0.3, 0.4])
            inside.append(score(target.numpy(), mean.numpy(), sd.numpy()).coverage)
    assert np.mean(inside) == pytest.approx(0.95, abs=0.03)
