"""What predictions across scales rest on: the surrogate of the smallest scale, and links that runs have conditioned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from bomix.numerics.moments import mixture_moments
from bomix.surrogates.models.hyperparameter import Hyperparameter
from bomix.surrogates.models.joint import JointModel
from bomix.surrogates.scales.expected import expected
from bomix.surrogates.scales.hyperparameters import MEAN, NAMES
from bomix.surrogates.scales.levels import inserted
from bomix.surrogates.scales.links import Links, Seen, Start, Step, conditioned, predicted
from bomix.surrogates.scales.steps import with_step

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.scale import Scale
    from bomix.surrogates.models.joint import Towards
    from bomix.surrogates.scales.discrepancy import Discrepancy
    from bomix.surrogates.scales.hyperparameters import Posterior
    from bomix.surrogates.scales.levels import Level


@dataclass(frozen=True)
class Linked:
    """All that predictions across scales rest on.

    Attributes:
        levels: The scales, the one that the surrogate models first.
        base: The model of the first scale.
        offset: ``m`` means of the metrics there.
        unit: ``m`` standard deviations there.
        discrepancy: Covariance of a discrepancy of variance one.
        posterior: Points of the hyperparameters, with weights.
        links: The same as links.
        steps: Steps between the scales.
        Z: ``p x d`` mixtures of all runs but those of the first scale.
    """

    levels: tuple[Level, ...]
    base: JointModel
    offset: Tensor
    unit: Tensor
    discrepancy: Discrepancy
    posterior: Posterior
    links: Links
    steps: tuple[Step, ...]
    Z: Tensor

    def __post_init__(self) -> None:
        with torch.no_grad():
            towards, mean_towards = self.base.towards(self.Z), self.base.mean_towards(self.Z)
            mean, covariance = at_runs(towards, self.Z, self.offset, self.unit)
            across = self.kernel_between(self.Z, self.Z)
            seen, _ = conditioned(self.steps, mean, covariance, across, self.links)
        object.__setattr__(self, "_towards", towards)
        object.__setattr__(self, "_mean_towards", mean_towards)
        object.__setattr__(self, "_seen", seen)

    _towards: Towards = None  # type: ignore[assignment]
    _mean_towards: Callable[[Tensor], tuple[Tensor, Tensor]] = None  # type: ignore[assignment]
    _seen: Sequence[Seen] = ()

    @property
    def seen(self) -> Sequence[Seen]:
        """The steps, conditioned on their runs."""
        return self._seen

    def kernel_between(self, X: Tensor, Z: Tensor) -> Tensor:
        """Covariances ``batch x k x q x p`` of a discrepancy of variance one."""
        return self.discrepancy(self.links.lengthscale, X, Z)

    def marginals(self, X: Tensor, wanted: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Moments of each metric by itself at some scales, in units.

        Args:
            X: ``batch x q x d`` weights.
            wanted: ``w`` numbers of scales, ascending.

        Returns:
            Means ``batch x m x (w q)`` and covariances ``batch x m x (w q) x (w q)``.
        """
        told = self._towards(X)
        squares = self.unit.square()[:, None, None]
        mean = (told.mean.mT - self.offset.unsqueeze(-1)) / self.unit.unsqueeze(-1)
        start = Start(mean, told.covariance / squares, told.shared / squares)
        if not self.steps:
            return start.mean, start.covariance

        def kernels() -> tuple[Tensor, Tensor]:
            return self.kernel_between(X, X), self.kernel_between(X, self.Z)

        means, covariances = predicted(self.steps, self._seen, self.links, start, kernels, wanted)
        shares = self.posterior.weight[:, *[None] * (means.dim() - 1)]
        return mixture_moments(means.movedim(-3, 0), covariances.movedim(-4, 0), shares)

    def means(self, X: Tensor, number: int) -> Tensor:
        """Means ``n x m`` of the metrics at one scale, in their own units, at ``n x d`` weights."""
        mean, shared = self._mean_towards(X)
        if not self.steps:
            return mean
        start = ((mean - self.offset) / self.unit).mT, shared / self.unit.square()[:, None, None]
        kernel = self.kernel_between(X, self.Z)
        found = expected(self.steps, self._seen, self.links, *start, kernel, number)
        pooled = (self.posterior.weight[:, None, None] * found).sum(dim=0)
        return self.offset + self.unit * pooled.mT

    def noise(self, X: Tensor, number: int) -> Tensor:
        """Noise variances of new runs at a scale, ``batch x m x q``, in units."""
        if number == 0:
            with torch.no_grad():
                parts = [self.base.moments(X, noise)[1].diagonal(dim1=-2, dim2=-1) for noise in (True, False)]
            variance: Tensor = (parts[0] - parts[1]).unflatten(-1, (len(self.unit), X.shape[-2]))  # type: ignore[no-untyped-call]
            return variance.clamp_min(0.0) / self.unit.square().unsqueeze(-1)
        level = (self.posterior.weight.unsqueeze(-1) * self.links.noise.square()).sum(dim=0).unsqueeze(-1)
        return level.expand(*X.shape[:-2], len(self.unit), X.shape[-2])

    def held_out(self, number: int) -> tuple[Tensor, Tensor]:
        """Each run of a later scale from the others and the scales before: means and variances ``m x n``, in units."""
        seen, step = self._seen[number - 1], self.steps[number - 1]
        mean, variance = seen.leave_one_out(step.targets, self.links.noise)
        weight = self.posterior.weight[:, None, None]
        pooled = (weight * mean).sum(dim=0)
        return pooled, (weight * (variance + (mean - pooled).square())).sum(dim=0)

    def targets(self, number: int) -> Tensor:
        """Metrics ``m x n`` of the runs of a later scale, in units, NaN where missing."""
        return self.steps[number - 1].targets

    def named_hyperparameters(self, metrics: Sequence[str]) -> list[Hyperparameter]:
        """The slope of each metric from scale to scale, and what the links share."""
        found, weight = [], self.posterior.weight
        for step, seen, level in zip(self.steps, self._seen, self.levels[1:], strict=True):
            ratio, slopes, _ = (part[:, 0, 0] for part in self.links.over(step.decades))
            told = (seen.centred[..., step.rows] * seen.alpha).sum(dim=-1) if len(step.rows) else torch.zeros(())
            slope = (weight.unsqueeze(-1) * (ratio + slopes * told)).sum(dim=0).expand(len(metrics))
            found += [
                Hyperparameter(metric, f"slope[{level.scale}]", value, 1.0)
                for metric, value in zip(metrics, slope.tolist(), strict=True)
            ]
        shared = (weight.unsqueeze(-1) * self.posterior.theta).sum(dim=0)[1:].exp().tolist()
        medians = torch.tensor(MEAN, dtype=torch.float64)[1:].exp().tolist()
        return found + [
            Hyperparameter(metric, name, value, median)
            for metric in metrics
            for name, value, median in zip(NAMES[1:], shared, medians, strict=True)
        ]

    def with_scale(self, scale: Scale) -> Linked:
        """The same with a scale that has no runs and is not in the chain."""
        levels, number = inserted(self.levels, scale)
        steps = with_step(self.steps, levels, number, self.offset / self.unit)
        return replace(self, levels=tuple(levels), steps=tuple(steps))


def at_runs(towards: Towards, Z: Tensor, offset: Tensor, unit: Tensor) -> tuple[Tensor, Tensor]:
    """Means ``m x p`` and covariances ``m x p x p`` at fixed mixtures ``p x d``, in units."""
    if not len(Z):
        return Z.new_zeros(len(unit), 0), Z.new_zeros(len(unit), 0, 0)
    told = towards(Z)
    return (told.mean.mT - offset.unsqueeze(-1)) / unit.unsqueeze(-1), told.shared / unit.square()[:, None, None]
