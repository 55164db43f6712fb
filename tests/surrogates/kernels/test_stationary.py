from __future__ import annotations

import math

import gpytorch
import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from scipy.special import eval_gegenbauer, eval_legendre

from bomix.contracts.covariance import KernelContext
from bomix.numerics import pairwise
from bomix.numerics.pairwise import PROFILES
from bomix.surrogates.kernels import (
    learned_encoding,
    one_dimensional,
    simplex_geometry,
    stationary,
)
from bomix.surrogates.kernels import (
    linear as planes,
)
from bomix.surrogates.kernels.composition import ScaledCovariance, SumCovariance
from bomix.surrogates.kernels.encoding import Encoding, distance

D, M = 4, 2


def mixtures(n, d=D, seed=0):
    """``n x d`` mixtures, about half of whose weights are zero."""
    rng = np.random.default_rng(seed)
    kept = rng.random((n, d)) < 0.5
    kept[np.arange(n), rng.integers(d, size=n)] = True
    rows = rng.dirichlet(np.ones(d), n) * kept + 1e-3 * kept
    return torch.as_tensor(rows / rows.sum(axis=1, keepdims=True))


def frame_of(d=D, own=(1, -1)):
    sample = np.random.default_rng(9).dirichlet(np.ones(d), 64)
    return KernelContext(torch.as_tensor(sample), torch.tensor(own))


def drawn(covariance, seed=0):
    noise = torch.as_tensor(np.random.default_rng(seed).normal(size=tuple(covariance.prior.mean.shape)))
    return covariance.prior.mean + 0.5 * noise


GPYTORCH = {
    "matern52": lambda: gpytorch.kernels.MaternKernel(2.5, ard_num_dims=D, batch_shape=torch.Size([M])),
    "matern32": lambda: gpytorch.kernels.MaternKernel(1.5, ard_num_dims=D, batch_shape=torch.Size([M])),
    "rbf": lambda: gpytorch.kernels.RBFKernel(ard_num_dims=D, batch_shape=torch.Size([M])),
}


@pytest.mark.parametrize("shape", PROFILES)
def test_stationary_is_gpytorchs_kernel_of_the_encoded_weights(shape):
    encoding = Encoding("log")
    covariance = stationary.StationaryCovariance(PROFILES[shape], encoding, frame_of(), 1.0, 1.0)
    theta, X, Z = drawn(covariance), mixtures(7), mixtures(5, seed=1)
    kernel = GPYTORCH[shape]().double()
    kernel.lengthscale = theta.exp().unsqueeze(-2)
    with torch.no_grad():
        expected = kernel(encoding.transform(X).expand(M, -1, -1), encoding.transform(Z).expand(M, -1, -1)).to_dense()
    torch.testing.assert_close(covariance(theta, X.unsqueeze(0), Z.unsqueeze(0)), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("name", "eps", "power"), [("log", 0.02, 0.25), ("sqrt", 3e-3, 0.5), ("power", 1e-3, 0.4)])
def test_a_learnt_encoding_is_that_encoding_at_the_same_number_of_typical_distances(name, eps, power):
    frame, learns_power = frame_of(), name == "power"
    prior = Encoding(name)
    warping = learned_encoding.LearnedEncodingCovariance(
        PROFILES["matern52"], prior, frame, 1.0, 1.0, offset=True, power=learns_power
    )
    assert warping.size == D + 1 + learns_power
    fixed = stationary.StationaryCovariance(PROFILES["matern52"], Encoding(name, eps, power), frame, 1.0, 1.0)
    logs = torch.as_tensor(np.random.default_rng(2).normal(size=(M, D)))
    own = [math.log(eps)] + [math.log(power)] * learns_power
    theta = torch.cat([warping.prior.mean[:, :D] + logs, torch.tensor([own] * M, dtype=torch.float64)], dim=-1)
    X = mixtures(9).unsqueeze(0)
    torch.testing.assert_close(warping(theta, X), fixed(fixed.prior.mean + logs, X), rtol=1e-9, atol=1e-12)


def test_a_learnt_offset_starts_from_the_fixed_one():
    frame, X = frame_of(), mixtures(9).unsqueeze(0)
    warping = learned_encoding.LearnedEncodingCovariance(
        PROFILES["rbf"], Encoding("log"), frame, 10.0, 1.73, offset=True, power=False
    )
    fixed = stationary.StationaryCovariance(PROFILES["rbf"], Encoding("log"), frame, 10.0, 1.73)
    torch.testing.assert_close(warping(warping.prior.start, X), fixed(fixed.prior.start, X))
    assert warping.prior.mean[:, -1].exp().tolist() == pytest.approx([1e-3] * M)


