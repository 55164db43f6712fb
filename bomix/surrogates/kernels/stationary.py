"""The stationary covariance, and the shapes that all covariances of this package share.

A covariance takes ``theta``, ``b x p`` hyperparameters on the scale where their prior is Gaussian (logarithms of what
must be positive), and mixtures ``batch x 1 x n x d``, and gives ``batch x b x n x n'``. Nothing is stored but what
the space and the metrics fix. The ``b`` processes are metrics, restarts or posterior samples, whatever is needed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from bomix.contracts.covariance import Covariance, KernelContext, Prior
from bomix.numerics.pairwise import Profile, profiled, scaled_profile
from bomix.surrogates.kernels.encoding import distance

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.surrogates.kernels.encoding import Encoding


class StationaryCovariance(Covariance):
    """``k(w, v) = rho(sum_i (e_i(w) - e_i(v))^2 / l_i^2)`` with a lengthscale per domain.

    Args:
        profile: ``rho``.
        encoding: ``e``.
        context: The space and the metrics.
        ratio: Median of the lengthscales' log-normal prior, in typical distances of two mixtures.
        spread: Standard deviation of the logarithm of a lengthscale.
    """

    label = "stationary"

    def __init__(
        self, profile: Profile, encoding: Encoding, context: KernelContext, ratio: float, spread: float
    ) -> None:
        self._profile, self._encoding = profile, encoding
        typical = distance(encoding.transform(context.sample))
        self.prior = Prior.of_domains(context, "lengthscale", math.log(ratio * typical), spread, math.log(typical))

    def __call__(self, theta: Tensor, X: Tensor, Z: Tensor | None = None, *, rows: Tensor | None = None) -> Tensor:
        """Covariance ``batch x b x n x n'`` of two sets of mixtures, see :class:`Covariance`."""
        inverse, first = (-theta).exp().unsqueeze(-2), self._encoding.transform(X)
        second = first if Z is None else self._encoding.transform(Z)
        return scaled_profile(first, second, inverse, self._profile)

    def diagonal(self, theta: Tensor, X: Tensor) -> Tensor:
        """Variances ``batch x b x n``, all one, at ``batch x 1 x n x d`` mixtures."""
        return torch.ones(*X.shape[:-3], len(theta), X.shape[-2], dtype=X.dtype)

    def towards(self, theta: Tensor, X: Tensor) -> Callable[[Tensor], Tensor]:
        """Covariance with fixed ``1 x n x d`` mixtures, as a function of others; one matrix product for all."""
        first = self._encoding.transform(X)
        centre = first.mean(dim=-2, keepdim=True)  # distances do not mind, and rounding does
        first, precision = first - centre, (-2.0 * theta).exp()
        weighted = first * precision.unsqueeze(-2)
        sizes = (weighted * first).sum(dim=-1, keepdim=True)
        flat, shape = weighted.reshape(-1, X.shape[-1]), weighted.shape[:-1]

        def covariance(Z: Tensor) -> Tensor:
            second = (self._encoding.transform(Z) - centre).squeeze(0).mT
            other = (precision @ second.square()).unsqueeze(-2)
            squared = torch.add(sizes + other, (flat @ second).reshape(*shape, Z.shape[-2]), alpha=-2.0).clamp_min(0.0)
            return profiled(squared, self._profile)

        return covariance
