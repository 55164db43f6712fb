"""What predictions across scales rest on: the surrogate of the smallest scale, and links that runs have conditioned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch

from bomix.surrogates.models.hyperparameter import Hyperparameter
from bomix.surrogates.scales.expected import expected
from bomix.surrogates.scales.from_first import FromFirst
from bomix.surrogates.scales.hyperparameters import MEAN, NAMES
from bomix.surrogates.scales.levels import inserted
from bomix.surrogates.scales.links import Links, Seen, Step, conditioned, predicted
from bomix.surrogates.scales.steps import with_step

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.scale import Scale


@dataclass(frozen=True)
class Linked(FromFirst):
    """All that predictions across scales rest on.

    Its further fields are those of :class:`~bomix.surrogates.scales.from_first.FromFirst`.

    Attributes:
        links: The points of the posterior as links.
        steps: Steps between the scales.
    """

    links: Links
    steps: tuple[Step, ...]

    _seen: Sequence[Seen] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        with torch.no_grad():
            seen, _ = conditioned(self.steps, *self.runs_start(), self.kernel_between(self.Z, self.Z), self.links)
        object.__setattr__(self, "_seen", seen)

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
        start = self.start(X)
        if not self.steps:
            return start.mean, start.covariance

        def kernels() -> tuple[Tensor, Tensor]:
            return self.kernel_between(X, X), self.kernel_between(X, self.Z)

        return self.mixed(*predicted(self.steps, self._seen, self.links, start, kernels, wanted))

    def means(self, X: Tensor, number: int) -> Tensor:
        """Means ``n x m`` of the metrics at one scale, in their own units, at ``n x d`` weights."""
        if not self.steps:
            return self._mean_towards(X)[0]
        start, kernel = self.mean_start(X), self.kernel_between(X, self.Z)
        return self.mixed_means(expected(self.steps, self._seen, self.links, *start, kernel, number))

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
        return self.mixed_marginals(*seen.leave_one_out(step.targets, self.links.noise))

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