@pytest.mark.parametrize("block", [2**20, 40])
def test_additive_is_the_sum_of_one_dimensional_kernels_and_so_is_its_gradient(block, monkeypatch):
    monkeypatch.setattr(pairwise, "BLOCK", block)
    encoding = Encoding("log")
    covariance = learned_encoding.AdditiveCovariance(PROFILES["matern52"], encoding, frame_of(), 1.0, 1.0, 1.0, 1.0)
    theta = drawn(covariance)
    X, Z = mixtures(7).unsqueeze(0), mixtures(5, seed=1).unsqueeze(0)
    weights = torch.as_tensor(np.random.default_rng(3).normal(size=(M, 7, 5)))

    def by_hand(theta, X, Z):
        total = torch.zeros(M, 7, 5, dtype=torch.float64)
        for i in range(D):
            first, second = encoding.transform(X[..., i]), encoding.transform(Z[..., i])
            r = math.sqrt(5.0) * (first.unsqueeze(-1) - second.unsqueeze(-2)).abs() / theta[:, i].exp()[:, None, None]
            total = total + theta[:, D + i].exp()[:, None, None] * (1.0 + r + r.square() / 3.0) * torch.exp(-r)
        return total

    torch.testing.assert_close(covariance(theta, X, Z), by_hand(theta, X, Z), rtol=1e-9, atol=1e-12)
    found = []
    for function in (covariance, by_hand):
        at = [tensor.clone().requires_grad_() for tensor in (theta, X, Z)]
        found.append(torch.autograd.grad((weights * function(*at)).sum(), at))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-9)


def test_the_variances_of_an_additive_prior_sum_to_what_was_asked():
    covariance = learned_encoding.AdditiveCovariance(
        PROFILES["matern52"], Encoding("log"), frame_of(), 1.0, 1.0, 3.0, 1.0
    )
    diagonal = covariance.diagonal(covariance.prior.mean, mixtures(5).unsqueeze(0))
    torch.testing.assert_close(diagonal, torch.full((M, 5), 3.0, dtype=torch.float64))


def squared_distance(metric, eps, X):
    """What an isotropic kernel of squared exponential shape says of ``D^2`` at a lengthscale of one."""
    covariance = simplex_geometry.IsotropicCovariance(PROFILES["rbf"], metric, eps, frame_of(), 1.0, 1.0)
    return -2.0 * covariance(torch.zeros(1, 1, dtype=torch.float64), X.unsqueeze(0))[0].log()


def test_the_three_distances():
    X, eps = mixtures(8), 1e-2
    x = (X + eps).numpy()
    smoothed = x / x.sum(axis=1, keepdims=True)
    centred = np.log(x) - np.log(x).mean(axis=1, keepdims=True)
    total = 1.0 + D * eps
    pairs = [(i, j) for i in range(8) for j in range(8)]
    divergence = np.array([jensenshannon(smoothed[i], smoothed[j]) ** 2 for i, j in pairs]).reshape(8, 8)
    overlap = np.sqrt(smoothed) @ np.sqrt(smoothed).T
    log_ratios = np.array([((centred[i] - centred[j]) ** 2).sum() for i, j in pairs]).reshape(8, 8)
    for metric, expected in (
        ("jensen_shannon", total * np.nan_to_num(divergence)),
        ("hellinger", total * (2.0 - 2.0 * overlap)),
        ("aitchison", log_ratios),
    ):
        np.testing.assert_allclose(squared_distance(metric, eps, X).numpy(), expected, atol=1e-12, rtol=1e-9)


def test_vertices_are_as_far_apart_as_they_can_be():
    vertices = torch.eye(D, dtype=torch.float64)[:2]
    assert squared_distance("jensen_shannon", 1e-12, vertices)[0, 1].item() == pytest.approx(math.log(2.0))
    assert squared_distance("hellinger", 1e-12, vertices)[0, 1].item() == pytest.approx(2.0, rel=1e-5)


@pytest.mark.parametrize("metric", ["hellinger", "jensen_shannon", "aitchison"])
def test_the_median_lengthscale_is_in_typical_distances(metric):
    frame = frame_of()
    covariance = simplex_geometry.IsotropicCovariance(PROFILES["rbf"], metric, None, frame, 2.0, 1.0)
    squares = squared_distance(metric, None, frame.sample)
    typical = (squares.sum() / (64 * 63)).sqrt().item()
    assert covariance.prior.mean.exp().flatten().tolist() == pytest.approx([2.0 * typical] * M)
    assert covariance.prior.start.exp().flatten().tolist() == pytest.approx([typical] * M)


def test_blocks_give_what_a_whole_gives(monkeypatch):
    X, Z = (mixtures(n, seed=n).unsqueeze(0).requires_grad_() for n in (9, 6))
    found = []
    for block in (2**20, 30):
        monkeypatch.setattr(pairwise, "BLOCK", block)
        values = [
            simplex_geometry.jensen_shannon(X + 1e-4, Z + 1e-4),
            *(
                simplex_geometry.GeometricCovariance(2.5, None, frame_of(), 1.0, 1.0)(
                    torch.full((M, 1), -1.0).double(), X, Z
                )
            ),
        ]
        gradients = torch.autograd.grad(sum(value.square().sum() for value in values), [X, Z])
        found.append([*values, *gradients])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("d", [2, 3, 7, 100])
