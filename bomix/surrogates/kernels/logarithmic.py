"""The covariance function of straight lines in logarithms of weights: losses that rise steeply towards zero weight.

``u(x) = ln((x + e) / (c + e))`` of a weight ``x`` is zero at its centre ``c`` of the space and falls by
``ln(1 + c / e)`` down to zero weight, some three times its standard deviation over the space; runs of a small design
hardly go there. A stationary covariance returns to the mean where there are no runs and so expects little to happen; a
line goes on. The laws of mixtures are between half and three times as steep in ``u`` below five per cent as above.

Shapes as in :mod:`bomix.surrogates.kernels.stationary`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from bomix.contracts.covariance import Covariance, KernelContext, Prior
from bomix.surrogates.kernels.one_dimensional import OFFSET

if TYPE_CHECKING:
    from torch import Tensor

_OWN_SPREAD = 1.0
"""Standard deviation of the logarithm of the own domain's relevance: that it matters is known, and about how much."""


class LogarithmicCovariance(Covariance):
    """``k(w, v) = sum_i r_i u_i(w) u_i(v)``: a line in the logarithm of each weight, few of which matter.

    Each slope has the prior ``N(0, r_i)``. The relevance ``r_i`` of the metric's own domain is large a priori, that of
    the others small and of any size; a metric without a domain of its own finds it among all. Hyperparameters:
    logarithms of ``r_i`` and ``e``.

    Args:
        context: The space and the metrics; ``c`` is its centre.
        known: Median of the relevance of a metric's own domain.
        other: Median of that of another domain.
        unknown: Median of that of every domain for a metric that has none of its own.
        spread: Standard deviation of the logarithms of the latter two.
    """

    label = "logarithmic"

    def __init__(self, context: KernelContext, *, known: float, other: float, unknown: float, spread: float) -> None:
        self._centre = context.sample.mean(dim=0)
        has = context.own_domains >= 0
        rows, columns = torch.arange(context.m)[has], context.own_domains[has]
        relevance = Prior.of_domains(context, "relevance", math.log(other), spread)
        relevance.mean[~has] = math.log(unknown)
        relevance.mean[rows, columns] = math.log(known)
        relevance.sd[rows, columns] = _OWN_SPREAD
        relevance.start.copy_(relevance.mean)
        self.prior = Prior.joined([relevance, Prior.of(context.m, ["offset"], *OFFSET)])

    def __call__(self, theta: Tensor, X: Tensor, Z: Tensor | None = None, *, rows: Tensor | None = None) -> Tensor:
        """Covariance ``batch x b x n x n'`` of two sets of mixtures, see :class:`Covariance`."""
        first = self._lines(theta, X)
        second = first if Z is None else self._lines(theta, Z)
        return (first * theta[:, :-1].exp().unsqueeze(-2)) @ second.mT

    def diagonal(self, theta: Tensor, X: Tensor) -> Tensor:
        """Variances ``sum_i r_i u_i^2``, ``batch x b x n``, at ``batch x 1 x n x d`` mixtures."""
        return (self._lines(theta, X).square() * theta[:, :-1].exp().unsqueeze(-2)).sum(dim=-1)

    def towards(self, theta: Tensor, X: Tensor) -> Callable[[Tensor], Tensor]:
        """Covariance with fixed ``1 x n x d`` mixtures, as a function of others."""
        weighted = self._lines(theta, X) * theta[:, :-1].exp().unsqueeze(-2)
        return lambda Z: weighted @ self._lines(theta, Z).mT

    def _lines(self, theta: Tensor, X: Tensor) -> Tensor:
        """``u_i``, ``batch x b x n x d``, at ``batch x 1 x n x d`` mixtures."""
        offset = theta[:, -1:].exp().unsqueeze(-2)
        return ((X.clamp_min(0.0) + offset) / (self._centre + offset)).log()
