"""Covariance functions of many Gaussian processes at once, as pure functions of their hyperparameters.

A covariance takes ``theta``, ``b x p`` hyperparameters on the scale where their prior is Gaussian (logarithms of what
must be positive), and mixtures ``batch x 1 x n x d``, and gives ``batch x b x n x n'``. Nothing is stored but what
the space and the metrics fix. The ``b`` processes are metrics, restarts or posterior samples, whatever is needed.

References:
    [Tipping2001] Sparse Bayesian learning and the relevance vector machine.
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


class EffectiveWeight(Covariance):
    """A smooth function of the weight that counts for a metric, ``u = ln(e + sum_i t_i w_i)``.

    ``k(w, v) = exp(-(u(w) - u(v))^2 / 2 l^2)``: what the power law of an effective weight says, without its shape.
    A metric's own domain has ``t`` near one; the others count less, how much less is learnt.

    Args:
        frame: The space and the metrics.
        share: Median of ``t`` of a domain that is not the metric's own.
        spread: Standard deviation of ``ln t``, also for the metric's own domain, whose median is one.
    """

    def __init__(self, frame: Frame, share: float, spread: float) -> None:
        m, has = frame.m, frame.own >= 0
        shares = Prior.of_domains(frame, math.log(share), spread)
        rows, columns = torch.arange(m)[has], frame.own[has]
        shares.mean[rows, columns] = shares.start[rows, columns] = 0.0
        self.prior = Prior.joined([shares, Prior.of(m, 1, _OFFSET[0], _OFFSET[1]), Prior.of(m, 1, 1.0, 0.7)])

    def __call__(self, theta: Tensor, X: Tensor, Z: Tensor | None = None, *, rows: Tensor | None = None) -> Tensor:
        """See :class:`Covariance`."""
        first = self._effective(theta, X)
        return self._between(theta, first, first if Z is None else self._effective(theta, Z))

    def diagonal(self, theta: Tensor, X: Tensor) -> Tensor:
        """See :class:`Covariance`."""
        return torch.ones(*X.shape[:-3], len(theta), X.shape[-2], dtype=X.dtype)

    def towards(self, theta: Tensor, X: Tensor) -> Callable[[Tensor], Tensor]:
        """See :class:`Covariance`."""
        first, shares, offset = self._effective(theta, X), theta[:, :-2].exp(), theta[:, -2:-1].exp()
        return lambda Z: self._between(theta, first, (shares @ Z.squeeze(0).clamp_min(0.0).mT + offset).log())

    def _between(self, theta: Tensor, first: Tensor, second: Tensor) -> Tensor:
        """``batch x b x n x n'`` of two sets of logarithms of effective weights."""
        apart = (first.unsqueeze(-1) - second.unsqueeze(-2)) * (-theta[:, -1]).exp()[:, None, None]
        return torch.exp(-0.5 * apart.square())

    def _effective(self, theta: Tensor, X: Tensor) -> Tensor:
        """``batch x b x n`` logarithms of effective weights."""
        counted = (X.clamp_min(0.0) @ theta[:, :-2].exp().unsqueeze(-1)).squeeze(-1)
        return (counted + theta[:, -2:-1].exp()).log()


