"""Covariances of linear functions: of all weights, of few of them, of a feature.

Shapes as in :mod:`bomix.surrogates.kernels.stationary`.

References:
    [Tipping2001] Sparse Bayesian learning and the relevance vector machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from bomix.contracts.covariance import Covariance, KernelContext, Prior
from bomix.surrogates.kernels.encoding import Encoding, distance

if TYPE_CHECKING:
    from torch import Tensor


class _Centred(Covariance):
    """A covariance of centred weights ``(w - c) / s``: ``c`` the centre of the space, ``s`` its typical distance.

    Args:
        context: The space and the metrics.
        encoding: What ``w`` stands for: the weights themselves, or what it makes of them.
    """

    def __init__(self, context: KernelContext, encoding: Encoding | None = None) -> None:
        self._encoding = Encoding("raw") if encoding is None else encoding
        sample = self._encoding.transform(context.sample)
        self._centre, self._typical = sample.mean(dim=0), distance(sample)

    def _both(self, X: Tensor, Z: Tensor | None) -> tuple[Tensor, Tensor]:
        """Both sets of mixtures centred; the first twice where there is no second."""
        first = (self._encoding.transform(X) - self._centre) / self._typical
        return first, first if Z is None else (self._encoding.transform(Z) - self._centre) / self._typical


class LinearCovariance(_Centred):
    """``k(w, v) = (e(w) - c) . (e(v) - c) / s^2``: a linear function of encoded weights.

    One of the weights themselves keeps its slope outside the data.

    Args:
        context: The space and the metrics; ``c`` is its centre, ``s`` the typical distance of two mixtures, encoded.
        encoding: The encoding ``e``; None for the weights themselves.
    """

    label = "linear"

    def __init__(self, context: KernelContext, encoding: Encoding | None = None) -> None:
        super().__init__(context, encoding)
        self.prior = Prior.of(context.m, [], 0.0, 1.0)

    def __call__(self, theta: Tensor, X: Tensor, Z: Tensor | None = None, *, rows: Tensor | None = None) -> Tensor:
        """Covariance ``batch x b x n x n'`` of two sets of mixtures, see :class:`Covariance`."""
        first, second = self._both(X, Z)
        product = first @ second.mT
        return product.expand(*product.shape[:-3], len(theta), *product.shape[-2:])

    def diagonal(self, theta: Tensor, X: Tensor) -> Tensor:
        """Variances ``|e(w) - c|^2 / s^2``, ``batch x b x n``, at ``batch x 1 x n x d`` mixtures."""
        squares = self._both(X, None)[0].square().sum(dim=-1)
        return squares.expand(*squares.shape[:-2], len(theta), squares.shape[-1])


class SparseLinearCovariance(_Centred):
    """``k(w, v) = sum_i r_i (w_i - c_i) (v_i - c_i) / s^2``: a linear function of whose slopes few matter.

    The hyperparameters are ``d`` logarithms of relevances ``r``, each metric's own under a wide prior about a small
    median: the marginal likelihood drives those that are not needed to nothing [Tipping2001]_.

    Args:
        context: The space and the metrics; ``c`` is its centre, ``s`` the typical distance of two mixtures.
        relevance: Median of ``r``.
        spread: Standard deviation of ``ln r``.
    """

    label = "sparse_linear"

    def __init__(self, context: KernelContext, relevance: float, spread: float) -> None:
        super().__init__(context)
        names = [f"relevance[{domain}]" for domain in context.domains]
        prior = Prior.of(context.m, names, math.log(relevance), spread, 0.0)
        self.prior = prior._replace(tied=torch.full_like(prior.tied, -1))

    def __call__(self, theta: Tensor, X: Tensor, Z: Tensor | None = None, *, rows: Tensor | None = None) -> Tensor:
        """Covariance ``batch x b x n x n'`` of two sets of mixtures, see :class:`Covariance`."""
        first, second = self._both(X, Z)
        return (first * theta.exp().unsqueeze(-2)) @ second.mT

    def diagonal(self, theta: Tensor, X: Tensor) -> Tensor:
        """Variances ``sum_i r_i (w_i - c_i)^2 / s^2``, ``batch x b x n``, at ``batch x 1 x n x d`` mixtures."""
        return (self._both(X, None)[0].square() * theta.exp().unsqueeze(-2)).sum(dim=-1)


