"""Covariances of sums of curves, one in the weight of each domain.

Shapes as in :mod:`bomix.surrogates.kernels.stationary`.

References:
    [Duvenaud2011] Additive Gaussian processes.
    [Tipping2001] Sparse Bayesian learning and the relevance vector machine.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from bomix.contracts.covariance import Covariance, KernelContext, Prior
from bomix.numerics.pairwise import in_blocks, pairs, profiled

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.numerics.pairwise import Profile

_START = 0.1
"""Relevance at which a search starts, above its median: from less, what all weights do together explains everything,
and no curve is found (regret 0.045 instead of 0.012 at 50 domains, two seeds)."""
_KNOTS = 8
"""Points between which the curve that all domains share runs: it is smooth over lengthscales, and their range of
weights has one or two."""
_JITTER = 1e-8
"""Added to the knots' covariance, of variance one, so that it has a factor."""


class SparseCurvesCovariance(Covariance):
    """``k(w, v) = sum_i r_i rho((u(w_i) - u(v_i))^2 / l^2)`` with ``u(x) = ln(x + e)``.

    A sum of curves, one in each domain's weight [Duvenaud2011]_. The hyperparameters are ``d`` logarithms of relevances
    ``r``, each metric's own under a wide prior about a small median: the marginal likelihood drives those that are not
    needed to nothing [Tipping2001]_, and what is left says which domains a metric falls with. Lengthscale and offset
    are the same for all, so that ``m`` metrics cost ``d`` matrices of profiles and a product.

    Args:
        profile: ``rho``.
        context: The space and the metrics.
        lengthscale: ``l``, in units of ``u``.
        eps: ``e``, a share.
        relevance: Median of ``r``.
        spread: Standard deviation of ``ln r``.
        own_relevance: Median of ``r`` of a metric's own domain, where it is known.
    """

    label = "curves"

    def __init__(
        self,
        profile: Profile,
        context: KernelContext,
        *,
        lengthscale: float,
        eps: float,
        relevance: float,
        spread: float,
        own_relevance: float,
    ) -> None:
        self._profile, self._lengthscale, self._eps = profile, lengthscale, eps
        names = [f"relevance[{domain}]" for domain in context.domains]
        prior = Prior.of(context.m, names, math.log(relevance), spread, math.log(_START))
        has = context.own_domains >= 0
        rows, columns = torch.arange(context.m)[has], context.own_domains[has]
        prior.mean[rows, columns] = prior.start[rows, columns] = math.log(own_relevance)
        self.prior = prior._replace(tied=torch.full_like(prior.tied, -1))

    def __call__(self, theta: Tensor, X: Tensor, Z: Tensor | None = None, *, rows: Tensor | None = None) -> Tensor:
        """Covariance ``batch x b x n x n'`` of two sets of mixtures, see :class:`Covariance`."""
        first = _logarithms(X, self._eps) / self._lengthscale
        second = first if Z is None else _logarithms(Z, self._eps) / self._lengthscale

        def summed(points: Tensor, others: Tensor, relevances: Tensor) -> Tensor:
            squared = (points.unsqueeze(-2) - others.unsqueeze(-3)).square()
            return (profiled(squared, self._profile) @ relevances.mT).squeeze(-4).movedim(-1, -3)

        return in_blocks(summed, first, second, theta.exp(), width=pairs(first, second) * X.shape[-1])

    def diagonal(self, theta: Tensor, X: Tensor) -> Tensor:
        """Variances ``sum_i r_i``, ``batch x b x n``, at ``batch x 1 x n x d`` mixtures."""
        total = theta.exp().sum(dim=-1, keepdim=True)
        return total.expand(*X.shape[:-3], len(theta), X.shape[-2])


class CommonCurveCovariance(Covariance):
    """The covariance of ``sum_i h(w_i)`` for one curve ``h`` that all domains share, of variance one over the space.

    ``h`` has the covariance ``rho((u(x) - u(y))^2 / l^2)``, ``u(x) = ln(x + e)``, as its values at a few knots of
    ``u`` tell it, so that a mixture is a row of as many features. A constant is left out.

    Args:
        profile: ``rho``.
        context: The space and the metrics.
        lengthscale: ``l``, in units of ``u``.
        eps: ``e``, a share.
    """

    label = "common"

    def __init__(self, profile: Profile, context: KernelContext, *, lengthscale: float, eps: float) -> None:
        self._profile, self._lengthscale, self._eps = profile, lengthscale, eps
        self._knots = torch.linspace(math.log(eps), math.log1p(eps), _KNOTS, dtype=torch.float64)
        squared = ((self._knots.unsqueeze(-1) - self._knots) / lengthscale).square()
        eye = torch.eye(_KNOTS, dtype=torch.float64)
        factor = torch.linalg.cholesky(profiled(squared, profile) + _JITTER * eye)
        self._whitening = torch.linalg.solve_triangular(factor, eye, upper=False).mT
        self._centre, self._scale = torch.zeros(_KNOTS, dtype=torch.float64), 1.0
        sample = self._features(context.sample)
        self._centre = sample.mean(dim=0)
        spread = float((sample - self._centre).square().sum(dim=-1).mean().sqrt())
        self._scale = spread or 1.0  # of a space of one mixture
        self.prior = Prior.of(context.m, [], 0.0, 1.0)

    def __call__(self, theta: Tensor, X: Tensor, Z: Tensor | None = None, *, rows: Tensor | None = None) -> Tensor:
        """Covariance ``batch x b x n x n'`` of two sets of mixtures, see :class:`Covariance`."""
        first = self._features(X)
        product = first @ (first if Z is None else self._features(Z)).mT
        return product.expand(*product.shape[:-3], len(theta), *product.shape[-2:])

    def diagonal(self, theta: Tensor, X: Tensor) -> Tensor:
        """Variances ``batch x b x n`` at ``batch x 1 x n x d`` mixtures."""
        squares = self._features(X).square().sum(dim=-1)
        return squares.expand(*squares.shape[:-2], len(theta), squares.shape[-1])

    def _features(self, X: Tensor) -> Tensor:
        """``(...) x n x knots`` features of ``(...) x n x d`` mixtures."""
        points = _logarithms(X, self._eps).unsqueeze(-1)
        values = profiled(((points - self._knots) / self._lengthscale).square(), self._profile)
        found: Tensor = (values.sum(dim=-2) @ self._whitening - self._centre) / self._scale
        return found


def _logarithms(X: Tensor, eps: float) -> Tensor:
    """``u(w_i) = ln(w_i + e)`` of weights."""
    found: Tensor = (X.clamp_min(0.0) + eps).log()
    return found
