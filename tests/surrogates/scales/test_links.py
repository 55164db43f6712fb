"""Links between scales against the joint Gaussian of all scales at once, which needs no recursion."""

from __future__ import annotations

import math

import pytest
import torch

from bomix.surrogates.scales.links import Links, Start, Step, conditioned, predicted

K, M, P, Q = 2, 3, 9, 4
GENERATOR = torch.Generator().manual_seed(3)


def process(points: torch.Tensor, length: float) -> torch.Tensor:
    return torch.exp(-0.5 * torch.cdist(points, points).square() / length**2)


def links(slope: float = 0.0) -> Links:
    rows = [[-0.2, 0.1], [slope, slope], [0.3, 0.5], [0.0, 0.0], [0.1, 0.2]]
    ratio, slopes, discrepancy, lengthscale, noise = (torch.tensor(row, dtype=torch.float64) for row in rows)
    return Links(ratio, slopes, discrepancy, lengthscale, noise.unsqueeze(-1))


@pytest.fixture(scope="module")
def setting():
    """Points (those of larger runs first), the first scale's belief, two steps with gaps, and a kernel."""
    points = torch.rand(P + Q, 2, generator=GENERATOR, dtype=torch.float64)
    mean = torch.randn(M, P + Q, generator=GENERATOR, dtype=torch.float64)
    covariance = torch.stack([process(points, 0.3 + 0.2 * j) * (0.4 + j) for j in range(M)])
    targets = torch.randn(M, P, generator=GENERATOR, dtype=torch.float64)
    targets[0, 1], targets[2, 6:] = torch.nan, torch.nan
    first, second = torch.arange(5), torch.arange(5, P)
    shift, spread = torch.tensor([-1.0, 0.0, 0.5], dtype=torch.float64), torch.full((M,), 2.0, dtype=torch.float64)
    steps = [
        Step(1.5, first, targets[:, first], shift, spread),
        Step(0.5, second, targets[:, second], 0.5 * shift, spread),
    ]
    return points, mean, covariance, steps, process(points, 0.4).expand(K, 1, -1, -1)


def found(setting, hyper: Links, wanted: list[int]):
    _, mean, covariance, steps, kernel = setting
    seen, density = conditioned(steps, mean[:, :P], covariance[:, :P, :P], kernel[..., :P, :P], hyper)
    start = Start(mean[None, :, P:], covariance[None, :, P:, P:], covariance[None, :, P:, :P])
    kernels = kernel[None, ..., P:, P:], kernel[None, ..., P:, :P]
    means, covariances = predicted(steps, seen, hyper, start, lambda: kernels, wanted)
    return means[0], covariances[0], density, seen


def dense(setting, hyper: Links, draw: int, metric: int):
    """Mean and covariance of three scales at all points, given all runs, and the density of these."""
    _, mean, covariance, steps, kernel = setting
    seen, _ = conditioned(steps, mean[:, :P], covariance[:, :P, :P], kernel[..., :P, :P], hyper)
    n = P + Q
    means, blocks = [mean[metric]], [[covariance[metric]]]
    for step, given in zip(steps, seen, strict=True):
        ratio, _, discrepancy = (part[draw].item() for part in hyper.over(step.decades))
        # The pivot is a number that the recursion chooses; whatever it is, the joint Gaussian is exact.
        means.append(given.level[draw, metric] + ratio * (means[-1] - given.pivot[draw, metric]))
        last = [ratio * block for block in blocks[-1]]
        own = ratio**2 * blocks[-1][-1] + discrepancy * kernel[draw, 0] + step.spread[metric] ** 2
        blocks.append([*last, own])
    full = torch.zeros(3 * n, 3 * n, dtype=torch.float64)
    for i in range(3):
        for j in range(i + 1):
            full[i * n : (i + 1) * n, j * n : (j + 1) * n] = blocks[i][j]
            full[j * n : (j + 1) * n, i * n : (i + 1) * n] = blocks[i][j].mT
    values = torch.cat([step.targets[metric] for step in steps])
    rows = torch.cat([(number + 1) * n + step.rows for number, step in enumerate(steps)])
    rows, values = rows[~values.isnan()], values[~values.isnan()]
    noisy = full[rows][:, rows] + hyper.noise[draw] ** 2 * torch.eye(len(rows), dtype=torch.float64)
    gain = torch.linalg.solve(noisy, full[rows]).mT
    whole, residual = torch.cat(means), values - torch.cat(means)[rows]
    density = torch.distributions.MultivariateNormal(torch.cat(means)[rows], noisy).log_prob(values)
    return whole + gain @ residual, full - gain @ full[rows], density


@pytest.mark.parametrize("wanted", [[0], [1], [2], [0, 2], [1, 2], [0, 1, 2]])
def test_without_doubt_about_slopes_the_recursion_is_the_joint_gaussian(setting, wanted):
    means, covariances, density, _ = found(setting, links(), wanted)
    index = torch.cat([scale * (P + Q) + P + torch.arange(Q) for scale in wanted])
    for draw in range(K):
        for metric in range(M):
            mean, covariance, total = dense(setting, links(), draw, metric)
            torch.testing.assert_close(means[draw, metric], mean[index])
            torch.testing.assert_close(covariances[draw, metric], covariance[index][:, index])
            torch.testing.assert_close(density[draw, metric], total)


def test_left_out_runs_are_those_of_fits_without_them(setting):
    points, mean, covariance, steps, kernel = setting
    hyper = links(0.2)
    *_, seen = found(setting, hyper, [2])
    means, variances = seen[1].leave_one_out(steps[1].targets, hyper.noise)
    left = 2
    targets = steps[1].targets.clone()
    targets[:, left] = torch.nan
    without = (points, mean, covariance, [steps[0], steps[1]._replace(targets=targets)], kernel)
    *_, again = found(without, hyper, [2])
    there = ~steps[1].targets[:, left].isnan()
    torch.testing.assert_close(means[:, there, left], again[1].after[:, there, left])
    expected = again[1].left[:, :, left] + hyper.noise.square()
    torch.testing.assert_close(variances[:, there, left], expected[:, there])


def test_doubt_about_a_slope_is_learnt_from_the_runs_and_grows_with_the_decades():
    """Exact runs of twice the function: the slope goes from its expectation towards two."""
    mean = torch.linspace(-1.0, 1.0, 9, dtype=torch.float64).expand(1, 9)
    nothing = torch.zeros(1, 9, 9, dtype=torch.float64)
    slopes = []
    for decades in (0.1, 1.0, 4.0):
        step = Step(decades, torch.arange(9), 2.0 * mean, torch.zeros(1), torch.ones(1))
        hyper = Links(*(torch.tensor([value], dtype=torch.float64) for value in (0.0, 0.3, 1e-6, 0.0, 0.5)))
        seen, _ = conditioned([step], mean, nothing, nothing, hyper)
        told = hyper.over(decades)[1][0, 0, 0] * (seen[0].centred[..., step.rows] * seen[0].alpha).sum()
        slopes.append(1.0 + told.item())
    assert 1.0 < slopes[0] < slopes[1] < slopes[2] < 2.0
    # A Bayesian line: the level is as uncertain as told, and orthogonal to the centred mean.
    precision = mean.square().sum().item() / 0.25
    assert math.isclose(slopes[1], 1.0 + 0.09 * precision / (1.0 + 0.09 * precision), rel_tol=1e-6)
