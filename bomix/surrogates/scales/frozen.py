"""Runs of many scales and checkpoints, conditioned together: the covariance over scales of :mod:`.decay`.

The first scale is modelled by any surrogate. A run ``i`` of another scale shows ``c_i (f(w_i) - p) + p + level + g +
noise``: ``f`` is the first scale's function with mean ``m`` and covariance ``K`` given its runs, and ``c`` has, metric
by metric, a slope about what is expected of it. Checkpoints of one training share noise. Where one of them is a run of
the first scale, ``noise_i = kappa_i noise_0 + rest`` with ``noise_0 = y_0 - f(w_i)``: the loading on ``f`` becomes
``c_i - kappa_i`` and ``kappa_i (y_0 - p)`` is subtracted from what was measured, which is exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch

from bomix.numerics.marginal import noisy_factor
from bomix.surrogates.scales.decay import shared_noise

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.surrogates.scales.decay import Decay

LEVEL = 4.0
"""Standard deviation of how far a metric falls from the first scale to the limit, in units of its spread there: from 1M
to 60M parameters RegMix's losses fell by two to four, and runs of a scale tell its level."""
_FALL = 0.3
"""The same relative to the level itself, and at least: losses fall by tenths of nats however little they vary."""
_OWN = 0.05
"""Standard deviation of a scale's level beside the curve, in units: schedules and seeds differ from scale to scale."""


class Runs(NamedTuple):
    """Runs of all scales but the first.

    Attributes:
        sizes: ``p x 2`` logarithms of params and tokens beyond the least.
        first: ``1 x 2`` sizes of the first scale.
        targets: ``m x p`` metrics in units, NaN where missing.
        start: ``m x p`` metrics of the same training at the first scale, in units; NaN where it has no run there.
        runs: ``p`` numbers of the trainings, equal for checkpoints of one.
        height: ``m`` levels of the metrics at the first scale from zero, in units.
    """

    sizes: Tensor
    first: Tensor
    targets: Tensor
    start: Tensor
    runs: Tensor
    height: Tensor

    @property
    def level_spread(self) -> Tensor:
        """``m`` standard deviations of the fall of levels."""
        return (_FALL * self.height.abs()).clamp_min(LEVEL)


