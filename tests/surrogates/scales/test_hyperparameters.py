"""Points that stand for a posterior of few numbers."""

from __future__ import annotations

import torch

from bomix.surrogates.scales.hyperparameters import MEAN, NAMES, SD, links, posterior, temper

CENTRE, WIDTH = torch.tensor(MEAN, dtype=torch.float64), torch.tensor(SD, dtype=torch.float64)


def moments(found):
    mean = (found.weight.unsqueeze(-1) * found.theta).sum(dim=0)
    return mean, (found.weight.unsqueeze(-1) * (found.theta - mean).square()).sum(dim=0).sqrt()


def test_without_runs_the_points_have_the_moments_of_the_prior():
    mean, sd = moments(posterior(lambda theta: theta.new_zeros(len(theta)), told=False))
    torch.testing.assert_close(mean, CENTRE)
    torch.testing.assert_close(sd, WIDTH)


def test_a_gaussian_likelihood_gives_the_gaussian_posterior():
    """The prior times a Gaussian as narrow as itself, one deviation away: half of the variance, half of the way."""

    def log_density(theta):
        return -0.5 * ((theta - CENTRE - WIDTH) / WIDTH).square().sum(dim=-1)

    mean, sd = moments(posterior(log_density, told=True))
    torch.testing.assert_close(
        (mean - CENTRE) / WIDTH, torch.full((len(NAMES),), 0.5, dtype=torch.float64), rtol=0, atol=0.2
    )
    torch.testing.assert_close(sd / WIDTH, torch.full((len(NAMES),), 0.5**0.5, dtype=torch.float64), rtol=0, atol=0.25)


def test_slopes_and_discrepancies_grow_with_the_decades():
    found = links(CENTRE.unsqueeze(0), 0.0, torch.full((2,), 0.1, dtype=torch.float64))
    near, far = found.over(1.0), found.over(4.0)
    assert near[0].item() == far[0].item() == 1.0
    torch.testing.assert_close(far[1], 4.0 * near[1])
    torch.testing.assert_close(far[2], 4.0 * near[2])


def test_noise_is_a_multiple_of_that_of_the_smallest_scale():
    noise, more = torch.tensor([0.1, 0.3], dtype=torch.float64), WIDTH * torch.eye(len(NAMES), dtype=torch.float64)[-1]
    found = links(torch.stack([CENTRE, CENTRE + more]), 0.0, noise).noise
    torch.testing.assert_close(found[0], noise)
    torch.testing.assert_close(found[1], noise * WIDTH[-1].exp())


def test_a_single_metric_counts_whole():
    assert temper(1) == 1.0
    assert 13 * temper(13) < 13
