"""The covariance of losses over scales: falling powers of parameters and tokens towards a limit.

A power ``N^-a`` is an exponential in ``x = ln N``, and the exponent is not known. With ``a ~ Gamma(shape, b)`` the
covariance of such a part at two sizes is ``E[exp(-a (x + x'))] = (b / (b + x + x'))^shape``, the exponential decay
kernel of freeze-thaw optimisation [Swersky2014]_, there in the steps of a training. Metric ``j``, in standard
deviations at the first scale, is

    f(w, x, y) = m(x, y) (limit(w) + h_1(w) e^(-a x) + h_2(w) e^(-a' y)) + level(x, y)

with parts of the mixture that share one kernel, ``x`` of parameters and ``y`` of tokens. As the sum is separable,
``f(w, s) = c(s) f(w, s_0) + g(w, s)`` with ``g`` independent of the first scale's function: ``c`` and the covariance of
``g`` over scales are what this module computes.

References:
    [Swersky2014] Freeze-thaw Bayesian optimization.
    [Yen2025] Data mixture optimization: a multi-fidelity multi-scale Bayesian framework.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from bomix.surrogates.scales.sizes import DECADE

if TYPE_CHECKING:
    from torch import Tensor

SHAPE = 2.0
"""Shape of the gamma distribution of exponents: a spread of 0.7 of the mean, about as published exponents differ."""


class Decay(NamedTuple):
    """Hyperparameters of the covariance over scales, ``k`` of each.

    Attributes:
        slope: Logarithm of the slope of the whole from the first scale to the limit.
        params: Variance of the part that falls with parameters, relative to the limit's.
        tokens: The same of tokens.
        rate: Mean exponent.
        slopes: Standard deviation of a metric's slope at the limit about the expected one, relative to it.
    """

    slope: Tensor
    params: Tensor
    tokens: Tensor
    rate: Tensor
    slopes: Tensor

    def falling(self, here: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
        """What is left of both falling parts, ``k x q x p``: one at the origin, none at the limit.

        Args:
            here: ``q x 2`` logarithms of params and tokens beyond the least.
            there: ``p x 2``.
        """
        b = (SHAPE / self.rate)[:, None, None]
        # Below the least size of all, exponents are not to be continued backwards.
        sums = (here.unsqueeze(-2) + there).clamp_min(0.0)
        return tuple((b / (b + sums[..., axis])) ** SHAPE for axis in range(2))  # type: ignore[return-value]

    def _whole(self, here: Tensor, there: Tensor) -> Tensor:
        """Covariance over scales ``k x q x p`` of the function of the mixture, without the slope of the whole."""
        params, tokens = self.falling(here, there)
        v, u = self.params[:, None, None], self.tokens[:, None, None]
        return (1.0 + v * params + u * tokens) / (1.0 + v + u)

    def _reached(self, here: Tensor, first: Tensor) -> Tensor:
        """How far scales are from the first, ``k x q``: 0 there, growing to 2 where both axes have come to an end."""
        steps = torch.zeros(len(self.rate), len(here), dtype=torch.float64)
        for part, own in zip(self.falling(here, first), self.falling(first, first), strict=True):
            steps = steps + 1.0 - part.squeeze(-1) / own.squeeze(-1)
        return steps

    def _slope(self, here: Tensor, first: Tensor) -> Tensor:
        return torch.exp(self.slope[:, None] * self._reached(here, first))

    def loading(self, here: Tensor, first: Tensor) -> Tensor:
        """How much of the first scale's function is in each scale's, ``c``, ``k x q``; one at the first.

        Args:
            here: ``q x 2`` sizes.
            first: ``1 x 2`` sizes of the first scale.
        """
        own = self._whole(first, first)
        return self._slope(here, first) * (self._whole(here, first) / own).squeeze(-1)

    def rest(self, here: Tensor, there: Tensor, first: Tensor) -> Tensor:
        """Covariance over scales of what the first scale's function does not say, ``k x q x p``; none at the first."""
        own = self._whole(first, first)
        left, right = self._whole(here, first), self._whole(there, first)
        rest = (self._whole(here, there) - left * right.mT / own) / own
        slope = self._slope(here, first).unsqueeze(-1) * self._slope(there, first).unsqueeze(-2)
        return slope * rest

    def slope_covariance(self, here: Tensor, there: Tensor, first: Tensor) -> Tensor:
        """Covariance over scales of a metric's slope, ``k x q x p``; none at the first."""
        slope = self._slope(here, first).unsqueeze(-1) * self._slope(there, first).unsqueeze(-2)
        return self.slopes.square()[:, None, None] * slope * self.increments(here, there, first)

    def increments(self, here: Tensor, there: Tensor, first: Tensor) -> Tensor:
        """Covariance ``k x q x p`` of how far two falling parts of variance one have come since the first scale."""
        parts = zip(
            self.falling(here, there),
            self.falling(here, first),
            self.falling(first, there),
            self.falling(first, first),
            strict=True,
        )
        return sum((a - b - c + d for a, b, c, d in parts), start=torch.zeros((), dtype=torch.float64))


def shared_noise(sizes: Tensor, runs: Tensor, common: Tensor) -> Tensor:
    """Correlation ``k x n x n`` of the noise of runs: that of checkpoints of one run falls with the decades of tokens.

    Args:
        sizes: ``n x 2`` logarithms of params and tokens.
        runs: ``n`` numbers of runs, the same for checkpoints of one.
        common: ``k`` correlations of two checkpoints a decade apart.
    """
    decades = (sizes[:, 1].unsqueeze(-1) - sizes[:, 1]).abs() / DECADE
    same = runs.unsqueeze(-1) == runs
    return torch.where(same, common[:, None, None] ** decades, 0.0)