class FeatureCovariance(Covariance):
    """``k(w, v) = s^2 f_j(w) f_j(v)`` of a fixed feature per metric: its coefficient has the prior ``N(0, s^2)``.

    Args:
        feature: ``batch x n x d`` weights to ``batch x n x m``.
        context: The space and the metrics.
        slope: ``s``.
    """

    label = "mean"

    def __init__(self, feature: Callable[[Tensor], Tensor], context: KernelContext, slope: float) -> None:
        self._feature, self._m, self._slope = feature, context.m, slope
        self.prior = Prior.of(context.m, [], 0.0, 1.0)

    def __call__(self, theta: Tensor, X: Tensor, Z: Tensor | None = None, *, rows: Tensor | None = None) -> Tensor:
        """Covariance ``batch x b x n x n'`` of two sets of mixtures, see :class:`Covariance`."""
        first = self._values(theta, X, rows)
        second = first if Z is None else self._values(theta, Z, rows)
        return first.unsqueeze(-1) * second.unsqueeze(-2)

    def diagonal(self, theta: Tensor, X: Tensor) -> Tensor:
        """Variances ``s^2 f_j(w)^2``, ``batch x b x n``, at ``batch x 1 x n x d`` mixtures."""
        return self._values(theta, X, None).square()

    def _values(self, theta: Tensor, X: Tensor, rows: Tensor | None) -> Tensor:
        """``s f_j``, ``batch x b x n``, ``j`` the metric of each process."""
        metrics = torch.arange(self._m).repeat(len(theta) // self._m) if rows is None else rows
        return self._slope * self._feature(X.squeeze(-3)).mT[..., metrics, :]


class ParametersCovariance(Covariance):
    """``k(w, v) = J_j(w) . J_j(v)``: what parameters of variance one move, with the derivatives ``J_j`` in them.

    It has no hyperparameters.

    Args:
        slopes: ``batch x n x d`` weights to derivatives ``batch x n x m x p``.
        context: The space and the metrics.
    """

    label = "parameters"

    def __init__(self, slopes: Callable[[Tensor], Tensor], context: KernelContext) -> None:
        self._slopes, self._m = slopes, context.m
        self.prior = Prior.of(context.m, [], 0.0, 1.0)

    def __call__(self, theta: Tensor, X: Tensor, Z: Tensor | None = None, *, rows: Tensor | None = None) -> Tensor:
        """Covariance ``batch x b x n x n'`` of two sets of mixtures, see :class:`Covariance`."""
        first = self._values(theta, X, rows)
        second = first if Z is None else self._values(theta, Z, rows)
        return first @ second.mT

    def diagonal(self, theta: Tensor, X: Tensor) -> Tensor:
        """Variances ``|J_j(w)|^2``, ``batch x b x n``, at ``batch x 1 x n x d`` mixtures."""
        return self._values(theta, X, None).square().sum(dim=-1)

    def towards(self, theta: Tensor, X: Tensor) -> Callable[[Tensor], Tensor]:
        """Covariance with fixed ``1 x n x d`` mixtures, as a function of others."""
        fixed = self._values(theta, X, None)
        return lambda Z: fixed @ self._values(theta, Z, None).mT

    def _values(self, theta: Tensor, X: Tensor, rows: Tensor | None) -> Tensor:
        """``J_j``, ``batch x b x n x p``, ``j`` the metric of each process."""
        slopes = self._slopes(X.squeeze(-3)).movedim(-2, -3)
        if rows is None and len(theta) == self._m:
            return slopes
        metrics = torch.arange(self._m).repeat(len(theta) // self._m) if rows is None else rows
        return slopes[..., metrics, :, :]
