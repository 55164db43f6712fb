"""What every registered kernel owes to the processes that are built on it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bomix.config import registry
from bomix.config.build import build, plain
from bomix.contracts.covariance import KernelContext
from bomix.contracts.kernel import Kernel

D, M = 4, 3
OWN = (2, -1, 0)

EXAMPLES = {
    "stationary": (
        {},
        {"encoding": "sqrt", "shape": "matern32"},
        {"encoding": "raw", "shape": "rbf"},
        {"encoding": "log", "learn_eps": True},
        {"encoding": "power", "learn_eps": True, "learn_power": True},
    ),
    "additive": ({}, {"encoding": "sqrt", "shape": "rbf"}),
    "isotropic": (
        {},
        {"distance": "jensen_shannon"},
        {"distance": "jensen_shannon", "shape": "rbf"},
        {"distance": "aitchison", "shape": "matern32"},
    ),
    "geometric": ({}, {"smoothness": 0.5}, {"smoothness": 50.0}),
    "scaled": ({"of": "stationary"}, {"of": "linear", "variance": 0.3}),
    "sum": (
        {"of": ["stationary", "additive", {"kind": "scaled", "of": "linear"}]},
        {"of": [{"kind": "stationary", "learn_eps": True}, "effective_weight", "geometric"]},
    ),
}
"""Kind to options worth a run; a kind that is not here runs with its defaults."""

KERNELS = [
    pytest.param(kind, options, id=f"{kind}-{number}")
    for kind in sorted(registry.kinds("kernel"))
    for number, options in enumerate(EXAMPLES.get(kind, ({},)))
]


def spec_of(kind, options):
    spec, faults = build(registry.resolve("kernel", kind), options)
    assert not faults, f"give options for kind '{kind}' in EXAMPLES: {faults}"
    return spec


def mixtures(n, d, *, seed=0):
    """``n x d``: two vertices, a repeat, the centre, and draws of which about half of the weights are zero."""
    rng = np.random.default_rng(seed)
    kept = rng.random((n, d)) < 0.5
    kept[np.arange(n), rng.integers(d, size=n)] = True
    rows = rng.dirichlet(np.full(d, 0.5), n) * kept + 1e-3 * kept
    rows /= rows.sum(axis=1, keepdims=True)
    rows[0], rows[1], rows[2], rows[3] = np.eye(d)[0], np.eye(d)[1 % d], rows[4], 1.0 / d
    return torch.as_tensor(rows)


def frame_of(d=D, own=OWN):
    sample = np.random.default_rng(9).dirichlet(np.ones(d), 64)
    return KernelContext(torch.as_tensor(sample), torch.tensor(own))


def drawn(covariance, *, seed=0):
    """Hyperparameters ``m x p`` about as wide as their prior."""
    noise = torch.as_tensor(np.random.default_rng(seed).normal(size=tuple(covariance.prior.mean.shape)))
    return covariance.prior.mean + noise * covariance.prior.sd


@pytest.mark.parametrize(("kind", "options"), KERNELS)
def test_a_study_file_can_say_it(kind, options):
    spec = spec_of(kind, options)
    assert isinstance(spec, Kernel)
    assert spec.__dataclass_params__.frozen
    again, faults = build(type(spec), plain(spec))
    assert not faults
    assert again == spec


@pytest.mark.parametrize("d", [1, 2, D, 30])
@pytest.mark.parametrize(("kind", "options"), KERNELS)
def test_positive_semi_definite_symmetric_and_with_the_diagonal_it_says(kind, options, d):
    own = tuple(min(position, d - 1) for position in OWN)
    covariance = spec_of(kind, options).bind(frame_of(d, own))
    X = mixtures(40, d)
    for seed in range(3):
        theta = drawn(covariance, seed=seed)
        matrix = covariance(theta, X.unsqueeze(0))
        assert matrix.shape == (M, 40, 40)
        scale = matrix.diagonal(dim1=-2, dim2=-1).amax().clamp_min(1.0).item()
        torch.testing.assert_close(matrix, matrix.mT, rtol=0.0, atol=1e-12 * scale)
        assert torch.linalg.eigvalsh(matrix).min() >= -1e-8 * scale
        diagonal = covariance.diagonal(theta, X.unsqueeze(0))
        torch.testing.assert_close(diagonal, matrix.diagonal(dim1=-2, dim2=-1), rtol=1e-9, atol=1e-9 * scale)


@pytest.mark.parametrize(("kind", "options"), KERNELS)
def test_a_block_of_the_matrix_is_the_matrix_of_the_block(kind, options):
    covariance = spec_of(kind, options).bind(frame_of())
    theta, X = drawn(covariance), mixtures(12, D)
    whole = covariance(theta, X.unsqueeze(0))
    across = covariance(theta, X[:5].unsqueeze(0), X[5:].unsqueeze(0))
    torch.testing.assert_close(across, whole[:, :5, 5:], rtol=1e-9, atol=1e-11)
    # Batches of either side: b x n x d points against one training set.
    batched = covariance(theta, X[:5].unsqueeze(0), X[5:11].reshape(3, 1, 2, D))
    assert batched.shape == (3, M, 5, 2)
    torch.testing.assert_close(batched[1], whole[:, :5, 7:9], rtol=1e-9, atol=1e-11)
    assert covariance.diagonal(theta, X[:6].reshape(3, 1, 2, D)).shape == (3, M, 2)


@pytest.mark.parametrize(("kind", "options"), KERNELS)
def test_rows_of_theta_are_processes_of_the_metrics_that_are_named(kind, options):
    covariance = spec_of(kind, options).bind(frame_of())
    theta, X = drawn(covariance), mixtures(6, D)
    whole = covariance(theta, X.unsqueeze(0))
    rows = torch.tensor([2, 0])
    torch.testing.assert_close(covariance(theta[rows], X.unsqueeze(0), rows=rows), whole[rows])
    repeated = covariance(theta.repeat(2, 1), X.unsqueeze(0))
    torch.testing.assert_close(repeated, whole.repeat(2, 1, 1))


@pytest.mark.parametrize(("kind", "options"), KERNELS)
def test_permuting_the_domains_permutes_the_hyperparameters(kind, options):
    order = torch.tensor([2, 0, 3, 1])
    frame, spec = frame_of(), spec_of(kind, options)
    own = torch.tensor([-1 if position < 0 else order.tolist().index(position) for position in OWN])
    first, second = spec.bind(frame), spec.bind(KernelContext(frame.sample[:, order], own))
    for one, other in zip(first.prior[:3], second.prior[:3], strict=True):
        torch.testing.assert_close(one.sort(dim=-1).values, other.sort(dim=-1).values)
    X = mixtures(10, D)
    torch.testing.assert_close(
        second(second.prior.start, X[:, order].unsqueeze(0)),
        first(first.prior.start, X.unsqueeze(0)),
        atol=1e-12,
        rtol=0,
    )
    theta, other = drawn(first), counterparts(first, second, X, X[:, order])
    moved = theta[:, other]
    # What metrics share is numbered anew, and is the same.
    alike = zip(first.prior.tied[:, other].flatten().tolist(), second.prior.tied.flatten().tolist(), strict=True)
    numbers = sorted(set(alike))
    assert len({one for one, _ in numbers}) == len({two for _, two in numbers}) == len(numbers)
    torch.testing.assert_close(
        second(moved, X[:, order].unsqueeze(0)), first(theta, X.unsqueeze(0)), rtol=1e-9, atol=1e-10
    )


def counterparts(first, second, X, permuted_X):
    """Which hyperparameter of the first each of the second is: the one that does the same to the matrix."""

    def effects(covariance, points):
        at = covariance.prior.start.clone().requires_grad_()
        matrix = covariance(at, points.unsqueeze(0))
        weights = torch.as_tensor(np.random.default_rng(3).normal(size=(5, *matrix.shape)))
        if not covariance.size:
            return torch.zeros(0, 5 * M)
        found = [torch.autograd.grad((each * matrix).sum(), at, retain_graph=True)[0] for each in weights]
        return torch.cat(found).mT

    apart = (effects(second, permuted_X).unsqueeze(1) - effects(first, X).unsqueeze(0)).abs().amax(dim=-1)
    found = apart.argmin(dim=1) if apart.numel() else torch.zeros(0, dtype=torch.long)
    assert sorted(found.tolist()) == list(range(first.size))
    return found


@pytest.mark.parametrize(("kind", "options"), KERNELS)
def test_the_gradient_in_theta_is_that_of_finite_differences(kind, options):
    covariance = spec_of(kind, options).bind(frame_of())
    theta, X, Z = drawn(covariance), mixtures(8, D), mixtures(7, D, seed=1)
    weights = torch.as_tensor(np.random.default_rng(3).normal(size=(M, 8, 7)))

    def value(at):
        return (weights * covariance(at, X.unsqueeze(0), Z.unsqueeze(0))).sum()

    if not covariance.size:
        return
    at = theta.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(value(at), at)
    step = 1e-5
    for index in np.ndindex(*theta.shape):
        up, down = theta.clone(), theta.clone()
        up[index] += step
        down[index] -= step
        assert gradient[index].item() == pytest.approx(
            (value(up) - value(down)).item() / (2 * step), rel=1e-5, abs=1e-7
        )


@pytest.mark.parametrize(("kind", "options"), KERNELS)
def test_gradients_in_the_weights_are_finite_at_zeros_and_right(kind, options):
    covariance = spec_of(kind, options).bind(frame_of())
    theta, X = covariance.prior.start, mixtures(8, D)
    weights = torch.as_tensor(np.random.default_rng(3).normal(size=(M, 8, 8)))
    at = X.clone().requires_grad_()
    (gradient,) = torch.autograd.grad((weights * covariance(theta, at.unsqueeze(0))).sum(), at)
    assert gradient.isfinite().all()

    def value(points):
        return (weights * covariance(theta, points.unsqueeze(0))).sum().item()

    # Forward differences of second order: there is nothing below zero. The step is small against every offset.
    step, tolerance = 2e-7, 2e-5
    for index in np.ndindex(*X.shape):
        once, twice = X.clone(), X.clone()
        once[index] += step
        twice[index] += 2 * step
        slope = (4 * value(once) - 3 * value(X) - value(twice)) / (2 * step)
        slack = tolerance * max(gradient.abs().amax().item(), 1.0)
        assert gradient[index].item() == pytest.approx(slope, rel=tolerance, abs=slack)


@pytest.mark.parametrize(("kind", "options"), KERNELS)
def test_a_space_of_one_point_has_priors(kind, options):
    frame = KernelContext(torch.full((16, D), 0.25, dtype=torch.float64), torch.tensor(OWN))
    covariance = spec_of(kind, options).bind(frame)
    prior = covariance.prior
    assert all(part.isfinite().all() for part in (prior.mean, prior.sd, prior.start))
    assert (covariance.prior.sd > 0).all()
    assert covariance(covariance.prior.start, frame.sample[:2].unsqueeze(0)).isfinite().all()
