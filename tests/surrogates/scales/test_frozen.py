"""Runs of many scales conditioned together, against the joint Gaussian of all that is measured."""

from __future__ import annotations

import pytest
import torch

from bomix.surrogates.scales.decay import Decay, shared_noise
from bomix.surrogates.scales.frozen import Given, Runs, conditioned
from bomix.testing.known import mixtures

D = 3
DRAWN = torch.as_tensor(mixtures(14, D, seed=3))
SMALL, Z, X = DRAWN[3:8], DRAWN[[3, 3, 4, 9]], DRAWN[10:12]
"""The first mixture was run at the first scale, and two later checkpoints of the same training were measured; of the
second mixture the run at a larger scale is another training."""
FIRST = torch.zeros(1, 2, dtype=torch.float64)
SIZES = torch.tensor([[0.0, 1.0], [0.0, 3.0], [2.0, 1.0], [2.0, 3.0]], dtype=torch.float64)
TARGET = torch.tensor([[2.0, 3.0]], dtype=torch.float64)
RUNS = torch.tensor([0, 0, 11, 12])
DECAY = Decay(*(torch.tensor([value], dtype=torch.float64) for value in (-0.2, 0.3, 0.2, 0.3, 0.0)))
COMMON, NOISE = torch.tensor([0.7], dtype=torch.float64), (0.1, 0.07)
Y0 = torch.tensor([0.4, -0.1, 0.3, 0.8, -0.5], dtype=torch.float64)
Y = torch.tensor([[0.1, -0.2, 0.2, -0.6]], dtype=torch.float64)


def kernel(A: torch.Tensor, B: torch.Tensor, reach: float) -> torch.Tensor:
    return torch.exp(-0.5 * ((A.unsqueeze(-2) - B.unsqueeze(-3)) / reach).square().sum(dim=-1))


def first_scale(at: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What the small runs say of the first scale's function."""
    inverse = torch.linalg.inv(kernel(SMALL, SMALL, 0.5) + NOISE[0] ** 2 * torch.eye(5))
    across = kernel(at, SMALL, 0.5)
    return across @ inverse @ Y0, kernel(at, at, 0.5) - across @ inverse @ across.mT


def given(targets: torch.Tensor = Y) -> tuple[Given, torch.Tensor, torch.Tensor]:
    mean, covariance = first_scale(torch.cat([Z, X]))
    start = torch.tensor([[Y0[0], Y0[0], torch.nan, torch.nan]], dtype=torch.float64)
    runs = Runs(SIZES, FIRST, targets, start, RUNS, torch.zeros(1, dtype=torch.float64))
    noise = torch.tensor([[NOISE]], dtype=torch.float64)
    rest = kernel(Z, Z, 0.3)[None, None]
    return conditioned(runs, DECAY, mean[None, :4], covariance[None, :4, :4], rest, noise, COMMON), mean, covariance


def joint() -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and covariance at the target of ``X`` by one Gaussian of functions, levels and noise."""
    found, _, _ = given()
    pivot, everywhere = found.pivot, torch.cat([SIZES, TARGET.expand(2, 2)])
    load = DECAY.loading(everywhere, FIRST)[0]
    at = torch.cat([Z, X])
    prior = torch.zeros(11, 11, dtype=torch.float64)
    prior[:5, :5] = kernel(SMALL, SMALL, 0.5)
    prior[5:, :5] = load.unsqueeze(-1) * kernel(at, SMALL, 0.5)
    prior[:5, 5:] = prior[5:, :5].mT
    prior[5:, 5:] = load.unsqueeze(-1) * load * kernel(at, at, 0.5)
    prior[5:, 5:] += DECAY.rest(everywhere, everywhere, FIRST)[0] * kernel(at, at, 0.3)
    prior[5:, 5:] += found._levels(everywhere, everywhere)[0, 0]
    sizes = torch.cat([FIRST.expand(5, 2), SIZES])
    alike = shared_noise(sizes, torch.tensor([0, 1, 2, 3, 4, 0, 0, 11, 12]), COMMON)[0]
    sd = torch.tensor([NOISE[0]] * 5 + [NOISE[1]] * 4, dtype=torch.float64)
    measured = prior[:9, :9] + alike * sd * sd.unsqueeze(-1)
    expected = torch.cat([torch.zeros(5), pivot * (1.0 - load)]).double()
    gain = torch.linalg.solve(measured, prior[:9, 9:]).mT
    mean = expected[9:] + gain @ (torch.cat([Y0, Y[0]]) - expected[:9])
    return mean, prior[9:, 9:] - gain @ prior[:9, 9:]


def predicted(found: Given, mean: torch.Tensor, covariance: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    here, centred = TARGET.expand(2, 2), (mean[4:] - found.pivot)[None]
    before = (
        found.means(here, centred),
        found.within(here, centred, covariance[None, 4:, 4:], kernel(X, X, 0.3)[None, None]),
    )
    own = found.cross(here, centred, covariance[None, 4:, :4], kernel(X, Z, 0.3)[None, None])
    more, less = found.told(own)
    return (before[0] + more)[0, 0], (before[1] - less)[0, 0]


def test_it_is_the_joint_gaussian_of_all_scales_with_the_noise_that_checkpoints_share():
    mean, covariance = predicted(*given())
    expected = joint()
    torch.testing.assert_close(mean, expected[0], rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(covariance, expected[1], rtol=1e-6, atol=1e-7)


def test_a_metric_that_a_run_lacks_is_no_run():
    lacking = Y.clone()
    lacking[0, 1] = torch.nan
    found, mean, covariance = given(lacking)
    torch.testing.assert_close(found.residual[..., 1], torch.zeros(1, 1, dtype=torch.float64))
    full, _, _ = given()
    first, second = predicted(found, mean, covariance), predicted(full, mean, covariance)
    assert (first[1].diagonal() > second[1].diagonal()).all()


def test_checkpoints_of_one_training_are_left_out_together():
    found, _, _ = given()
    noise = torch.full((1, 1), NOISE[1] ** 2, dtype=torch.float64)
    left, variance = found.leave_one_out(noise)
    # As from the runs of the other trainings alone.
    both = found.factor @ found.factor.mT
    rest = both[0, 0, 2:, 2:]
    across = both[0, 0, :2, 2:]
    expected = both[0, 0, :2, :2] - across @ torch.linalg.solve(rest, across.mT)
    torch.testing.assert_close(variance[0, 0, :2], expected.diagonal())
    mean = across @ torch.linalg.solve(rest, found.residual[0, 0, 2:])
    torch.testing.assert_close(left[0, 0, :2], mean)


@pytest.mark.parametrize("count", [0, 1])
def test_it_is_defined_with_hardly_any_run(count):
    runs = Runs(SIZES[:count], FIRST, Y[:, :count], Y[:, :count] * torch.nan, RUNS[:count], torch.zeros(1).double())
    mean, covariance = first_scale(Z[:count])
    noise = torch.tensor([[NOISE]], dtype=torch.float64)
    found = conditioned(runs, DECAY, mean[None], covariance[None], covariance[None, None], noise, COMMON)
    assert found.density.shape == (1, 1)
    assert found.density.isfinite().all()