class Own(Covariance):
    """A smooth function of the metric's own weight alone, ``k(w, v) = rho((u(w) - u(v))^2 / l^2)``.

    ``u = ln(w_own + e)``, zero for a metric without a domain of its own. Hyperparameters: ``ln l`` and ``ln e``.

    Args:
        profile: ``rho``.
        frame: The space and the metrics.
        lengthscale: Median of ``l``, in units of ``u``.
        spread: Standard deviation of its logarithm.
    """

    def __init__(self, profile: Profile, frame: Frame, lengthscale: float, spread: float) -> None:
        self._profile, self._own = profile, frame.own
        prior = Prior.of(frame.m, 1, math.log(lengthscale), spread)
        self.prior = Prior.joined([prior, Prior.of(frame.m, 1, *_OFFSET)])

    def __call__(self, theta: Tensor, X: Tensor, Z: Tensor | None = None, *, rows: Tensor | None = None) -> Tensor:
        """See :class:`Covariance`."""
        own = self._of(theta, rows)
        first = self._logarithm(theta, X, own)
        apart = first.unsqueeze(-1) - (first if Z is None else self._logarithm(theta, Z, own)).unsqueeze(-2)
        value = profiled((apart * (-theta[:, 0]).exp()[:, None, None]).square(), self._profile)
        return value * (own >= 0).to(value)[:, None, None]

    def diagonal(self, theta: Tensor, X: Tensor) -> Tensor:
        """See :class:`Covariance`."""
        has = (self._of(theta, None) >= 0).to(X).unsqueeze(-1)
        return has.expand(*X.shape[:-3], len(theta), X.shape[-2])

    def _of(self, theta: Tensor, rows: Tensor | None) -> Tensor:
        """``b`` positions of the own domains."""
        return self._own.repeat(len(theta) // len(self._own)) if rows is None else self._own[rows]

    def _logarithm(self, theta: Tensor, X: Tensor, own: Tensor) -> Tensor:
        """``batch x b x n``."""
        weights = X.squeeze(-3).clamp_min(0.0)[..., own.clamp_min(0)].mT
        return (weights + theta[:, 1:2].exp()).log()


class Linear(Covariance):
    """``k(w, v) = (w - c) . (v - c) / s^2``: a plane through the weights, which keeps its slope outside the data.

    Args:
        frame: The space and the metrics; ``c`` is its centre, ``s`` the typical distance of two mixtures.
    """

    def __init__(self, frame: Frame) -> None:
        self._centre, self._reach = frame.sample.mean(dim=0), distance(frame.sample)
        self.prior = Prior.of(frame.m, 0, 0.0, 1.0)

    def __call__(self, theta: Tensor, X: Tensor, Z: Tensor | None = None, *, rows: Tensor | None = None) -> Tensor:
        """See :class:`Covariance`."""
        first = (X - self._centre) / self._reach
        second = first if Z is None else (Z - self._centre) / self._reach
        product = first @ second.mT
        return product.expand(*product.shape[:-3], len(theta), *product.shape[-2:])

    def diagonal(self, theta: Tensor, X: Tensor) -> Tensor:
        """See :class:`Covariance`."""
        squares = ((X - self._centre) / self._reach).square().sum(dim=-1)
        return squares.expand(*squares.shape[:-2], len(theta), squares.shape[-1])


class SparseLinear(Covariance):
    """``k(w, v) = sum_i r_i (w_i - c_i) (v_i - c_i) / s^2``: a plane of whose slopes few matter.

    The hyperparameters are ``d`` logarithms of relevances ``r``, each metric's own under a wide prior about a small
    median: the marginal likelihood drives those that are not needed to nothing [Tipping2001]_.

    Args:
        frame: The space and the metrics; ``c`` is its centre, ``s`` the typical distance of two mixtures.
        relevance: Median of ``r``.
        spread: Standard deviation of ``ln r``.
    """

    def __init__(self, frame: Frame, relevance: float, spread: float) -> None:
        self._centre, self._reach = frame.sample.mean(dim=0), distance(frame.sample)
        prior = Prior.of(frame.m, frame.d, math.log(relevance), spread, 0.0)
        self.prior = prior._replace(alike=torch.full_like(prior.alike, -1))

    def __call__(self, theta: Tensor, X: Tensor, Z: Tensor | None = None, *, rows: Tensor | None = None) -> Tensor:
        """See :class:`Covariance`."""
        first = (X - self._centre) / self._reach
        second = first if Z is None else (Z - self._centre) / self._reach
        return (first * theta.exp().unsqueeze(-2)) @ second.mT

    def diagonal(self, theta: Tensor, X: Tensor) -> Tensor:
        """See :class:`Covariance`."""
        return (((X - self._centre) / self._reach).square() * theta.exp().unsqueeze(-2)).sum(dim=-1)


class Feature(Covariance):
    """``k(w, v) = s^2 f_j(w) f_j(v)`` of a fixed feature per metric: its coefficient has the prior ``N(0, s^2)``.

    Args:
        feature: ``batch x n x d`` weights to ``batch x n x m``.
        frame: The space and the metrics.
        slope: ``s``.
    """

    def __init__(self, feature: Callable[[Tensor], Tensor], frame: Frame, slope: float) -> None:
        self._feature, self._m, self._slope = feature, frame.m, slope
        self.prior = Prior.of(frame.m, 0, 0.0, 1.0)

    def __call__(self, theta: Tensor, X: Tensor, Z: Tensor | None = None, *, rows: Tensor | None = None) -> Tensor:
        """See :class:`Covariance`."""
        first = self._values(theta, X, rows)
        second = first if Z is None else self._values(theta, Z, rows)
        return first.unsqueeze(-1) * second.unsqueeze(-2)

    def diagonal(self, theta: Tensor, X: Tensor) -> Tensor:
        """See :class:`Covariance`."""
        return self._values(theta, X, None).square()

    def _values(self, theta: Tensor, X: Tensor, rows: Tensor | None) -> Tensor:
        """``batch x b x n``."""
        metrics = torch.arange(self._m).repeat(len(theta) // self._m) if rows is None else rows
        return self._slope * self._feature(X.squeeze(-3)).mT[..., metrics, :]


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
_OFFSET = (-4.0, 1.0)
