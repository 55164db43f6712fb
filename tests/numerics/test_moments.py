from __future__ import annotations

import torch

from bomix.numerics.moments import mixture_moments


def components(s=3, k=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    means = torch.randn(s, k, generator=generator, dtype=torch.float64)
    roots = torch.randn(s, k, k, generator=generator, dtype=torch.float64)
    return means, roots @ roots.mT


def test_one_component_is_itself():
    means, covariances = components(1)
    mean, covariance = mixture_moments(means, covariances)
    assert torch.equal(mean, means[0])
    assert torch.equal(covariance, covariances[0])


def test_moments_are_those_of_draws_from_the_mixture():
    means, covariances = components()
    shares = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    mean, covariance = mixture_moments(means, covariances, shares[:, None])
    second = sum(s * (c + torch.outer(m, m)) for s, m, c in zip(shares, means, covariances, strict=True))
    torch.testing.assert_close(mean, shares @ means)
    torch.testing.assert_close(covariance, second - torch.outer(mean, mean))


def test_no_shares_are_equal_shares():
    means, covariances = components()
    third = torch.full((3, 1), 1.0 / 3.0, dtype=torch.float64)
    for got, expected in zip(
        mixture_moments(means, covariances), mixture_moments(means, covariances, third), strict=True
    ):
        torch.testing.assert_close(got, expected)


def test_shares_by_coordinate_give_each_coordinate_its_own_mixture_and_a_covariance():
    means, covariances = components()
    shares = torch.tensor([[0.1, 0.6], [0.2, 0.3], [0.7, 0.1]], dtype=torch.float64)
    mean, covariance = mixture_moments(means, covariances, shares)
    for i in range(2):
        alone = mixture_moments(means[:, i : i + 1], covariances[:, i : i + 1, i : i + 1], shares[:, i : i + 1])
        torch.testing.assert_close(mean[i : i + 1], alone[0])
        torch.testing.assert_close(covariance[i : i + 1, i : i + 1], alone[1])
    assert (torch.linalg.eigvalsh(covariance) > 0).all()
