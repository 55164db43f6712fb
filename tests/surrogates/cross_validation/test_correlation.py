from __future__ import annotations

import numpy as np
import torch
from botorch.acquisition.objective import ScalarizedPosteriorTransform

from bomix.surrogates.cross_validation.correlation import joint_covariance, shrunk_correlation, with_common_error
from bomix.surrogates.gp.exact import ExactGPs
from bomix.surrogates.gp.spec import GP


def correlated(m: int, n: int, rho: float, seed: int = 0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return torch.as_tensor(np.sqrt(rho) * rng.normal(size=(1, n)) + np.sqrt(1 - rho) * rng.normal(size=(m, n)))


def test_it_finds_a_planted_correlation_and_ignores_chance():
    planted = shrunk_correlation(correlated(5, 500, 0.7))
    off = planted[~torch.eye(5, dtype=torch.bool)]
    assert off.min() > 0.6
    assert off.max() < 0.8
    independent = shrunk_correlation(correlated(5, 12, 0.0))
    assert independent[~torch.eye(5, dtype=torch.bool)].abs().mean() < 0.2


def test_a_sample_in_which_all_pairs_correlate_alike_keeps_that_correlation():
    m, n, rho = 6, 50, 0.4
    white = torch.linalg.qr(correlated(m, n, 0.0).mT).Q.mT * n**0.5
    wanted = torch.full((m, m), rho, dtype=torch.float64).fill_diagonal_(1.0)
    found = shrunk_correlation(torch.linalg.cholesky(wanted) @ white)
    off = found[~torch.eye(m, dtype=torch.bool)]
    torch.testing.assert_close(off, off[:1].expand(len(off)))
    uncertain = 2.0 * ((1.0 - rho) * (1.0 + (m - 1) * rho)) ** 2 / (m * (m - 1) * (n - 1))
    torch.testing.assert_close(off[0], torch.tensor(rho * (1.0 - uncertain / rho**2) * 49 / 47, dtype=torch.float64))


def test_two_metrics_are_shrunk_by_the_uncertainty_of_their_one_correlation():
    residuals = correlated(2, 30, 0.6)
    r = torch.corrcoef(torch.cat([residuals, -residuals], dim=1))[0, 1]
    torch.testing.assert_close(
        shrunk_correlation(residuals)[0, 1], r * (1.0 - ((1.0 - r**2) / r) ** 2 / 29.0) * 29.0 / 27.0
    )


def test_the_mean_of_many_metrics_at_few_trials_keeps_its_variance():
    m, rho = 22, 0.3
    found = torch.stack([shrunk_correlation(correlated(m, 16, rho, seed)).mean() for seed in range(200)])
    truth = (1.0 + (m - 1) * rho) / m
    assert 0.97 * truth < found.mean() < 1.1 * truth


def test_a_common_error_counts_as_one_run():
    found = with_common_error(shrunk_correlation(correlated(4, 3, 0.9)), 3)
    off = found[~torch.eye(4, dtype=torch.bool)]
    torch.testing.assert_close(found.diagonal(), torch.ones(4, dtype=torch.float64))
    torch.testing.assert_close(off, torch.full_like(off, 0.25))
    torch.testing.assert_close(with_common_error(torch.ones_like(found), 3), torch.ones_like(found))


def test_few_trials_give_the_identity():
    torch.testing.assert_close(shrunk_correlation(correlated(4, 3, 0.9)), torch.eye(4, dtype=torch.float64))


def test_it_is_a_correlation_matrix_whatever_is_missing():
    residuals = correlated(6, 9, 0.8)
    residuals[torch.as_tensor(np.random.default_rng(3).random((6, 9)) < 0.4)] = torch.nan
    residuals[5] = torch.nan
    found = shrunk_correlation(residuals)
    torch.testing.assert_close(found.diagonal(), torch.ones(6, dtype=torch.float64))
    assert torch.linalg.eigvalsh(found).min() > -1e-9
    assert (found[5, :5] == 0).all()


def test_joint_covariance_is_built_of_its_blocks():
    factors = torch.tril(torch.rand(2, 3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    R = shrunk_correlation(correlated(3, 50, 0.5))
    joint = joint_covariance(factors, R).reshape(2, 3, 4, 3, 4)
    for i in range(3):
        for j in range(3):
            torch.testing.assert_close(joint[:, i, :, j], R[i, j] * factors[:, i] @ factors[:, j].mT)
    torch.testing.assert_close(
        joint_covariance(factors[..., :1, :1], R)[0, 0, 1], R[0, 1] * factors[0, :2, 0, 0].prod()
    )


def test_marginals_are_untouched_and_the_aggregate_has_the_right_variance(runs):
    data, context = runs(20)
    X = torch.as_tensor(context.space.sobol(6, seed=9)).reshape(2, 3, 4)
    joint = GP().fit(data, context=context, seed=0)
    alone = GP(correlated=False).fit(data, context=context, seed=0)
    assert not torch.equal(joint.correlation, alone.correlation)
    for noise in (False, True):
        with torch.no_grad():
            ours, theirs = (model.posterior(X, observation_noise=noise) for model in (joint, alone))
        torch.testing.assert_close(ours.mean, theirs.mean)
        torch.testing.assert_close(ours.variance, theirs.variance, rtol=1e-6, atol=1e-12)

    coefficients = torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64)
    with torch.no_grad():
        posterior = joint.posterior(X[0, :1])
        aggregate = ScalarizedPosteriorTransform(coefficients)(posterior)
    sd = posterior.variance[0].sqrt()
    torch.testing.assert_close(
        aggregate.variance.squeeze(), (coefficients * sd) @ joint.correlation @ (coefficients * sd)
    )
    torch.testing.assert_close(aggregate.mean.squeeze(), posterior.mean[0] @ coefficients)


def test_leave_one_out_equals_leaving_one_out(runs):
    data, context = runs(10)
    data.Y[4, 1] = torch.nan
    model = GP(draws=2).fit(data, context=context, seed=0)
    held = model.leave_one_out()
    targets = ((data.Y - model.offset) / model.scale).mT
    for row in range(10):
        keep = [index for index in range(10) if index != row]
        families = [ExactGPs(f.covariance, f.noise, f.theta, data.X[keep], targets[:, keep]) for f in model.families]
        rest = type(model)(
            data.X[keep],
            data.Y[keep],
            families,
            model.transforms,
            shares=model.shares,
            correlation=model.correlation,
        )
        with torch.no_grad():
            posterior = rest.posterior(data.X[row : row + 1], observation_noise=True)
        torch.testing.assert_close(held.mean[row], posterior.mean[0])
        torch.testing.assert_close(held.covariance[row], posterior.distribution.covariance_matrix)
    assert held.mean[4, 1].isfinite()