@dataclass(frozen=True)
class Given:
    """Runs that have conditioned the belief, ``k`` hyperparameters of each.

    Attributes:
        runs: The runs.
        decay: Covariance over scales.
        pivot: ``m``, what is taken from the first scale's function ahead of its slope.
        loading: ``k x m x p`` of the runs on the first scale's function.
        centred: ``m x p`` means of that function, less the pivot.
        factor: ``k x m x p x p`` of the covariance of the runs.
        there: ``m x p``, which metrics there are.
        residual: ``k x m x p``, zero where missing.
        alpha: ``k x m x p``.
        density: ``k x m`` log densities.
    """

    runs: Runs
    decay: Decay
    pivot: Tensor
    loading: Tensor
    centred: Tensor
    factor: Tensor
    there: Tensor
    residual: Tensor
    alpha: Tensor
    density: Tensor

    def cross(self, here: Tensor, mean: Tensor, shared: Tensor, kernel: Tensor) -> Tensor:
        """Covariances ``batch x k x m x q x p`` of the function at mixtures and scales with the runs.

        Args:
            here: ``q x 2`` sizes.
            mean: ``batch x m x q`` means of the first scale's function, less the pivot.
            shared: ``batch x m x q x p`` its covariances with those at the runs.
            kernel: ``batch x k x m x q x p`` covariances of a process of variance one.
        """
        decay, runs = self.decay, self.runs
        own = decay.loading(here, runs.first)[:, None, :, None] * self.loading.unsqueeze(-2)
        slopes = decay.slope_covariance(here, runs.sizes, runs.first).unsqueeze(-3)
        rest = decay.rest(here, runs.sizes, runs.first).unsqueeze(-3)
        outer = mean.unsqueeze(-1) * self.centred.unsqueeze(-2)
        shared, outer = shared.unsqueeze(-4), outer.unsqueeze(-4)
        return (own + slopes) * shared + slopes * outer + rest * kernel + self._levels(here, runs.sizes)

    def within(self, here: Tensor, mean: Tensor, covariance: Tensor, kernel: Tensor) -> Tensor:
        """Covariances ``batch x k x m x q x q`` of the function before any run of another scale than the first."""
        decay, first = self.decay, self.runs.first
        load = decay.loading(here, first)
        slopes = decay.slope_covariance(here, here, first).unsqueeze(-3)
        rest = decay.rest(here, here, first).unsqueeze(-3)
        outer = (mean.unsqueeze(-1) * mean.unsqueeze(-2)).unsqueeze(-4)
        both = (load.unsqueeze(-1) * load.unsqueeze(-2)).unsqueeze(-3) + slopes
        return both * covariance.unsqueeze(-4) + slopes * outer + rest * kernel + self._levels(here, here)

    def means(self, here: Tensor, mean: Tensor) -> Tensor:
        """Means ``batch x k x m x q`` before any run of another scale."""
        load = self.decay.loading(here, self.runs.first).unsqueeze(-2)
        return self.pivot.unsqueeze(-1) + load * mean.unsqueeze(-3)

    def told(self, own: Tensor) -> tuple[Tensor, Tensor]:
        """What the runs add to means ``batch x k x m x q``, and take from covariances ``batch x k x m x q x q``.

        Args:
            own: :meth:`cross`.
        """
        own = own * self.there.unsqueeze(-2)
        batch, rows = own.shape[:-4], own.shape[-2]
        # One solve for all points: broadcasting would copy the factor for each of them.
        flat = own.reshape(-1, *own.shape[-4:]).permute(1, 2, 4, 0, 3).flatten(-2)
        solved = torch.linalg.solve_triangular(self.factor, flat, upper=False)
        explained = solved.unflatten(-1, (-1, rows)).permute(3, 0, 1, 2, 4).reshape(*batch, *solved.shape[:-1], rows)
        return torch.einsum("...kmqp,kmp->...kmq", own, self.alpha), explained.mT @ explained

    def leave_one_out(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Each run predicted from the others, checkpoints of a training together, ``k x m x p``, noise included.

        Args:
            noise: ``k x m`` noise variances, of what is missing.
        """
        inverse = torch.cholesky_inverse(self.factor)
        expected, variance = torch.zeros_like(self.residual), torch.zeros_like(self.residual)
        for number in sorted(set(self.runs.runs.tolist())):
            rows = (self.runs.runs == number).nonzero().squeeze(-1)
            block = torch.linalg.inv(inverse[..., rows, :][..., rows])
            expected[..., rows] = (block @ self.alpha[..., rows].unsqueeze(-1)).squeeze(-1)
            variance[..., rows] = block.diagonal(dim1=-2, dim2=-1)
        variance = torch.where(self.there, variance, variance + noise.unsqueeze(-1))
        return self.residual - expected, variance

    def _levels(self, here: Tensor, there: Tensor) -> Tensor:
        """Covariances ``k x m x q x p`` of levels."""
        curve = self.decay.increments(here, there, self.runs.first).unsqueeze(-3)
        same = (here.unsqueeze(-2) == there).all(dim=-1) & (there != self.runs.first).any(dim=-1)
        return self.runs.level_spread.square()[:, None, None] * curve + _OWN**2 * same


def conditioned(
    runs: Runs, decay: Decay, mean: Tensor, covariance: Tensor, kernel: Tensor, noise: Tensor, common: Tensor
) -> Given:
    """Condition the belief on all runs of other scales than the first.

    Args:
        runs: The runs.
        decay: Covariance over scales, ``k`` hyperparameters of each.
        mean: ``m x p`` means of the first scale's function at the runs, in units.
        covariance: ``m x p x p`` covariance of the same.
        kernel: ``k x m x p x p`` covariance of a process of variance one; ``m`` may be 1.
        noise: ``k x m x 2`` standard deviations of the noise at the first scale, and at the others.
        common: ``k`` correlations of the noise of two checkpoints a decade apart.
    """
    k, (m, p) = len(decay.rate), runs.targets.shape
    pivot = mean.mean(dim=-1) if p else mean.new_zeros(m)
    centred = mean - pivot.unsqueeze(-1)
    every = torch.cat([runs.first, runs.sizes])
    along = shared_noise(every, torch.zeros(p + 1, dtype=torch.long), common)[:, 0, 1:]
    begun = ~runs.start.isnan()
    first, later = noise.unbind(dim=-1)
    # What the noise of the training's first checkpoint says of that of a later one.
    kappa = torch.where(begun, along.unsqueeze(-2) * (later / first).unsqueeze(-1), 0.0)
    loading = decay.loading(runs.sizes, runs.first).unsqueeze(-2) - kappa
    there = ~runs.targets.isnan()
    shown = runs.targets.nan_to_num(0.0) - kappa * (runs.start - pivot.unsqueeze(-1)).nan_to_num(0.0)
    expected = pivot.unsqueeze(-1) + loading * centred
    residual = torch.where(there, shown - expected, 0.0)
    empty = mean.new_zeros(0)
    given = Given(runs, decay, pivot, loading, centred, empty, there, residual, empty, empty)
    slopes = decay.slope_covariance(runs.sizes, runs.sizes, runs.first).unsqueeze(-3)
    rest = decay.rest(runs.sizes, runs.sizes, runs.first).unsqueeze(-3)
    outer = centred.unsqueeze(-1) * centred.unsqueeze(-2)
    both = loading.unsqueeze(-1) * loading.unsqueeze(-2) + slopes
    within = both * covariance + slopes * outer + rest * kernel + given._levels(runs.sizes, runs.sizes)
    noises = shared_noise(runs.sizes, runs.runs, common).unsqueeze(-3)
    from_first = begun.unsqueeze(-1) & begun.unsqueeze(-2) & (runs.runs.unsqueeze(-1) == runs.runs)
    noises = noises - torch.where(from_first, (along.unsqueeze(-1) * along.unsqueeze(-2)).unsqueeze(-3), 0.0)
    spread = later[..., None, None].square() * noises
    own = spread.diagonal(dim1=-2, dim2=-1)
    factor = noisy_factor(within + spread - torch.diag_embed(own), own, there.expand(k, m, p))
    alpha = torch.cholesky_solve(residual.unsqueeze(-1), factor).squeeze(-1)
    log_determinant = factor.diagonal(dim1=-2, dim2=-1).log().sum(dim=-1)
    density = -0.5 * (residual * alpha).sum(dim=-1) - log_determinant
    density = density - 0.5 * math.log(2.0 * math.pi) * there.sum(dim=-1)
    return Given(runs, decay, pivot, loading, centred, factor, there, residual, alpha, density)
