"""Covariances on encoded weights beyond the stationary one: encodings that are learnt, sums over domains."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from bomix.contracts.covariance import Covariance, KernelContext, Prior
from bomix.numerics.pairwise import Profile, in_blocks, pairs, profiled, scaled_profile
from bomix.surrogates.kernels.encoding import distance, encode

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.surrogates.kernels.encoding import Encoding

_OFFSET_SPREAD = 1.0
"""Standard deviation of the logarithm of an offset: it may be several times what it is by default."""
_POWER_SPREAD = 0.5
"""Standard deviation of the logarithm of a power: from a root to the weight itself is two of them."""
_LEAST_VARIANCE = 1e-12
"""Keeps the spread of a space that is a single point above zero."""


class LearnedEncodingCovariance(Covariance):
    """``k(w, v) = rho(sum_i (e(w_i) - e(v_i))^2 / l_i^2)``, the encoding's offset or power each metric's own.

    ``e(w) = ln(w + eps)`` or ``(w + eps)^power``, as :class:`~bomix.surrogates.kernels.encoding.Encoding`. Lengthscales
    are in units that follow the encoding: whatever the offset, a given value of theta is the same number of typical
    distances of two mixtures, and their prior is that of the encoding's own offset and power.
    Hyperparameters: ``d`` logarithms of lengthscales, then of the offset and of the power, as far as they are learnt.

    Args:
        profile: ``rho``.
        encoding: Median of the offset's and of the power's log-normal prior; not ``raw``.
        context: The space and the metrics.
        ratio: Median of the lengthscales' log-normal prior, in typical distances of two mixtures.
        spread: Standard deviation of the logarithm of a lengthscale.
        offset: Whether the offset is learnt.
        power: Whether the power is learnt.
    """

    label = "stationary"

    def __init__(
        self,
        profile: Profile,
        encoding: Encoding,
        context: KernelContext,
        ratio: float,
        spread: float,
        *,
        offset: bool,
        power: bool,
    ) -> None:
        self._profile, self._encoding, self._sample = profile, encoding, context.sample
        self._offset, self._power = offset, power
        self._typical = distance(encoding.transform(context.sample))
        candidates = (
            (offset, "offset", encoding.eps, _OFFSET_SPREAD),
            (power, "power", encoding.power, _POWER_SPREAD),
        )
        learnt = [Prior.of(context.m, [name], math.log(median), sd) for used, name, median, sd in candidates if used]
        scales = Prior.of_domains(
            context, "lengthscale", math.log(ratio * self._typical), spread, math.log(self._typical)
        )
        self.prior = Prior.joined([scales, *learnt])

    def __call__(self, theta: Tensor, X: Tensor, Z: Tensor | None = None, *, rows: Tensor | None = None) -> Tensor:
        """Covariance ``batch x b x n x n'`` of two sets of mixtures, see :class:`Covariance`."""
        d = X.shape[-1]
        variance = self._encoded(theta, self._sample).var(dim=-2).sum(dim=-1)
        stretch = self._typical / (2.0 * variance).clamp_min(_LEAST_VARIANCE).sqrt()
        inverse = ((-theta[:, :d]).exp() * stretch.unsqueeze(-1)).unsqueeze(-2)
        first = self._encoded(theta, X)
        return scaled_profile(first, first if Z is None else self._encoded(theta, Z), inverse, self._profile)

    def diagonal(self, theta: Tensor, X: Tensor) -> Tensor:
        """Variances ``batch x b x n``, all one, at ``batch x 1 x n x d`` mixtures."""
        return torch.ones(*X.shape[:-3], len(theta), X.shape[-2], dtype=X.dtype)

    def _encoded(self, theta: Tensor, X: Tensor) -> Tensor:
        """Encoded weights ``batch x b x n x d`` of ``batch x 1 x n x d`` mixtures, in the encoding of each process."""
        learnt = theta[:, X.shape[-1] :].exp()[..., None, None].unbind(dim=1)
        eps = learnt[0] if self._offset else self._encoding.eps
        power = learnt[-1] if self._power else self._encoding.power
        return encode(X, self._encoding.name, eps, power)


class AdditiveCovariance(Covariance):
    """``k(w, v) = sum_i s_i rho((e(w_i) - e(v_i))^2 / l_i^2)``: a function of each domain's weight, added up.

    Hyperparameters: ``d`` logarithms of lengthscales, then ``d`` of variances. A matrix costs ``b n n' d`` profiles,
    formed in blocks of bounded memory.

    Args:
        profile: ``rho``.
        encoding: ``e``.
        context: The space and the metrics.
        ratio: Median of the lengthscales' log-normal prior, in typical distances of two weights of one domain.
        spread: Standard deviation of the logarithm of a lengthscale.
        variance: What the medians of the variances' log-normal priors, the same for all domains, sum to.
        variance_spread: Standard deviation of the logarithm of a variance.
    """

    label = "additive"

    def __init__(
        self,
        profile: Profile,
        encoding: Encoding,
        context: KernelContext,
        ratio: float,
        spread: float,
        variance: float,
        variance_spread: float,
    ) -> None:
        self._profile, self._encoding = profile, encoding
        # One scale for all domains: that of each, estimated, would differ between domains of equal bounds.
        typical = distance(encoding.transform(context.sample)) / math.sqrt(context.d)
        scales = Prior.of_domains(context, "lengthscale", math.log(ratio * typical), spread, math.log(typical))
        variances = Prior.of_domains(context, "variance", math.log(variance / context.d), variance_spread)
        self.prior = Prior.joined([scales, variances])

    def __call__(self, theta: Tensor, X: Tensor, Z: Tensor | None = None, *, rows: Tensor | None = None) -> Tensor:
        """Covariance ``batch x b x n x n'`` of two sets of mixtures, see :class:`Covariance`."""
        first = self._encoding.transform(X)
        second = first if Z is None else self._encoding.transform(Z)
        logarithms, variances = theta.chunk(2, dim=-1)

        def summed(points: Tensor, others: Tensor, inverse: Tensor, shares: Tensor) -> Tensor:
            difference = points.unsqueeze(-2) - others.unsqueeze(-3)
            values = profiled((difference * inverse[:, None, None, :]).square(), self._profile)
            return torch.einsum("...bijd,bd->...bij", values, shares)

        width = len(theta) * pairs(first, second) * X.shape[-1]
        return in_blocks(summed, first, second, (-logarithms).exp(), variances.exp(), width=width)

    def diagonal(self, theta: Tensor, X: Tensor) -> Tensor:
        """Variances ``sum_i s_i``, ``batch x b x n``, at ``batch x 1 x n x d`` mixtures."""
        total = theta[:, X.shape[-1] :].exp().sum(dim=-1, keepdim=True)
        return total.expand(*X.shape[:-3], len(theta), X.shape[-2])
