"""Covariance functions of many Gaussian processes at once, as pure functions of their hyperparameters.

A covariance takes ``theta``, ``b x p`` hyperparameters on the scale where their prior is Gaussian (logarithms of what
must be positive), and mixtures ``batch x 1 x n x d``, and gives ``batch x b x n x n'``. Nothing is stored but what
the space and the metrics fix. The ``b`` processes are metrics, restarts or posterior samples, whatever is needed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from bomix.contracts.covariance import Covariance, Frame, Prior
from bomix.numerics.pairwise import Profile, profiled, scaled_profile
from bomix.surrogates.kernels.encoding import distance

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.surrogates.kernels.encoding import Encoding


class Stationary(Covariance):
    """``k(w, v) = rho(sum_i (e_i(w) - e_i(v))^2 / l_i^2)`` with a lengthscale per domain.

    Args:
        profile: ``rho``.
        encoding: ``e``.
        frame: The space and the metrics.
        ratio: Median of the lengthscales' log-normal prior, in typical distances of two mixtures.
        spread: Standard deviation of the logarithm of a lengthscale.
    """

    def __init__(self, profile: Profile, encoding: Encoding, frame: Frame, ratio: float, spread: float) -> None:
        self._profile, self._encoding = profile, encoding
        reach = distance(encoding.transform(frame.sample))
        self.prior = Prior.of_domains(frame, math.log(ratio * reach), spread, math.log(reach))

    def __call__(self, theta: Tensor, X: Tensor, Z: Tensor | None = None, *, rows: Tensor | None = None) -> Tensor:
        """See :class:`Covariance`."""
        inverse, first = (-theta).exp().unsqueeze(-2), self._encoding.transform(X)
        second = first if Z is None else self._encoding.transform(Z)
        return scaled_profile(first, second, inverse, self._profile)

    def diagonal(self, theta: Tensor, X: Tensor) -> Tensor:
        """See :class:`Covariance`."""
        return torch.ones(*X.shape[:-3], len(theta), X.shape[-2], dtype=X.dtype)

    def towards(self, theta: Tensor, X: Tensor) -> Callable[[Tensor], Tensor]:
        """See :class:`Covariance`; one product of matrices for all processes."""
        first = self._encoding.transform(X)
        centre = first.mean(dim=-2, keepdim=True)  # distances do not mind, and rounding does
        first, precision = first - centre, (-2.0 * theta).exp()
        weighted = first * precision.unsqueeze(-2)
        own = (weighted * first).sum(dim=-1, keepdim=True)
        flat, shape = weighted.reshape(-1, X.shape[-1]), weighted.shape[:-1]

        def covariance(Z: Tensor) -> Tensor:
            second = (self._encoding.transform(Z) - centre).squeeze(0).mT
            other = (precision @ second.square()).unsqueeze(-2)
            squared = torch.add(own + other, (flat @ second).reshape(*shape, Z.shape[-2]), alpha=-2.0).clamp_min(0.0)
            return profiled(squared, self._profile)

        return covariance


def matern52(squared: Tensor) -> tuple[Tensor, Tensor]:
    """``(1 + r + r^2/3) exp(-r)``, ``r = sqrt(5 squared)``."""
    # Few passes over memory: at a thousand runs they cost more than the factorisation.
    r = (5.0 * squared).sqrt_()
    decay = r.neg().exp_()
    slope = r.add_(1.0).mul_(decay)
    value = torch.addcmul(slope, squared, decay, value=5.0 / 3.0)
    return value, slope.mul_(-5.0 / 6.0)


def matern32(squared: Tensor) -> tuple[Tensor, Tensor]:
    """``(1 + r) exp(-r)``, ``r = sqrt(3 squared)``."""
    r = (3.0 * squared).sqrt()
    decay = torch.exp(-r)
    return (1.0 + r) * decay, -1.5 * decay


def rbf(squared: Tensor) -> tuple[Tensor, Tensor]:
    """``exp(-squared / 2)``."""
    value = torch.exp(-0.5 * squared)
    return value, -0.5 * value


PROFILES: dict[str, Profile] = {"matern52": matern52, "matern32": matern32, "rbf": rbf}
