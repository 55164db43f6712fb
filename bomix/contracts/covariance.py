"""Covariance functions of many Gaussian processes at once, as pure functions of their hyperparameters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from torch import Tensor


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
            them: see :mod:`bomix.surrogates.gp.shared_hyperparameters`. Those of -1 are never shared, and at
            ``start`` meanwhile.
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
