"""Covariances that follow a geometry of the simplex, with one lengthscale for all domains.

All of them see ``w + eps``: distances of shares curve without bound at zero, an ordinary value of a weight.

References:
    [Schoenberg1938] Metric spaces and positive definite functions: ``exp(-s D^2)`` is positive definite for every
        ``s > 0`` exactly where ``D`` is the distance of an embedding into a Hilbert space.
    [Schoenberg1942] Positive definite functions on spheres: sums of Gegenbauer polynomials of the cosine with
        coefficients that are not negative, and nothing else.
    [Fuglede2004] Jensen-Shannon divergence and Hilbert space embedding: its root is the distance of one.
    [Hein2005] Hilbertian metrics and positive definite kernels on probability measures; also for measures whose
        total is not one.
    [Borovitskiy2020] Matern Gaussian processes on Riemannian manifolds.
    [Pavesi2026] Information theoretic Bayesian optimization over the probability simplex, arXiv 2603.09793: Matern
        kernels from the simplex's information geometry.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import torch

from bomix.contracts.covariance import Covariance, KernelContext, Prior
from bomix.numerics.pairwise import Profile, in_blocks, pairs, profiled, scaled_profile
from bomix.surrogates.kernels.encoding import LEAST_DISTANCE, distance

if TYPE_CHECKING:
    from torch import Tensor

Distance = Literal["hellinger", "jensen_shannon", "aitchison"]
DEFAULT_EPS = {"hellinger": 1e-4, "jensen_shannon": 1e-4, "aitchison": 1e-3, "geometric": 1e-4}
"""Offsets as of :data:`bomix.surrogates.kernels.encoding.DEFAULT_EPS`, for roots and for logarithms."""
LEVELS = 48
"""Polynomials of the expansion on the sphere. Every partial sum is a covariance, only smoother than the whole."""


class IsotropicCovariance(Covariance):
    """``k(w, v) = rho(D(w, v)^2 / l^2)`` for a distance ``D`` of an embedding into a Hilbert space.

    Such a ``rho`` (Matern, squared exponential) is a mixture of ``exp(-s D^2)``, hence positive definite
    [Schoenberg1938]_. With ``x = w + eps``:

    * Hellinger: ``D^2 = sum_i (sqrt(x_i) - sqrt(y_i))^2``.
    * Jensen-Shannon: ``D^2 = sum_i x_i ln(2 x_i / (x_i + y_i)) / 2 + y_i ln(2 y_i / (x_i + y_i)) / 2``
      [Fuglede2004]_, [Hein2005]_; in nats.
    * Aitchison: the Euclidean distance of centred logarithms, ``ln x_i - mean_j ln x_j``.

    Args:
        profile: ``rho``.
        metric: ``D``.
        eps: The offset, a share; None takes the distance's default.
        context: The space and the metrics.
        ratio: Median of the lengthscale's log-normal prior, in typical distances of two mixtures.
        spread: Standard deviation of the logarithm of the lengthscale.
    """

    label = "isotropic"

    def __init__(
        self, profile: Profile, metric: Distance, eps: float | None, context: KernelContext, ratio: float, spread: float
    ) -> None:
        self._profile, self._metric = profile, metric
        self._eps = DEFAULT_EPS[metric] if eps is None else eps
        if metric == "jensen_shannon":
            r = len(context.sample)
            squares = jensen_shannon(context.sample + self._eps, context.sample + self._eps)
            typical = max(float((squares.sum() / (r * max(r - 1, 1))).sqrt()), LEAST_DISTANCE)
        else:
            typical = distance(self._embedded(context.sample))
        self.prior = Prior.of(context.m, ["lengthscale"], math.log(ratio * typical), spread, math.log(typical))

    def __call__(self, theta: Tensor, X: Tensor, Z: Tensor | None = None, *, rows: Tensor | None = None) -> Tensor:
        """Covariance ``batch x b x n x n'`` of two sets of mixtures, see :class:`Covariance`."""
        inverse = (-theta).exp().unsqueeze(-2)
        if self._metric == "jensen_shannon":
            first = X.clamp_min(0.0) + self._eps
            second = first if Z is None else Z.clamp_min(0.0) + self._eps
            return profiled(jensen_shannon(first, second) * inverse.square(), self._profile)
        first = self._embedded(X)
        return scaled_profile(first, first if Z is None else self._embedded(Z), inverse, self._profile)

    def diagonal(self, theta: Tensor, X: Tensor) -> Tensor:
        """Variances ``batch x b x n``, all one, at ``batch x 1 x n x d`` mixtures."""
        return torch.ones(*X.shape[:-3], len(theta), X.shape[-2], dtype=X.dtype)

    def _embedded(self, X: Tensor) -> Tensor:
        """Points ``(...) x d`` of a Euclidean space in which ``D`` is the distance, for ``(...) x d`` mixtures."""
        shifted = X.clamp_min(0.0) + self._eps
        if self._metric == "hellinger":
            return shifted.sqrt()
        logarithms = shifted.log()
        return logarithms - logarithms.mean(dim=-1, keepdim=True)


