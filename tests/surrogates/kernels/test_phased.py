"""The covariance of two phases: that of one mixture where runs are tied, a covariance in any case."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bomix.contracts.covariance import KernelContext
from bomix.space.phases import Phases
from bomix.surrogates.kernels.phased import PhasedCovariance
from bomix.surrogates.kernels.presets import MIXED_KERNELS

PHASES = Phases(("pretrain", "anneal"), (0.8, 0.2), ("a", "b", "c"))


def runs(n, seed=0):
    rng = np.random.default_rng(seed)
    first, last = (rng.dirichlet(np.full(3, 0.5), n) for _ in range(2))
    sides = [first @ PHASES.part("pretrain").T * 0.64, last @ PHASES.part("anneal").T * 0.04]
    return torch.as_tensor(sum(sides))


@pytest.fixture(scope="module", params=range(len(MIXED_KERNELS)))
def parts(request):
    sample = torch.as_tensor(np.random.default_rng(1).dirichlet(np.ones(3), 64))
    base = MIXED_KERNELS[request.param].bind(KernelContext(sample, torch.tensor([0, -1])))
    covariance = PhasedCovariance(base, PHASES)
    prior, rng = covariance.prior, torch.Generator().manual_seed(2)
    noise = torch.randn(prior.mean.shape, generator=rng, dtype=torch.float64)
    return base, covariance, prior.mean + prior.sd * noise


def test_it_is_a_covariance_and_its_blocks_and_diagonal_agree(parts):
    _, covariance, theta = parts
    X = runs(20)
    whole = covariance(theta, X.unsqueeze(0))
    assert torch.linalg.eigvalsh(whole).min() > -1e-8 * whole.diagonal(dim1=-2, dim2=-1).max()
    torch.testing.assert_close(covariance.diagonal(theta, X.unsqueeze(0)), whole.diagonal(dim1=-2, dim2=-1))
    block = covariance(theta, X[:8].unsqueeze(0), X[8:].unsqueeze(0))
    torch.testing.assert_close(block, whole[:, :8, 8:])
    torch.testing.assert_close(covariance.towards(theta, X[:8].unsqueeze(0))(X[8:].unsqueeze(0)), block)
    batched = covariance(theta, X[:5].unsqueeze(0), X[5:11].reshape(3, 1, 2, 6))
    torch.testing.assert_close(batched[1], whole[:, :5, 7:9])
    diagonal = covariance.diagonal(theta, X[:6].reshape(3, 1, 2, 6))
    torch.testing.assert_close(diagonal[2], whole.diagonal(dim1=-2, dim2=-1)[:, 4:6])


def test_tied_runs_are_seen_as_runs_of_one_mixture(parts):
    base, covariance, theta = parts
    whole = runs(10) @ torch.as_tensor(PHASES.sums)
    tied = whole @ torch.as_tensor(PHASES.spread)
    found = covariance(theta, tied.unsqueeze(0))
    torch.testing.assert_close(found, base(theta[:, :-2], whole.unsqueeze(0)), rtol=1e-9, atol=1e-9)


def test_where_order_does_not_matter_runs_of_one_aggregate_are_one(parts):
    _, covariance, theta = parts
    none = theta.clone()
    none[:, -2:] = -40.0
    X = runs(10)
    tied = X @ torch.as_tensor(PHASES.sums @ PHASES.spread)
    found = covariance(none, X.unsqueeze(0), tied.unsqueeze(0))
    torch.testing.assert_close(found, covariance(none, tied.unsqueeze(0)), rtol=1e-9, atol=1e-9)
