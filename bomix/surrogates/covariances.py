"""Covariance functions of many Gaussian processes at once, as pure functions of their hyperparameters.

A covariance takes ``theta``, ``b x p`` hyperparameters on the scale where their prior is Gaussian (logarithms of what
must be positive), and mixtures ``batch x 1 x n x d``, and gives ``batch x b x n x n'``. Nothing is stored but what
the space and the metrics fix. The ``b`` processes are metrics, restarts or posterior samples, whatever is needed.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch

from bomix.surrogates.pairwise import Profile, profiled, scaled_profile

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.surrogates.encoding import Encoding


@dataclass(frozen=True)
class Frame:
    """What the priors of a covariance depend on.

    Attributes:
        sample: ``r x d`` mixtures spread evenly over the space.
        own: ``m`` positions of the metrics' own domains, -1 where a metric has none.
    """

    sample: Tensor
    own: Tensor

    @property
    def d(self) -> int:
        """Number of domains."""
        return int(self.sample.shape[-1])

    @property
    def m(self) -> int:
        """Number of metrics."""
        return len(self.own)


class Prior(NamedTuple):
    """Independent Gaussian priors of the hyperparameters of ``m`` metrics, and where a search starts.

    Attributes:
        mean: ``m x p``.
        sd: ``m x p``.
        start: ``m x p``.
        alike: ``m x p`` numbers; those of one number say the same of their metrics, and are one where metrics share
            them: see :mod:`bomix.surrogates.pooling`. Those of -1 are never shared, and at ``start`` meanwhile.
    """

    mean: Tensor
    sd: Tensor
    start: Tensor
    alike: Tensor

    @classmethod
    def of(cls, m: int, count: int, mean: float, sd: float, start: float | None = None) -> Prior:
        """The same prior for ``count`` hyperparameters of each metric."""
        at = mean if start is None else start
        middle, width, begin = (torch.full((m, count), value, dtype=torch.float64) for value in (mean, sd, at))
        return cls(middle, width, begin, torch.arange(count).expand(m, count).clone())

    @classmethod
    def of_domains(cls, frame: Frame, mean: float, sd: float, start: float | None = None) -> Prior:
        """The same prior for a hyperparameter of each domain; a metric's own domain is another matter than the rest."""
        prior = cls.of(frame.m, frame.d, mean, sd, start)
        has = frame.own >= 0
        prior.alike[has, frame.own[has]] = frame.d
        return prior

    @classmethod
    def joined(cls, priors: Sequence[Prior]) -> Prior:
        """Hyperparameters side by side."""
        kinds, used = [], 0
        for prior in priors:
            kinds.append(torch.where(prior.alike < 0, -1, prior.alike + used))
            used += int(prior.alike.max()) + 1 if prior.alike.numel() else 0
        mean, sd, start, _ = (torch.cat(parts, dim=-1) for parts in zip(*priors, strict=True))
        return cls(mean, sd, start, torch.cat(kinds, dim=-1))


class Covariance(ABC):
    """A family of covariance functions on the simplex.

    Attributes:
        prior: Of its ``p`` hyperparameters.
    """

    prior: Prior

    @property
    def size(self) -> int:
        """Number of hyperparameters, ``p``."""
        return int(self.prior.mean.shape[-1])

    @abstractmethod
    def __call__(self, theta: Tensor, X: Tensor, Z: Tensor | None = None, *, rows: Tensor | None = None) -> Tensor:
        """Covariance of two sets of mixtures.

        Args:
            theta: ``b x p``.
            X: ``batch x 1 x n x d``.
            Z: ``batch x 1 x n' x d``; ``X`` itself by default.
            rows: ``b`` metrics that the rows of ``theta`` belong to; all metrics in turn by default.

        Returns:
            ``batch x b x n x n'``.
        """

    @abstractmethod
    def diagonal(self, theta: Tensor, X: Tensor) -> Tensor:
        """Variances ``batch x b x n`` at ``batch x 1 x n x d``."""

    def towards(self, theta: Tensor, X: Tensor) -> Callable[[Tensor], Tensor]:
        """Covariance with fixed mixtures, what does not depend on the others worked out once.

        Args:
            theta: ``b x p``.
            X: ``1 x n x d``.

        Returns:
            A function of ``1 x n' x d`` mixtures, ``b x n x n'``.
        """
        return partial(self, theta, X)


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


class Scaled(Covariance):
    """A covariance times a variance with a log-normal prior.

    Args:
        base: What is scaled.
        median: Median of the variance, of a metric that is standardised.
        spread: Standard deviation of its logarithm.
    """

    def __init__(self, base: Covariance, median: float, spread: float) -> None:
        self.base = base
        m = len(base.prior.mean)
        self.prior = Prior.joined([base.prior, Prior.of(m, 1, math.log(median), spread)])

    def __call__(self, theta: Tensor, X: Tensor, Z: Tensor | None = None, *, rows: Tensor | None = None) -> Tensor:
        """See :class:`Covariance`."""
        return self.base(theta[:, :-1], X, Z, rows=rows) * theta[:, -1].exp()[:, None, None]

    def diagonal(self, theta: Tensor, X: Tensor) -> Tensor:
        """See :class:`Covariance`."""
        return self.base.diagonal(theta[:, :-1], X) * theta[:, -1:].exp()

    def towards(self, theta: Tensor, X: Tensor) -> Callable[[Tensor], Tensor]:
        """See :class:`Covariance`."""
        base, variance = self.base.towards(theta[:, :-1], X), theta[:, -1].exp()[:, None, None]
        return lambda Z: base(Z) * variance


class Sum(Covariance):
    """The sum of covariances, their hyperparameters side by side."""

    def __init__(self, parts: Sequence[Covariance]) -> None:
        self.parts = tuple(parts)
        self.prior = Prior.joined([part.prior for part in self.parts])

    def __call__(self, theta: Tensor, X: Tensor, Z: Tensor | None = None, *, rows: Tensor | None = None) -> Tensor:
        """See :class:`Covariance`."""
        return self._total(theta, lambda part, own: part(own, X, Z, rows=rows))

    def diagonal(self, theta: Tensor, X: Tensor) -> Tensor:
        """See :class:`Covariance`."""
        return self._total(theta, lambda part, own: part.diagonal(own, X))

    def towards(self, theta: Tensor, X: Tensor) -> Callable[[Tensor], Tensor]:
        """See :class:`Covariance`."""
        parts = [part.towards(own, X) for part, own in zip(self.parts, self._owned(theta), strict=True)]
        return lambda Z: sum((part(Z) for part in parts[1:]), start=parts[0](Z))

    def _owned(self, theta: Tensor) -> Sequence[Tensor]:
        return theta.split_with_sizes([part.size for part in self.parts], dim=-1)

    def _total(self, theta: Tensor, value: Callable[[Covariance, Tensor], Tensor]) -> Tensor:
        total, *rest = [value(part, own) for part, own in zip(self.parts, self._owned(theta), strict=True)]
        for more in rest:
            total = total + more
        return total


def distance(encoded: Tensor) -> float:
    """Root mean square distance of two points of an ``r x d`` sample: twice its total variance, under the root."""
    # A space that is a single point has no distance; any scale will do there.
    return max(float((2.0 * encoded.var(dim=0, unbiased=True).sum()).sqrt()), LEAST_DISTANCE)


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

LEAST_DISTANCE = 0.01