class GeometricCovariance(Covariance):
    """``k(w, v) = sum_n a_n G_n(sqrt(w) . sqrt(v))``, ``a_n ~ M_n (c + n (n + d - 2))^-(nu + (d - 1)/2)``.

    A Matern covariance on the sphere that the simplex is a part of [Borovitskiy2020]_, [Pavesi2026]_: ``u = sqrt(w)``
    maps the simplex with its information metric onto the positive orthant of the unit sphere, up to a factor of two in
    length. ``G_n(t)`` are the Gegenbauer polynomials of the sphere, one at ``t = 1``; ``M_n`` is how many harmonics
    have degree ``n``; the ``a_n`` sum to one. All of them are positive, so ``k`` is positive definite
    [Schoenberg1942]_, also where ``n`` ends at :data:`LEVELS`. In 50 dimensions a tiny change of ``c`` turns white
    noise into a constant. Hence the lengthscale ``l`` is defined by ``a_1 / a_0 = 1 / (l^2 + 1/d)``: where it is as
    large as the sphere, ``k`` falls with the angle much as ``exp(-angle^2 / 2 l^2)`` does, whatever the dimension.

    Args:
        smoothness: ``nu``.
        eps: The offset, a share; None takes the default.
        context: The space and the metrics.
        ratio: Median of the lengthscale's log-normal prior, in typical distances of two mixtures.
        spread: Standard deviation of the logarithm of the lengthscale.
    """

    label = "geometric"

    def __init__(
        self, smoothness: float, eps: float | None, context: KernelContext, ratio: float, spread: float
    ) -> None:
        self._eps = DEFAULT_EPS["geometric"] if eps is None else eps
        # A single domain is a point of every sphere.
        self._d = max(context.d, 2)
        self._exponent = smoothness + 0.5 * (self._d - 1)
        typical = distance(self._embedded(context.sample))
        self.prior = Prior.of(context.m, ["lengthscale"], math.log(ratio * typical), spread, math.log(typical))

    def __call__(self, theta: Tensor, X: Tensor, Z: Tensor | None = None, *, rows: Tensor | None = None) -> Tensor:
        """Covariance ``batch x b x n x n'`` of two sets of mixtures, see :class:`Covariance`."""
        first, shares = self._embedded(X), self.shares(theta)
        second = first if Z is None else self._embedded(Z)

        def summed(points: Tensor, others: Tensor, factors: Tensor) -> Tensor:
            return torch.einsum("bn,...knij->...kbij", factors, gegenbauer(points @ others.mT, self._d)).squeeze(-4)

        return in_blocks(summed, first, second, shares, width=LEVELS * pairs(first, second))

    def diagonal(self, theta: Tensor, X: Tensor) -> Tensor:
        """Variances ``batch x b x n``, all one, at ``batch x 1 x n x d`` mixtures."""
        return torch.ones(*X.shape[:-3], len(theta), X.shape[-2], dtype=X.dtype)

    def shares(self, theta: Tensor) -> Tensor:
        """The coefficients ``a_n``, ``b x levels``, of ``b x 1`` logarithms of lengthscales."""
        n, d = torch.arange(LEVELS, dtype=theta.dtype), self._d
        whole = n.clamp_min(1.0)
        count = (2.0 * whole + d - 2).log() + torch.lgamma(whole + d - 2) - math.lgamma(d - 1) - torch.lgamma(whole + 1)
        count = torch.where(n > 0, count, 0.0)
        # ln(a_0 / a_1) = ln(l^2 + 1/d), of which M_1 / M_0 = d is a part.
        decay = torch.nn.functional.softplus(2.0 * theta + math.log(d)) / self._exponent
        levels = n * (n + d - 2) / (d - 1)
        return (count - self._exponent * torch.log1p(torch.expm1(decay) * levels)).softmax(dim=-1)

    def _embedded(self, X: Tensor) -> Tensor:
        """Points ``(...) x d`` of the unit sphere, ``sqrt(w)``, for ``(...) x d`` mixtures."""
        shifted = X.clamp_min(0.0) + self._eps
        return (shifted / shifted.sum(dim=-1, keepdim=True)).sqrt()


def jensen_shannon(X: Tensor, Z: Tensor) -> Tensor:
    """Jensen-Shannon divergences, nats.

    Args:
        X: ``batch x n x d`` positive shares, whose sum need not be one.
        Z: ``batch x n' x d`` positive shares.

    Returns:
        ``batch x n x n'`` divergences.
    """

    def sums(rows: Tensor, others: Tensor) -> Tensor:
        middle = 0.5 * (rows.unsqueeze(-2) + others.unsqueeze(-3))
        first, second = (0.5 * torch.xlogy(part, part).sum(dim=-1) for part in (rows, others))
        return first.unsqueeze(-1) + second.unsqueeze(-2) - torch.xlogy(middle, middle).sum(dim=-1)

    # Rounding may leave a divergence of equal mixtures a hair below zero.
    return in_blocks(sums, X, Z, width=pairs(X, Z) * X.shape[-1]).clamp_min(0.0)


def gegenbauer(cosine: Tensor, d: int) -> Tensor:
    """Gegenbauer polynomials of the sphere in ``d >= 2`` dimensions, one where the cosine is.

    ``G_{n+1} = (2 (n + a) t G_n - n G_{n-1}) / (n + 2 a)``, ``a = (d - 2) / 2``; at most one in absolute value.

    Args:
        cosine: ``batch x n x n'``.
        d: Dimension of the space around the sphere.

    Returns:
        ``batch x levels x n x n'``.
    """
    found = [torch.ones_like(cosine), cosine]
    for n in range(1, LEVELS - 1):
        found.append(((2 * n + d - 2) * cosine * found[-1] - n * found[-2]) / (n + d - 2))
    return torch.stack(found, dim=-3)
