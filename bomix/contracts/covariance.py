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
class KernelContext:
    """What the priors of a covariance depend on, and what its hyperparameters are called by.

    Attributes:
        sample: ``r x d`` mixtures spread evenly over the space.
        own_domains: ``m`` positions of the metrics' own domains, -1 where a metric has none.
        domains: Names of the ``d`` domains; their numbers unless given.
        metrics: Names of the ``m`` metrics; their numbers unless given.
    """

    sample: Tensor
    own_domains: Tensor
    domains: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "domains", self.domains or tuple(map(str, range(self.d))))
        object.__setattr__(self, "metrics", self.metrics or tuple(map(str, range(self.m))))

    @property
    def d(self) -> int:
        """Number of domains."""
        return int(self.sample.shape[-1])

    @property
    def m(self) -> int:
        """Number of metrics."""
        return len(self.own_domains)


class Prior(NamedTuple):
    """Independent Gaussian priors of the hyperparameters of ``m`` metrics, and where a search starts.

    All hyperparameters are logarithms of positive numbers.

    Attributes:
        mean: ``m x p``.
        sd: ``m x p``.
        start: ``m x p``.
        tied: ``m x p`` numbers of groups. Where metrics share hyperparameters, those of one group are one number: see
            :mod:`bomix.surrogates.gp.shared_hyperparameters`. Those of group -1 are never shared, and at ``start``
            meanwhile.
        names: What the ``p`` hyperparameters are called, ``lengthscale[web]`` say, each name once.
    """

    mean: Tensor
    sd: Tensor
    start: Tensor
    tied: Tensor
    names: tuple[str, ...]

    @classmethod
    def of(cls, m: int, names: Sequence[str], mean: float, sd: float, start: float | None = None) -> Prior:
        """The same prior for each named hyperparameter of each metric."""
        at, count = mean if start is None else start, len(names)
        middle, width, begin = (torch.full((m, count), value, dtype=torch.float64) for value in (mean, sd, at))
        return cls(middle, width, begin, torch.arange(count).expand(m, count).clone(), tuple(names))

    @classmethod
    def of_domains(cls, context: KernelContext, name: str, mean: float, sd: float, start: float | None = None) -> Prior:
        """The same prior for a hyperparameter of each domain; a metric's own domain is another matter than the rest."""
        prior = cls.of(context.m, [f"{name}[{domain}]" for domain in context.domains], mean, sd, start)
        has = context.own_domains >= 0
        prior.tied[has, context.own_domains[has]] = context.d
        return prior

    @classmethod
    def joined(cls, priors: Sequence[Prior], prefixes: Sequence[str] = ()) -> Prior:
        """Hyperparameters side by side, their names with a prefix for each part where prefixes are given."""
        groups, used = [], 0
        for prior in priors:
            groups.append(torch.where(prior.tied < 0, -1, prior.tied + used))
            used += int(prior.tied.max()) + 1 if prior.tied.numel() else 0
        mean, sd, start = (torch.cat(each, dim=-1) for each in zip(*(prior[:3] for prior in priors), strict=True))
        names = [
            prefix + name
            for prefix, prior in zip(prefixes or [""] * len(priors), priors, strict=True)
            for name in prior.names
        ]
        return cls(mean, sd, start, torch.cat(groups, dim=-1), tuple(names))


class Covariance(ABC):
    """A family of covariance functions on the simplex.

    Attributes:
        prior: Priors and names of its ``p`` hyperparameters.
        label: What its hyperparameters are prefixed by inside a sum: ``stationary.lengthscale[web]``.
    """

    prior: Prior
    label: str = "kernel"

    @property
    def size(self) -> int:
        """Number of hyperparameters, ``p``."""
        return int(self.prior.mean.shape[-1])

    @abstractmethod
    def __call__(self, theta: Tensor, X: Tensor, Z: Tensor | None = None, *, rows: Tensor | None = None) -> Tensor:
        """Covariance of two sets of mixtures.

        With three metrics (``m = 3``), a lengthscale for each of two domains (``p = 2``) and five runs, ``theta`` is
        ``3 x 2``, ``X`` is ``1 x 5 x 2`` and the result ``3 x 5 x 5``: a matrix for each metric. Two starts of a
        search, one after the other, are ``theta`` of ``6 x 2``, its rows the metrics in turn, twice; ``rows`` is
        needed where they are not: the second metric alone is ``theta`` of ``1 x 2`` with ``rows`` ``[1]``.

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
