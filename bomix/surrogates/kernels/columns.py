"""Covariances of inputs that are more than weights: those of the weights alone, and of the columns behind them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch

from bomix.contracts.covariance import Covariance, KernelContext, Prior
from bomix.numerics.pairwise import PROFILES, scaled_profile

if TYPE_CHECKING:
    from torch import Tensor

_RELEVANCE = 1.0
"""Standard deviation of ``ln r``: a column may matter several times as much as another one."""
_CURVATURE = (-1.2, 0.7)
"""Mean and standard deviation of ``ln b``: a curve of lengthscale three, nearly straight over the runs."""
_VARIANCE = (-2.3, 1.0)
"""Mean and standard deviation of ``ln v``: the curve explains a tenth of what the line does."""


class WeightsCovariance(Covariance):
    """``k((w, x), (v, z)) = k_base(w, v)``: a covariance of weights ``w`` for inputs with columns ``x`` behind them.

    Args:
        base: The covariance of weights.
        d: Number of weights; they are the first of the inputs.
    """

    def __init__(self, base: Covariance, d: int) -> None:
        self.base, self._d, self.prior, self.label = base, d, base.prior, base.label

    def __call__(self, theta: Tensor, X: Tensor, Z: Tensor | None = None, *, rows: Tensor | None = None) -> Tensor:
        """Covariance ``batch x b x n x n'`` of two sets of inputs, see :class:`Covariance`."""
        return self.base(theta, X[..., : self._d], None if Z is None else Z[..., : self._d], rows=rows)

    def diagonal(self, theta: Tensor, X: Tensor) -> Tensor:
        """Variances ``batch x b x n`` at ``batch x 1 x n x (d + p)`` inputs."""
        return self.base.diagonal(theta, X[..., : self._d])

    def towards(self, theta: Tensor, X: Tensor) -> Callable[[Tensor], Tensor]:
        """Covariance with fixed ``1 x n x (d + p)`` inputs, as a function of others."""
        base = self.base.towards(theta, X[..., : self._d])
        return lambda Z: base(Z[..., : self._d])


class ColumnsCovariance(Covariance):
    """``k(x, z) = sum_i r_i^2 x_i z_i + v rho(sum_i (b r_i)^2 (x_i - z_i)^2)``.

    A linear and a smooth function of the columns ``x_i`` that a metric sees, with relevances ``r_i``, and ``v`` the
    variance and ``b`` the curvature of the smooth function, ``rho`` Matern-5/2. A column that does not matter for the
    linear part does not matter for the smooth one, so that few hyperparameters do for many columns. Columns and metrics
    are standardised; the linear part has a variance of about one a priori, all columns together. Hyperparameters:
    logarithms of ``r_i``, ``b``, ``v``.

    Args:
        context: The space and the metrics.
        index: ``m x c`` positions of each metric's columns, counted behind the weights.
    """

    label = "columns"

    def __init__(self, context: KernelContext, index: Tensor) -> None:
        self._at, self._m = context.d + index, context.m
        m, count = index.shape
        names = [f"relevance[{number}]" for number in range(1, count + 1)]
        relevance = Prior.of(m, names, -0.5 * float(torch.tensor(float(max(count, 1))).log()), _RELEVANCE)
        self.prior = Prior.joined(
            [relevance, Prior.of(m, ["curvature"], *_CURVATURE), Prior.of(m, ["variance"], *_VARIANCE)]
        )

    def __call__(self, theta: Tensor, X: Tensor, Z: Tensor | None = None, *, rows: Tensor | None = None) -> Tensor:
        """Covariance ``batch x b x n x n'`` of two sets of inputs, see :class:`Covariance`."""
        relevance, curvature, variance = self._parts(theta)
        first = self._columns(theta, X, rows)
        second = first if Z is None else self._columns(theta, Z, rows)
        line = (first * relevance.square()) @ second.mT
        return line + variance * scaled_profile(first, second, relevance * curvature, PROFILES["matern52"])

    def diagonal(self, theta: Tensor, X: Tensor) -> Tensor:
        """Variances ``sum_i r_i^2 x_i^2 + v``, ``batch x b x n``, at ``batch x 1 x n x (d + p)`` inputs."""
        relevance, _, variance = self._parts(theta)
        return (relevance * self._columns(theta, X, None)).square().sum(dim=-1) + variance.squeeze(-1)

    def _parts(self, theta: Tensor) -> Sequence[Tensor]:
        """Relevances ``b x 1 x c``, curvature ``b x 1 x 1`` and variance ``b x 1 x 1``."""
        positive = theta.exp().unsqueeze(-2)
        return positive[..., :-2], positive[..., -2:-1], positive[..., -1:]

    def _columns(self, theta: Tensor, X: Tensor, rows: Tensor | None) -> Tensor:
        """The columns that the metric of each process sees, ``batch x b x n x c``."""
        metrics = torch.arange(self._m).repeat(len(theta) // self._m) if rows is None else rows
        return X.squeeze(-3)[..., self._at[metrics]].movedim(-2, -3)
