"""What models across scales have in common: the first scale's surrogate, in units, and runs of all others beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from bomix.numerics.moments import mixture_moments
from bomix.surrogates.models.joint import JointModel
from bomix.surrogates.scales.links import Start

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.surrogates.models.joint import Towards
    from bomix.surrogates.scales.discrepancy import Discrepancy
    from bomix.surrogates.scales.hyperparameters import Posterior
    from bomix.surrogates.scales.levels import Level


@dataclass(frozen=True)
class FromFirst:
    """The first scale and the mixtures of all runs beyond it.

    Attributes:
        levels: The scales, the one that the surrogate models first.
        base: The model of the first scale.
        offset: ``m`` means of the metrics there.
        unit: ``m`` standard deviations there.
        discrepancy: Covariance of a process of variance one.
        posterior: Points of the hyperparameters, with weights.
        Z: ``p x d`` mixtures of all runs but those of the first scale.
    """

    levels: tuple[Level, ...]
    base: JointModel
    offset: Tensor
    unit: Tensor
    discrepancy: Discrepancy
    posterior: Posterior
    Z: Tensor

    _towards: Towards = field(init=False, repr=False, compare=False)
    _mean_towards: Callable[[Tensor], tuple[Tensor, Tensor]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        with torch.no_grad():
            object.__setattr__(self, "_towards", self.base.towards(self.Z))
            object.__setattr__(self, "_mean_towards", self.base.mean_towards(self.Z))

    def start(self, X: Tensor) -> Start:
        """What the first scale says of ``batch x q x d`` mixtures."""
        told, squares = self._towards(X), self.unit.square()[:, None, None]
        mean = (told.mean.mT - self.offset.unsqueeze(-1)) / self.unit.unsqueeze(-1)
        return Start(mean, told.covariance / squares, told.shared / squares)

    def mean_start(self, X: Tensor) -> tuple[Tensor, Tensor]:
        """Its means ``m x n`` of ``n x d`` mixtures, and covariances ``m x n x p`` with the runs; nothing is solved."""
        mean, shared = self._mean_towards(X)
        return ((mean - self.offset) / self.unit).mT, shared / self.unit.square()[:, None, None]

    def runs_start(self) -> tuple[Tensor, Tensor]:
        """What it says of the runs of the other scales, as of :func:`at_runs`."""
        return at_runs(self._towards, self.Z, self.offset, self.unit)

    def mixed(self, means: Tensor, covariances: Tensor) -> tuple[Tensor, Tensor]:
        """Moments over the points of the posterior, which stand behind the batch: ``batch x k x m x q`` and so on."""
        shares = self.posterior.weight[:, *[None] * (means.dim() - 1)]
        return mixture_moments(means.movedim(-3, 0), covariances.movedim(-4, 0), shares)

    def mixed_means(self, found: Tensor) -> Tensor:
        """Means ``n x m`` in the metrics' own units, of ``k x m x n`` under each point of the posterior."""
        pooled: Tensor = (self.posterior.weight[:, None, None] * found).sum(dim=0)
        return self.offset + self.unit * pooled.mT

    def mixed_marginals(self, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
        """Means and variances ``m x n`` over the points of the posterior, of ``k x m x n``."""
        weight = self.posterior.weight[:, None, None]
        pooled = (weight * mean).sum(dim=0)
        return pooled, (weight * (variance + (mean - pooled).square())).sum(dim=0)


def at_runs(towards: Towards, Z: Tensor, offset: Tensor, unit: Tensor) -> tuple[Tensor, Tensor]:
    """Means ``m x p`` and covariances ``m x p x p`` at fixed mixtures ``p x d``, in units."""
    if not len(Z):
        return Z.new_zeros(len(unit), 0), Z.new_zeros(len(unit), 0, 0)
    told = towards(Z)
    return (told.mean.mT - offset.unsqueeze(-1)) / unit.unsqueeze(-1), told.shared / unit.square()[:, None, None]
