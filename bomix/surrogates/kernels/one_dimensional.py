"""Covariance functions of one number that a metric sees of a mixture: its own weight, or all that count for it.

Shapes as in :mod:`bomix.surrogates.kernels.stationary`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from bomix.contracts.covariance import Covariance, KernelContext, Prior
from bomix.numerics.pairwise import Profile, profiled

if TYPE_CHECKING:
    from torch import Tensor

OFFSET = (-4.0, 1.0)
"""Mean and standard deviation of ``ln e``: ``e`` is about two in a hundred, below which a weight counts as nothing."""
_LENGTHSCALE = (1.0, 0.7)
"""Mean and standard deviation of ``ln l`` in logarithms of effective weights, whose range is about ``ln 1/e = 4``: the
curve may turn once or twice in it."""


class EffectiveWeightCovariance(Covariance):
    """``k(w, v) = exp(-(u(w) - u(v))^2 / 2 l^2)`` with ``u = ln(e + sum_i t_i w_i)``.

    A smooth function of the effective weight, the weight that counts for a metric; a power law is one such function. A
    metric's own domain has ``t`` near one; the others count less, how much less is learnt. Hyperparameters: logarithms
    of ``t_i``, ``e``, ``l``.

    Args:
        context: The space and the metrics.
        share: Median of ``t`` of a domain that is not the metric's own.
        spread: Standard deviation of ``ln t``, also for the metric's own domain, whose median is one.
    """

    label = "effective_weight"

    def __init__(self, context: KernelContext, share: float, spread: float) -> None:
        m, has = context.m, context.own_domains >= 0
        shares = Prior.of_domains(context, "share", math.log(share), spread)
        rows, columns = torch.arange(m)[has], context.own_domains[has]
        shares.mean[rows, columns] = shares.start[rows, columns] = 0.0
        self.prior = Prior.joined(
            [shares, Prior.of(m, ["offset"], *OFFSET), Prior.of(m, ["lengthscale"], *_LENGTHSCALE)]
        )

    def __call__(self, theta: Tensor, X: Tensor, Z: Tensor | None = None, *, rows: Tensor | None = None) -> Tensor:
        """Covariance ``batch x b x n x n'`` of two sets of mixtures, see :class:`Covariance`."""
        first = self._effective(theta, X)
        return self._between(theta, first, first if Z is None else self._effective(theta, Z))

    def diagonal(self, theta: Tensor, X: Tensor) -> Tensor:
        """Variances ``batch x b x n``, all one, at ``batch x 1 x n x d`` mixtures."""
        return torch.ones(*X.shape[:-3], len(theta), X.shape[-2], dtype=X.dtype)

    def towards(self, theta: Tensor, X: Tensor) -> Callable[[Tensor], Tensor]:
        """Covariance with fixed ``1 x n x d`` mixtures, as a function of others."""
        first, shares, offset = self._effective(theta, X), theta[:, :-2].exp(), theta[:, -2:-1].exp()
        return lambda Z: self._between(theta, first, (shares @ Z.squeeze(0).clamp_min(0.0).mT + offset).log())

    def _between(self, theta: Tensor, first: Tensor, second: Tensor) -> Tensor:
        """``batch x b x n x n'`` of two sets of logarithms of effective weights."""
        difference = (first.unsqueeze(-1) - second.unsqueeze(-2)) * (-theta[:, -1]).exp()[:, None, None]
        return torch.exp(-0.5 * difference.square())

    def _effective(self, theta: Tensor, X: Tensor) -> Tensor:
        """``batch x b x n`` logarithms of effective weights."""
        counted = (X.clamp_min(0.0) @ theta[:, :-2].exp().unsqueeze(-1)).squeeze(-1)
        return (counted + theta[:, -2:-1].exp()).log()


class OwnDomainCovariance(Covariance):
    """``k(w, v) = rho((u(w) - u(v))^2 / l^2)`` with ``u = ln(w_own + e)``.

    A smooth function of the weight of the metric's own domain. The covariance is zero for a metric without a domain of
    its own. Hyperparameters: ``ln l`` and ``ln e``.

    Args:
        profile: ``rho``.
        context: The space and the metrics.
        lengthscale: Median of ``l``, in units of ``u``.
        spread: Standard deviation of its logarithm.
    """

    label = "own"

    def __init__(self, profile: Profile, context: KernelContext, lengthscale: float, spread: float) -> None:
        self._profile, self._own_domains = profile, context.own_domains
        prior = Prior.of(context.m, ["lengthscale"], math.log(lengthscale), spread)
        self.prior = Prior.joined([prior, Prior.of(context.m, ["offset"], *OFFSET)])

    def __call__(self, theta: Tensor, X: Tensor, Z: Tensor | None = None, *, rows: Tensor | None = None) -> Tensor:
        """Covariance ``batch x b x n x n'`` of two sets of mixtures, see :class:`Covariance`."""
        domains = self._own_domains_of(theta, rows)
        first = self._logarithm(theta, X, domains)
        difference = first.unsqueeze(-1) - (first if Z is None else self._logarithm(theta, Z, domains)).unsqueeze(-2)
        value = profiled((difference * (-theta[:, 0]).exp()[:, None, None]).square(), self._profile)
        return value * (domains >= 0).to(value)[:, None, None]

    def diagonal(self, theta: Tensor, X: Tensor) -> Tensor:
        """Variances ``batch x b x n``, one or, for a metric without an own domain, zero."""
        has = (self._own_domains_of(theta, None) >= 0).to(X).unsqueeze(-1)
        return has.expand(*X.shape[:-3], len(theta), X.shape[-2])

    def _own_domains_of(self, theta: Tensor, rows: Tensor | None) -> Tensor:
        """``b`` positions of the own domains of the processes' metrics, -1 where there is none."""
        return (
            self._own_domains.repeat(len(theta) // len(self._own_domains)) if rows is None else self._own_domains[rows]
        )

    def _logarithm(self, theta: Tensor, X: Tensor, domains: Tensor) -> Tensor:
        """``u``, ``batch x b x n``, at ``batch x 1 x n x d`` mixtures; of the first domain where a metric has none."""
        weights = X.squeeze(-3).clamp_min(0.0)[..., domains.clamp_min(0)].mT
        return (weights + theta[:, 1:2].exp()).log()