def test_the_polynomials_of_the_sphere(d):
    cosine = torch.linspace(-1.0, 1.0, 21, dtype=torch.float64)
    found = simplex_geometry.gegenbauer(cosine.reshape(3, 7), d).reshape(simplex_geometry.LEVELS, 21).numpy()
    n, t = np.arange(simplex_geometry.LEVELS)[:, None], cosine.numpy()
    if d == 2:
        expected = np.cos(n * np.arccos(t))
    elif d == 3:
        expected = eval_legendre(n, t)
    else:
        expected = eval_gegenbauer(n, d / 2 - 1, t) / eval_gegenbauer(n, d / 2 - 1, 1.0)
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize("d", [2, 3, 4, 17, 100])
def test_the_lengthscale_on_the_sphere_means_the_same_in_all_dimensions(d):
    """Its definition, and what it is for: ``1 - k`` near ``angle^2 / 2 l^2`` where ``l`` is large."""
    covariance = simplex_geometry.GeometricCovariance(2.5, 1e-9, frame_of(d), 1.0, 1.0)
    lengths = torch.tensor([[0.1], [0.5], [1.0], [5.0]], dtype=torch.float64)
    shares = covariance.shares(lengths.log())
    assert (shares > 0.0).all()
    torch.testing.assert_close(shares.sum(dim=-1), torch.ones(4, dtype=torch.float64))
    torch.testing.assert_close(shares[:, 1] / shares[:, 0], 1.0 / (lengths[:, 0].square() + 1.0 / d))
    X = mixtures(20, d)
    angle = torch.arccos((X.sqrt() @ X.sqrt().mT).clamp_max(1.0))
    near = (angle > 0.1) & (angle < 0.8)
    correlation = covariance(lengths[3:].log(), X.unsqueeze(0))[0]
    ratio = (1.0 - correlation)[near] / (angle.square() / 50.0)[near]
    assert ((ratio > 0.8) & (ratio < 1.5)).all()


def test_the_spectrum_on_the_ordinary_sphere_is_that_of_a_matern_process():
    nu, kappa, n = 1.5, 0.7, torch.arange(simplex_geometry.LEVELS, dtype=torch.float64)
    spectrum = (2.0 * n + 1.0) * (2.0 * nu / kappa**2 + n * (n + 1.0)) ** (-nu - 1.0)
    length = (spectrum[0] / spectrum[1] - 1.0 / 3.0).sqrt().log().reshape(1, 1)
    shares = simplex_geometry.GeometricCovariance(nu, None, frame_of(3), 1.0, 1.0).shares(length)
    torch.testing.assert_close(shares[0], spectrum / spectrum.sum())


def test_large_smoothness_is_heat_flow():
    d, n = 5, torch.arange(8, dtype=torch.float64)
    shares = simplex_geometry.GeometricCovariance(1e7, None, frame_of(d), 1.0, 1.0).shares(
        torch.zeros(1, 1, dtype=torch.float64)
    )[0, :8]
    count = torch.tensor([math.comb(k + 4, 4) - math.comb(k + 2, 4) for k in range(8)], dtype=torch.float64)
    decay = -(shares / count).log() / (n * (n + d - 2)).clamp_min(1.0)
    decay = (decay * n * (n + d - 2) + (shares[0] / count[0]).log())[1:] / (n * (n + d - 2))[1:]
    torch.testing.assert_close(decay, decay[:1].expand(7), rtol=1e-4, atol=0.0)


def test_effective_weight_linear_scaled_and_sum_by_their_formulas():
    frame, X = frame_of(), mixtures(6)
    points = X.unsqueeze(0)
    effective = one_dimensional.EffectiveWeightCovariance(frame, 0.135, 1.5)
    theta = drawn(effective)
    for row in range(M):
        shares, (offset, length) = theta[row, :D].exp(), theta[row, D:].exp()
        u = (offset + X @ shares).log()
        expected = torch.exp(-0.5 * ((u.unsqueeze(-1) - u) / length).square())
        torch.testing.assert_close(effective(theta, points)[row], expected)
    # A metric's own domain counts fully, the others little.
    assert effective.prior.mean[0, :D].exp().tolist() == pytest.approx([0.135, 1.0, 0.135, 0.135])
    assert effective.prior.mean[1, :D].exp().tolist() == pytest.approx([0.135] * D)

    linear, none = planes.LinearCovariance(frame), torch.zeros(M, 0, dtype=torch.float64)
    plane = (X - frame.sample.mean(dim=0)) / distance(frame.sample)
    torch.testing.assert_close(linear(none, points), (plane @ plane.mT).expand(M, -1, -1))

    both = SumCovariance([ScaledCovariance(linear, 2.0, 1.0), effective])
    theta = drawn(both)
    expected = theta[:, 0].exp()[:, None, None] * linear(none, points) + effective(theta[:, 1:], points)
    torch.testing.assert_close(both(theta, points), expected)
    assert both.prior.mean[:, 0].exp().tolist() == pytest.approx([2.0] * M)
