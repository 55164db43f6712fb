"""A table of metrics with gaps, completed: one joint Gaussian of every metric of every trial.

Each metric has a covariance ``C_i`` of its own over the ``n`` trials, noise included. What drives it is white,
``y_i = mu_i + C_i^(1/2) z_i``, and the metrics share it: ``cov(z_i, z_j) = R_ij I``. So

    cov(y_i, y_j) = C_i^(1/2) R_ij C_j^(1/2),    cov(y_i) = C_i,

positive definite for any correlation ``R`` and any covariances whatever, each metric alone as if there were no others.
It is to the trials what a process convolution [VerHoef1998]_ is to space: metrics that vary along different domains
still share what drives them. Nothing is assumed of the covariances, so that every kernel, sum and mixture of kernels
is allowed.

References:
    [VerHoef1998] Constructing and fitting models for cokriging and multivariable spatial prediction (convolutions of
        shared white noise).
    [Dempster1977] Maximum likelihood from incomplete data via the EM algorithm.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from bomix.numerics.marginal import noisy_factor

_LEAST = 1e-10
"""Least eigenvalue of a covariance, a millionth of the least noise: below it a root is rounding."""


class Whitening(NamedTuple):
    """Roots of ``m`` covariance matrices.

    Attributes:
        root: ``m x n x n``, symmetric ``C^(1/2)``.
        white: ``m x n x n``, symmetric ``C^(-1/2)``.
    """

    root: Tensor
    white: Tensor

    @classmethod
    def of(cls, matrices: Tensor) -> Whitening:
        """Roots of ``m x n x n`` positive definite matrices."""
        values, vectors = torch.linalg.eigh(matrices)
        values = values.clamp_min(_LEAST).unsqueeze(-2)
        return cls((vectors * values.sqrt()) @ vectors.mT, (vectors * values.rsqrt()) @ vectors.mT)


class LeftOut(NamedTuple):
    """The completed table without one trial.

    Attributes:
        values: ``m x n`` observed and expected entries; those of the trial itself mean nothing.
        spread: ``k x k`` covariance of the missing entries.
    """

    values: Tensor
    spread: Tensor


class Table:
    """The missing entries given the observed ones.

    Args:
        whitening: Roots of the metrics' covariances.
        targets: ``m x n``, NaN where missing, and at least one entry of each trial there.
        correlation: ``m x m``, positive definite.

    Attributes:
        means: ``m`` constant means, the best for the observed entries.
        values: ``m x n``, the observed entries, and the expectation of the others.
        missing: ``k`` positions of the missing entries in ``values.flatten()``, the first metric's first.
        spread: ``k x k`` covariance of the missing entries.
    """

    def __init__(self, whitening: Whitening, targets: Tensor, correlation: Tensor) -> None:
        root, white = whitening
        m, n = targets.shape
        self.whitening, self._n = whitening, n
        seen = ~targets.isnan()
        flat = seen.flatten()
        self._observed, self.missing = flat.nonzero().squeeze(-1), (~flat).nonzero().squeeze(-1)
        known = targets.flatten()[self._observed]
        metric = self._observed // n
        if not len(self.missing):
            weight = (white @ white).sum(dim=-1)
            self.means = (weight * targets).sum(dim=-1) / weight.sum(dim=-1)
            self.values, self.spread = targets, targets.new_zeros(0, 0)
            return
        joint = torch.einsum("iab,ij,jbc->iajc", root, correlation, root).reshape(m * n, m * n)
        factor = noisy_factor(joint[self._observed][:, self._observed], torch.zeros_like(known), flat[self._observed])
        across = joint[self.missing][:, self._observed]
        self._precision = torch.cholesky_inverse(factor)
        self._gain = across @ self._precision
        self.means = self._best_means(known, metric, m)
        self._residual = known - self.means[metric]
        values = targets.flatten().clone()
        values[self.missing] = self._missing_means() + self._gain @ self._residual
        self.values = values.reshape(m, n)
        self.spread = joint[self.missing][:, self.missing] - self._gain @ across.mT

    def second_moment(self) -> Tensor:
        """Expectation of ``z z^T / n``, ``m x m``: what the correlation would be if the missing entries were seen."""
        white, (m, n) = self.whitening.white, self.values.shape
        z = (white @ (self.values - self.means.unsqueeze(-1)).unsqueeze(-1)).squeeze(-1)
        total = z @ z.mT
        if len(self.missing):
            metric, trial = self.missing // n, self.missing % n
            # tr(W_i V_ij W_j), summed over pairs of missing entries; each has its column of W.
            inner = white[metric, trial]
            total = total + _by_metric(self.spread * (inner @ inner.mT), metric, m)
        return total / n

    def root(self) -> Tensor:
        """A square root ``k x k`` of the covariance of the missing entries; noise makes them positive definite."""
        some = torch.ones(len(self.missing), dtype=torch.bool)
        return noisy_factor(self.spread, torch.zeros(len(some), dtype=self.spread.dtype), some)

    def sample(self, generator: torch.Generator) -> Tensor:
        """A draw of the full table, ``m x n``."""
        white = torch.randn(len(self.missing), 1, generator=generator, dtype=self.values.dtype)
        values = self.values.flatten().clone()
        values[self.missing] += (self.root() @ white).squeeze(-1)
        return values.reshape(self.values.shape)

    def without(self, trial: int) -> LeftOut:
        """The table if a trial had no metric at all; means and coupling stay as they are."""
        if not len(self.missing):
            return LeftOut(self.values, self.spread)
        out = (self._observed % self._n == trial).nonzero().squeeze(-1)
        inside = torch.linalg.inv(self._precision[out][:, out])
        surprise = inside @ (self._precision[out] @ self._residual)
        gain = self._gain[:, out]
        values = self.values.flatten().clone()
        values[self.missing] -= gain @ surprise
        return LeftOut(values.reshape(self.values.shape), self.spread + gain @ inside @ gain.mT)

    def _best_means(self, known: Tensor, metric: Tensor, m: int) -> Tensor:
        """The generalised-least-squares means of the observed entries, all metrics at once; zero without any."""
        belongs = torch.nn.functional.one_hot(metric, m).to(known)
        has = belongs.any(dim=0)
        weight = belongs.mT @ self._precision
        means = known.new_zeros(m)
        means[has] = torch.linalg.solve((weight @ belongs)[has][:, has], (weight @ known)[has])
        return means

    def _missing_means(self) -> Tensor:
        """The constant means of the ``k`` missing entries' metrics."""
        return self.means[self.missing // self._n]


def shared_correlation(
    whitenings: Sequence[Sequence[Whitening]], targets: Tensor, *, shrinkage: float, rounds: int = 15
) -> Tensor:
    """The correlation of what drives the metrics, by expectation and maximisation [Dempster1977]_.

    Args:
        whitenings: Roots of the covariances of each family, for each draw of hyperparameters.
        targets: ``m x n``, NaN where missing.
        shrinkage: Trials that the identity counts as.
        rounds: Iterations where entries are missing, on the first draw of each family.

    Returns:
        ``m x m``, ones on the diagonal; the identity's row for a metric that no trial has.
    """
    m, n = targets.shape
    found = []
    for draws in whitenings:
        start = torch.eye(m, dtype=targets.dtype)
        for _ in range(rounds if targets.isnan().any() else 0):
            start = shrunk(Table(draws[0], targets, start).second_moment(), n, shrinkage)
        found += [shrunk(Table(draw, targets, start).second_moment(), n, shrinkage) for draw in draws]
    return torch.stack(found).mean(dim=0)


def shrunk(moment: Tensor, n: int, shrinkage: float) -> Tensor:
    """The correlation of an ``m x m`` second moment of ``n`` trials, the identity counted as some more."""
    scale = moment.diagonal().clamp_min(_LEAST).rsqrt()
    # A factorisation reads one triangle only: an asymmetry of rounding would grow from round to round.
    correlation = n / (n + shrinkage) * 0.5 * (moment + moment.mT) * scale * scale.unsqueeze(-1)
    return correlation.fill_diagonal_(1.0)


def _by_metric(matrix: Tensor, metric: Tensor, m: int) -> Tensor:
    """Sums ``m x m`` of a ``k x k`` matrix over the entries of each pair of metrics."""
    rows = matrix.new_zeros(m, len(metric)).index_add(0, metric, matrix)
    return matrix.new_zeros(m, m).index_add(1, metric, rows)
