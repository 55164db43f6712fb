"""What every kernel owes to the Gaussian processes that are built on it."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from bomix.config.build import spec_fields
from bomix.contracts.covariance import Covariance, KernelContext
from bomix.contracts.traits import ComponentTraits, field_values, traits
from bomix.testing.base import SpecBattery

D, M = 4, 3
OWN = (2, -1, 0)
"""Own domains of the three metrics; the second has none."""
ORDER = (2, 0, 3, 1)
"""After the permutation, column ``k`` is what column ``ORDER[k]`` was."""


def sparse_mixtures(n: int, d: int, *, seed: int = 0) -> Tensor:
    """``n x d``: two vertices, a repeat, the centre, and draws of which about half of the weights are zero."""
    rng = np.random.default_rng(seed)
    kept = rng.random((n, d)) < 0.5
    kept[np.arange(n), rng.integers(d, size=n)] = True
    rows = rng.dirichlet(np.full(d, 0.5), n) * kept + 1e-3 * kept
    rows /= rows.sum(axis=1, keepdims=True)
    rows[0], rows[1], rows[2], rows[3] = np.eye(d)[0], np.eye(d)[1 % d], rows[4], 1.0 / d
    return torch.as_tensor(rows)


def context_of(d: int = D, own: tuple[int, ...] = OWN) -> KernelContext:
    """A context of the whole simplex of ``d`` domains."""
    sample = np.random.default_rng(9).dirichlet(np.ones(d), 64)
    return KernelContext(torch.as_tensor(sample), torch.tensor(own))


def drawn(covariance: Covariance, *, seed: int = 0) -> Tensor:
    """Hyperparameters ``m x p`` about as wide as their prior."""
    noise = torch.as_tensor(np.random.default_rng(seed).normal(size=tuple(covariance.prior.mean.shape)))
    return covariance.prior.mean + noise * covariance.prior.sd


def _projections(*shape: int) -> Tensor:
    """Fixed random weights that make one number of a matrix."""
    return torch.as_tensor(np.random.default_rng(3).normal(size=shape))


class KernelBattery(SpecBattery):
    """Tests of a kernel: :class:`bomix.contracts.kernel.Kernel`, ``bind(context) -> Covariance``.

    A kernel says which functions of the mixture a metric may be. Three lines test one of your own::

        class TestMine(KernelBattery):
            spec = MyKernel()

    What is tested, and why:

    * It is a covariance: symmetric, positive semi-definite for any hyperparameters of its prior, on sparse mixtures,
      vertices and repeats, for 1 to 30 domains. A Cholesky factor fails otherwise, in the midst of a study.
    * Blocks, batches, chosen metrics and ``diagonal`` agree with the whole matrix: predictions use them.
    * Another order of the domains is another order of its hyperparameters, priors and shared numbers included.
    * Gradients in the hyperparameters are those of finite differences: fits follow them. Those in the weights are
      finite and right on the boundary of the simplex, where most good mixtures lie: the search follows them.
    * A space that is a single point still has priors.
    * 0 and -1 in a field that is a number are a fault, or a covariance that works: no fit may break on them.
    * It is a frozen dataclass that a study file can say.

    Attributes:
        spec: The kernel.
        untried: Fields that are numbers and in which 0 and -1 are not tried.
        slope_tolerance: Relative error of finite differences in the weights that is let pass.
    """

    group = "kernel"
    untried: ClassVar[tuple[str, ...]] = ()
    slope_tolerance: ClassVar[float] = 2e-5

    @pytest.mark.parametrize("d", [1, 2, D, 30])
    def test_positive_semi_definite_symmetric_and_with_the_diagonal_it_says(self, d: int) -> None:
        """Otherwise no Cholesky factor exists, or variances of predictions are not those of the process."""
        own = tuple(min(position, d - 1) for position in OWN)
        covariance = self.spec.bind(context_of(d, own))
        X = sparse_mixtures(40, d)
        for seed in range(3):
            theta = drawn(covariance, seed=seed)
            matrix = covariance(theta, X.unsqueeze(0))
            assert matrix.shape == (M, 40, 40)
            scale = matrix.diagonal(dim1=-2, dim2=-1).amax().clamp_min(1.0).item()
            torch.testing.assert_close(matrix, matrix.mT, rtol=0.0, atol=1e-12 * scale)
            assert torch.linalg.eigvalsh(matrix).min() >= -1e-8 * scale
            diagonal = covariance.diagonal(theta, X.unsqueeze(0))
            torch.testing.assert_close(diagonal, matrix.diagonal(dim1=-2, dim2=-1), rtol=1e-9, atol=1e-9 * scale)

    def test_a_block_of_the_matrix_is_the_matrix_of_the_block(self) -> None:
        """Predictions take blocks: new mixtures against those of the trials, in batches on either side."""
        covariance = self.spec.bind(context_of())
        theta, X = drawn(covariance), sparse_mixtures(12, D)
        whole = covariance(theta, X.unsqueeze(0))
        across = covariance(theta, X[:5].unsqueeze(0), X[5:].unsqueeze(0))
        torch.testing.assert_close(across, whole[:, :5, 5:], rtol=1e-9, atol=1e-11)
        towards = covariance.towards(theta, X[:5].unsqueeze(0))
        torch.testing.assert_close(towards(X[5:].unsqueeze(0)), across, rtol=1e-9, atol=1e-11)
        # Batches of either side: b x n x d points against one training set.
        batched = covariance(theta, X[:5].unsqueeze(0), X[5:11].reshape(3, 1, 2, D))
        assert batched.shape == (3, M, 5, 2)
        torch.testing.assert_close(batched[1], whole[:, :5, 7:9], rtol=1e-9, atol=1e-11)
        assert covariance.diagonal(theta, X[:6].reshape(3, 1, 2, D)).shape == (3, M, 2)

    def test_rows_of_theta_are_processes_of_the_metrics_that_are_named(self) -> None:
        """Fits of some metrics, and draws of hyperparameters for all, hand over rows that are not ``m`` in turn."""
        covariance = self.spec.bind(context_of())
        theta, X = drawn(covariance), sparse_mixtures(6, D)
        whole = covariance(theta, X.unsqueeze(0))
        rows = torch.tensor([2, 0])
        torch.testing.assert_close(covariance(theta[rows], X.unsqueeze(0), rows=rows), whole[rows])
        repeated = covariance(theta.repeat(2, 1), X.unsqueeze(0))
        torch.testing.assert_close(repeated, whole.repeat(2, 1, 1))

    def test_permuting_the_domains_permutes_the_hyperparameters(self) -> None:
        """Domains have names and no order; a prior that treats the first column otherwise is a slip."""
        order = torch.tensor(ORDER)
        context = context_of()
        own = torch.tensor([-1 if position < 0 else ORDER.index(position) for position in OWN])
        first, second = self.spec.bind(context), self.spec.bind(KernelContext(context.sample[:, order], own))
        for one, other in zip(first.prior[:3], second.prior[:3], strict=True):
            torch.testing.assert_close(one.sort(dim=-1).values, other.sort(dim=-1).values)
        X = sparse_mixtures(10, D)
        at_start = second(second.prior.start, X[:, order].unsqueeze(0))
        torch.testing.assert_close(at_start, first(first.prior.start, X.unsqueeze(0)), atol=1e-12, rtol=0)
        theta, other = drawn(first), _counterparts(first, second, X, X[:, order])
        # What metrics share is numbered anew, and is the same.
        tied = zip(first.prior.tied[:, other].flatten().tolist(), second.prior.tied.flatten().tolist(), strict=True)
        numbers = sorted(set(tied))
        assert len({one for one, _ in numbers}) == len({two for _, two in numbers}) == len(numbers)
        permuted = second(theta[:, other], X[:, order].unsqueeze(0))
        torch.testing.assert_close(permuted, first(theta, X.unsqueeze(0)), rtol=1e-9, atol=1e-10)

    def test_the_gradient_in_theta_is_that_of_finite_differences(self) -> None:
        """Fits climb the marginal likelihood along it."""
        covariance = self.spec.bind(context_of())
        theta, X, Z = drawn(covariance), sparse_mixtures(8, D), sparse_mixtures(7, D, seed=1)
        weights = _projections(M, 8, 7)

        def value(at: Tensor) -> Tensor:
            total: Tensor = (weights * covariance(at, X.unsqueeze(0), Z.unsqueeze(0))).sum()
            return total

        if not covariance.size:
            return
        at = theta.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(value(at), at)
        step = 1e-5
        for index in np.ndindex(*theta.shape):
            up, down = theta.clone(), theta.clone()
            up[index] += step
            down[index] -= step
            slope = (value(up) - value(down)).item() / (2 * step)
            assert gradient[index].item() == pytest.approx(slope, rel=1e-5, abs=1e-7)

    def test_gradients_in_the_weights_are_finite_at_zeros_and_right(self) -> None:
        """The search for the next mixture follows them, and good mixtures have zeros: no ``sqrt'(0)``."""
        covariance = self.spec.bind(context_of())
        theta, X = covariance.prior.start, sparse_mixtures(8, D)
        weights = _projections(M, 8, 8)
        at = X.clone().requires_grad_()
        (gradient,) = torch.autograd.grad((weights * covariance(theta, at.unsqueeze(0))).sum(), at)
        assert gradient.isfinite().all()

        def value(points: Tensor) -> float:
            return float((weights * covariance(theta, points.unsqueeze(0))).sum().item())

        # Forward differences of second order: there is nothing below zero. The step is small against every offset.
        step, tolerance = 2e-7, self.slope_tolerance
        slack = tolerance * max(gradient.abs().amax().item(), 1.0)
        for index in np.ndindex(*X.shape):
            once, twice = X.clone(), X.clone()
            once[index] += step
            twice[index] += 2 * step
            slope = (4 * value(once) - 3 * value(X) - value(twice)) / (2 * step)
            assert gradient[index].item() == pytest.approx(slope, rel=tolerance, abs=slack)

    def test_a_space_of_one_point_has_priors(self) -> None:
        """Bounds may leave a single mixture; scales that come from distances in the space are then zero."""
        context = KernelContext(torch.full((16, D), 0.25, dtype=torch.float64), torch.tensor(OWN))
        covariance = self.spec.bind(context)
        assert all(part.isfinite().all() for part in covariance.prior[:3])
        assert (covariance.prior.sd > 0).all()
        assert covariance(covariance.prior.start, context.sample[:2].unsqueeze(0)).isfinite().all()

    @pytest.mark.parametrize("value", [0.0, -1.0])
    def test_zero_and_less_are_faults_or_numbers_that_work(self, value: float) -> None:
        """A slip in the study file is told before anything is trained, not by a fit that breaks after hours."""
        for field in spec_fields(type(self.spec)):
            if type(field_values(self.spec)[field.name]) is not float or field.name in self.untried:
                continue
            spec = dataclasses.replace(self.spec, **{field.name: value})
            if found := traits(spec, ComponentTraits).faults():
                assert any(fault.where == field.name for fault in found), f"no fault names {field.name} = {value:g}"
                continue
            covariance = spec.bind(context_of())
            assert (covariance.prior.sd > 0.0).all(), f"{field.name} = {value:g} passes"
            for theta in (covariance.prior.start, drawn(covariance)):
                matrix = covariance(theta, sparse_mixtures(12, D).unsqueeze(0))
                assert matrix.isfinite().all(), f"{field.name} = {value:g} passes"
                scale = matrix.diagonal(dim1=-2, dim2=-1).amax().clamp_min(1.0).item()
                assert torch.linalg.eigvalsh(matrix).min() >= -1e-8 * scale, f"{field.name} = {value:g} passes"


def _counterparts(first: Covariance, second: Covariance, X: Tensor, permuted_X: Tensor) -> Tensor:
    """Which hyperparameter of the first each of the second is: the one that does the same to the matrix."""

    def effects(covariance: Covariance, points: Tensor) -> Tensor:
        at = covariance.prior.start.clone().requires_grad_()
        matrix = covariance(at, points.unsqueeze(0))
        weights = _projections(5, *matrix.shape)
        if not covariance.size:
            return torch.zeros(0, 5 * M)
        found = [torch.autograd.grad((each * matrix).sum(), at, retain_graph=True)[0] for each in weights]
        return torch.cat(found).mT

    differences = (effects(second, permuted_X).unsqueeze(1) - effects(first, X).unsqueeze(0)).abs().amax(dim=-1)
    found = differences.argmin(dim=1) if differences.numel() else torch.zeros(0, dtype=torch.long)
    assert sorted(found.tolist()) == list(range(first.size))
    return found
