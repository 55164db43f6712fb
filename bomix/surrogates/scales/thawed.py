"""What predictions from a decay over scales rest on; what :class:`~bomix.surrogates.scales.model.LinkedModel` asks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch

from bomix.surrogates.models.hyperparameter import Hyperparameter
from bomix.surrogates.scales.decay import Decay
from bomix.surrogates.scales.from_first import FromFirst
from bomix.surrogates.scales.frozen import Given, Runs, conditioned
from bomix.surrogates.scales.levels import Level

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.scale import Scale
    from bomix.surrogates.scales.sizes import Sizes

NAMES = ("slope", "params", "tokens", "exponent", "slope_spread", "lengthscale", "noise", "checkpoints")
"""Names of the hyperparameters, in the order of :data:`MEAN`."""
MEAN = (0.0, math.log(0.05), math.log(0.05), math.log(0.25), math.log(0.3), math.log(2.0), 0.0, 0.0)
"""Means of the priors: of logarithms, but for ``slope``, a logarithm itself, and ``checkpoints``, the log odds. As in
:data:`bomix.surrogates.scales.hyperparameters.MEAN`, slopes are near one, and what they leave is a tenth of a spread
two decades on; published exponents are about a quarter."""
SD = (0.3, 1.0, 1.0, 0.5, 0.5, 0.7, 0.7, 1.5)
"""Standard deviations of the same."""
_MOST_COMMON = 0.99
"""Correlation of checkpoints a decade apart at most: covariances stay invertible."""


def decay_of(theta: Tensor) -> Decay:
    """The covariance over scales that ``k x 8`` hyperparameters mean."""
    slope, params, tokens, rate, slopes = theta[:, :5].unbind(dim=-1)
    return Decay(slope, params.exp(), tokens.exp(), rate.exp(), slopes.exp())


def common_of(theta: Tensor) -> Tensor:
    """``k`` correlations of the noise of two checkpoints a decade apart."""
    return theta[:, 7].sigmoid().clamp_max(_MOST_COMMON)


@dataclass(frozen=True)
class Thawed(FromFirst):
    """All that predictions rest on.

    Its further fields are those of :class:`~bomix.surrogates.scales.from_first.FromFirst`.

    Attributes:
        runs: Runs of all scales but the first.
        sizes: How scales become numbers.
        own_noise: ``m`` standard deviations of a run's noise at the first scale, in units.
    """

    runs: Runs
    sizes: Sizes
    own_noise: Tensor

    _given: Given = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        with torch.no_grad():
            object.__setattr__(self, "_given", self.given(self.posterior.theta, *self.runs_start()))

    def given(self, theta: Tensor, mean: Tensor, covariance: Tensor) -> Given:
        """The runs conditioned under ``k x 8`` hyperparameters; see :func:`conditioned`."""
        kernel = self.discrepancy(theta[:, 5] + self.discrepancy.typical, self.Z, self.Z)
        first = self.own_noise.expand(len(theta), -1)
        noise = torch.stack([first, first * theta[:, 6].exp().unsqueeze(-1)], dim=-1)
        return conditioned(self.runs, decay_of(theta), mean, covariance, kernel, noise, common_of(theta))

    def marginals(self, X: Tensor, wanted: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Moments of each metric by itself at some scales, as of :meth:`Linked.marginals`."""
        (mean, covariance, shared), w, given = self.start(X), len(wanted), self._given
        one = [1] * (mean.dim() - 1)
        mean = (mean - given.pivot.unsqueeze(-1)).repeat(*one, w)
        covariance, shared = covariance.repeat(*one, w, w), shared.repeat(*one, w, 1)
        here = self._sizes(wanted).repeat_interleave(X.shape[-2], dim=0)
        within, across = self._kernels(X, w)
        means, covariances = given.means(here, mean), given.within(here, mean, covariance, within)
        if len(self.Z):
            more, less = given.told(given.cross(here, mean, shared, across))
            means, covariances = means + more, covariances - less
        return self.mixed(means, covariances)

    def means(self, X: Tensor, number: int) -> Tensor:
        """Means ``n x m`` of the metrics at one scale, in their own units, at ``n x d`` weights."""
        mean, shared = self.mean_start(X)
        given, here = self._given, self._sizes([number]).expand(len(X), 2)
        mean = mean - given.pivot.unsqueeze(-1)
        found = given.means(here, mean)
        if len(self.Z):
            own = given.cross(here, mean, shared, self.discrepancy(self._lengthscale, X, self.Z))
            found = found + torch.einsum("kmqp,kmp->kmq", own * given.there.unsqueeze(-2), given.alpha)
        return self.mixed_means(found)

    def noise(self, X: Tensor, number: int) -> Tensor:
        """Noise variances of new runs at a scale, ``batch x m x q``, in units."""
        factor = (self.posterior.weight * (2.0 * self.posterior.theta[:, 6]).exp()).sum() if number else 1.0
        level = (factor * self.own_noise.square()).unsqueeze(-1)
        return level.expand(*X.shape[:-2], len(self.unit), X.shape[-2])

    def held_out(self, number: int) -> tuple[Tensor, Tensor]:
        """Each run of a later scale from those of other trainings: means and variances ``m x n``, in units."""
        rows = self._rows(number)
        noise = (2.0 * self.posterior.theta[:, 6:7]).exp() * self.own_noise.square()
        left, variance = self._given.leave_one_out(noise)
        # The residual is about what was expected before; what is left of it is about the measured value.
        mean = self.runs.targets.nan_to_num(0.0) - self._given.residual + left
        return self.mixed_marginals(mean[..., rows], variance[..., rows])

    def targets(self, number: int) -> Tensor:
        """Metrics ``m x n`` of the runs of a later scale, in units, NaN where missing."""
        return self.runs.targets[:, self._rows(number)]

    def with_scale(self, scale: Scale) -> Thawed:
        """The same with a scale that has no runs and is not in the chain; the last one."""
        return replace(self, levels=(*self.levels, Level(scale, 0.0, torch.zeros(0, dtype=torch.long))))

    def named_hyperparameters(self, metrics: Sequence[str]) -> list[Hyperparameter]:
        """What the covariance over scales was found to be."""
        middle = (self.posterior.weight.unsqueeze(-1) * self.posterior.theta).sum(dim=0, keepdim=True)
        values, medians = ([*each[0, :7].exp().tolist(), float(common_of(each))] for each in (middle, _prior_mean()))
        return [
            Hyperparameter(metric, name, value, median)
            for metric in metrics
            for name, value, median in zip(NAMES, values, medians, strict=True)
        ]

    @property
    def _lengthscale(self) -> Tensor:
        return self.posterior.theta[:, 5] + self.discrepancy.typical

    def _sizes(self, numbers: Sequence[int]) -> Tensor:
        return self.sizes.of_rows([self.levels[number].scale for number in numbers])

    def _rows(self, number: int) -> Tensor:
        """Positions of the runs of a later scale among those of all later scales."""
        before = sum(len(level.rows) for level in self.levels[1:number])
        return torch.arange(before, before + len(self.levels[number].rows))

    def _kernels(self, X: Tensor, w: int) -> tuple[Tensor, Tensor]:
        """Covariances of the process of variance one among mixtures at ``w`` scales, and with those of the runs."""
        within, across = (self.discrepancy(self._lengthscale, X, other) for other in (X, self.Z))
        one = [1] * (within.dim() - 2)
        return within.repeat(*one, w, w), across.repeat(*one, w, 1)


def _prior_mean() -> Tensor:
    return torch.tensor([MEAN], dtype=torch.float64)
