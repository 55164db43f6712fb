"""Gaussian processes that see more than weights: columns beside them, and covariances that know where to look.

What is costly to predict is predicted once for all covariances, and the trials may have other values than what the
prediction says of their mixtures: those of a fit that has not seen them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch

from bomix.contracts.covariance import Covariance, Frame, Prior
from bomix.numerics.pairwise import scaled_profile
from bomix.surrogates.features.columns import SideBySide
from bomix.surrogates.kernels.stationary import PROFILES

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.surrogates.features.columns import Columns

_RELEVANCE = 1.0
_BEND = (-1.2, 0.7)
_VARIANCE = (-2.3, 1.0)


@dataclass(frozen=True)
class Between:
    """The inputs from one position to another, ``batch x n x (d + p)`` to ``batch x n x (stop - start)``."""

    start: int
    stop: int

    def __call__(self, X: Tensor) -> Tensor:
        """Pick."""
        return X[..., self.start : self.stop]


class Wide(NamedTuple):
    """Runs with what stands beside their weights.

    Attributes:
        inputs: ``n x (d + p)``.
        columns: ``batch x n x d`` weights to ``batch x n x p``; None where there is nothing.
        features: ``m x c`` positions of each metric's features among the columns; None where there are none.
        mean: ``batch x n x (d + p)`` inputs to the ``batch x n x m`` of the mean; None where there is none.
    """

    inputs: Tensor
    columns: SideBySide | None
    features: Tensor | None
    mean: Between | None


def widen(X: Tensor, features: Columns | None, mean: Callable[[Tensor], Tensor] | None, at_runs: Tensor | None) -> Wide:
    """Put features and mean beside weights, where there are any.

    Args:
        X: ``n x d`` weights.
        features: Columns that covariances see.
        mean: ``batch x n x d`` weights to ``batch x n x m``.
        at_runs: ``n x m`` of the mean at ``X``.
    """
    functions: list[Callable[[Tensor], Tensor]] = []
    inputs, picked = [X], None
    if features is not None:
        functions.append(features)
        inputs.append(features.training)
    if mean is not None and at_runs is not None:
        start = sum(part.shape[-1] for part in inputs)
        picked = Between(start, start + at_runs.shape[-1])
        functions.append(mean)
        inputs.append(at_runs)
    columns = SideBySide(tuple(functions)) if functions else None
    return Wide(torch.cat(inputs, dim=-1), columns, None if features is None else features.index, picked)


class OnWeights(Covariance):
    """A covariance of the weights alone.

    Args:
        base: That covariance.
        d: How many of the inputs are weights, the first.
    """

    def __init__(self, base: Covariance, d: int) -> None:
        self.base, self._d, self.prior = base, d, base.prior

    def __call__(self, theta: Tensor, X: Tensor, Z: Tensor | None = None, *, rows: Tensor | None = None) -> Tensor:
        """See :class:`Covariance`."""
        return self.base(theta, X[..., : self._d], None if Z is None else Z[..., : self._d], rows=rows)

    def diagonal(self, theta: Tensor, X: Tensor) -> Tensor:
        """See :class:`Covariance`."""
        return self.base.diagonal(theta, X[..., : self._d])

    def towards(self, theta: Tensor, X: Tensor) -> Callable[[Tensor], Tensor]:
        """See :class:`Covariance`."""
        base = self.base.towards(theta, X[..., : self._d])
        return lambda Z: base(Z[..., : self._d])


class OnColumns(Covariance):
    """A line and a curve in the columns of each metric.

    ``k(x, z) = sum_i r_i^2 x_i z_i + v rho(sum_i (b r_i)^2 (x_i - z_i)^2)``: a column that does not matter for the
    line does not matter for the curve, so that few hyperparameters do for many columns. Columns and metrics are
    standardised; the line, which comes first, has a variance of one a priori, all columns together.

    Args:
        frame: The space and the metrics.
        index: ``m x c`` positions of each metric's columns, counted behind the weights.
    """

    def __init__(self, frame: Frame, index: Tensor) -> None:
        self._at, self._m = frame.d + index, frame.m
        m, count = index.shape
        relevance = Prior.of(m, count, -0.5 * float(torch.tensor(float(max(count, 1))).log()), _RELEVANCE)
        self.prior = Prior.joined([relevance, Prior.of(m, 1, *_BEND), Prior.of(m, 1, *_VARIANCE)])

    def __call__(self, theta: Tensor, X: Tensor, Z: Tensor | None = None, *, rows: Tensor | None = None) -> Tensor:
        """See :class:`Covariance`."""
        relevance, bend, variance = self._parts(theta)
        first = self._columns(theta, X, rows)
        second = first if Z is None else self._columns(theta, Z, rows)
        line = (first * relevance.square()) @ second.mT
        return line + variance * scaled_profile(first, second, relevance * bend, PROFILES["matern52"])

    def diagonal(self, theta: Tensor, X: Tensor) -> Tensor:
        """See :class:`Covariance`."""
        relevance, _, variance = self._parts(theta)
        return (relevance * self._columns(theta, X, None)).square().sum(dim=-1) + variance.squeeze(-1)

    def _parts(self, theta: Tensor) -> Sequence[Tensor]:
        """``b x 1 x c``, ``b x 1 x 1`` and ``b x 1 x 1``."""
        positive = theta.exp().unsqueeze(-2)
        return positive[..., :-2], positive[..., -2:-1], positive[..., -1:]

    def _columns(self, theta: Tensor, X: Tensor, rows: Tensor | None) -> Tensor:
        """``batch x b x n x c``."""
        metrics = torch.arange(self._m).repeat(len(theta) // self._m) if rows is None else rows
        return X.squeeze(-3)[..., self._at[metrics]].movedim(-2, -3)
