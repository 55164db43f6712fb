"""Kernels that are none."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from bomix.contracts.covariance import Covariance, Prior
from bomix.testing import KernelBattery


class Squared(Covariance):
    """``s (1 + (x . z))^2``, right but for what a subclass changes."""

    def __init__(self, context, **changes):
        self.prior = Prior.of(context.m, ["variance"], 0.0, 0.5)
        self.context = context
        self.changes = changes

    def __call__(self, theta, X, Z=None, *, rows=None):
        other = X if Z is None else Z
        base = (1.0 + X @ other.mT) ** 2
        if self.changes.get("asymmetric"):
            base = base + 0.1 * X.sum(-1, keepdim=True) * X[..., :1]
        if self.changes.get("indefinite"):
            base = base - 4.0
        if self.changes.get("first_domain"):
            base = base * (1.0 + X[..., :1] * other[..., :1].mT)
        if self.changes.get("kink"):
            base = base + (X[..., :1].sqrt() * other[..., :1].sqrt().mT)
        if self.changes.get("whole_set"):
            base = base / X.shape[-2]
        scale = theta.exp() if not self.changes.get("cut") else theta.exp().detach() + 0.0 * theta
        if self.changes.get("in_turn") and rows is not None:
            scale = scale.flip(0)
        if self.changes.get("relative"):
            base = base / self.context.sample.std(dim=0).sum()
        return scale.unsqueeze(-1) * base

    def diagonal(self, theta, X):
        if self.changes.get("other_diagonal"):
            return theta.exp() * torch.ones_like(X[..., 0])
        return torch.diagonal(self(theta, X), dim1=-2, dim2=-1)


@dataclass(frozen=True)
class Kernel:
    change: str = ""

    def bind(self, context):
        return Squared(context, **{self.change: True})


@dataclass(frozen=True)
class Misspelt(Kernel):
    def metrics_faults(self, metrics):
        return []


@dataclass(frozen=True)
class Unchecked:
    """A prior of no width is divided by in a fit."""

    spread: float = 0.5

    def bind(self, context):
        found = Squared(context)
        found.prior = Prior.of(context.m, ["variance"], 0.0, self.spread)
        return found


class TestUnchecked(KernelBattery):
    spec = Unchecked()
    caught_by = ("test_zero_and_less_are_faults_or_numbers_that_work",)


class TestMisspelt(KernelBattery):
    spec = Misspelt()
    caught_by = ("test_its_traits_are_spelt_and_typed_as_its_contract_says",)


class TestAsymmetric(KernelBattery):
    spec = Kernel("asymmetric")
    caught_by = ("test_positive_semi_definite_symmetric_and_with_the_diagonal_it_says",)


class TestIndefinite(KernelBattery):
    spec = Kernel("indefinite")
    caught_by = ("test_positive_semi_definite_symmetric_and_with_the_diagonal_it_says",)


class TestAnotherDiagonal(KernelBattery):
    spec = Kernel("other_diagonal")
    caught_by = ("test_positive_semi_definite_symmetric_and_with_the_diagonal_it_says",)


class TestTheFirstDomainIsAnother(KernelBattery):
    spec = Kernel("first_domain")
    caught_by = ("test_permuting_the_domains_permutes_the_hyperparameters",)


class TestDependsOnTheOthers(KernelBattery):
    spec = Kernel("whole_set")
    caught_by = ("test_a_block_of_the_matrix_is_the_matrix_of_the_block",)


class TestRowsInTurn(KernelBattery):
    spec = Kernel("in_turn")
    caught_by = ("test_rows_of_theta_are_processes_of_the_metrics_that_are_named",)


class TestNoGradientInTheta(KernelBattery):
    spec = Kernel("cut")
    caught_by = ("test_the_gradient_in_theta_is_that_of_finite_differences",)


class TestKinkAtZero(KernelBattery):
    spec = Kernel("kink")
    caught_by = ("test_gradients_in_the_weights_are_finite_at_zeros_and_right",)


class TestRelativeToTheSpace(KernelBattery):
    spec = Kernel("relative")
    caught_by = ("test_a_space_of_one_point_has_priors",)
