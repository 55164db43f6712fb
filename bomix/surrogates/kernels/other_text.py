"""Covariance of what text that a study no longer has did to the runs of an earlier one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from bomix.contracts.covariance import Covariance, KernelContext, Prior

if TYPE_CHECKING:
    from torch import Tensor

_EFFECT = (-0.7, 1.0)
"""Mean and standard deviation of ``ln r``: all of a run's tokens on other text move a metric by half of what mixtures
do, give or take a factor of three. A cut that was filtered a little moves it less, one that is gone more."""

_STRAIGHT = 0.05
"""Share from which on the second line is a root: below, it is straight, as shares that scatter about zero are noise."""


class NoOtherText:
    """The columns of text that a study no longer has at mixtures of its own: zeros.

    Args:
        count: How many there are.
    """

    def __init__(self, count: int) -> None:
        self._count = count

    def __call__(self, X: Tensor) -> Tensor:
        """``batch x n x d`` weights to ``batch x n x h`` zeros."""
        return X.new_zeros(*X.shape[:-1], self._count)


class OtherTextCovariance(Covariance):
    """``sum_h r_h^2 (z_h z'_h + s(z_h) s(z'_h)) / 2 * (1 + cos(w, w')) / 2`` with ``s(z) = z / sqrt(|z| + 0.05)``.

    What a text does is a line in its share ``z`` and one in what rises like its root, zero where a run has none, with
    slopes of which nothing is known but that mixtures ``w`` in like directions have like ones. Hyperparameters:
    logarithms of ``r_h``, for metrics that are standardised.

    Args:
        context: The space and the metrics.
        at: Positions of the ``h`` shares among the inputs.
    """

    label = "other_text"

    def __init__(self, context: KernelContext, at: Sequence[int]) -> None:
        self._at, self._d = list(at), context.d
        self.prior = Prior.of(context.m, [f"effect[{number}]" for number in range(1, len(self._at) + 1)], *_EFFECT)

    def __call__(self, theta: Tensor, X: Tensor, Z: Tensor | None = None, *, rows: Tensor | None = None) -> Tensor:
        """Covariance ``batch x b x n x n'`` of two sets of inputs, see :class:`Covariance`."""
        first, along = self._columns(X), self._directions(X)
        second, towards = (first, along) if Z is None else (self._columns(Z), self._directions(Z))
        return ((first * self._squares(theta).unsqueeze(-2)) @ second.mT) * (0.5 + 0.5 * along @ towards.mT)

    def diagonal(self, theta: Tensor, X: Tensor) -> Tensor:
        """Variances ``batch x b x n`` at ``batch x 1 x n x (d + p)`` inputs."""
        return (self._columns(X).square() * self._squares(theta).unsqueeze(-2)).sum(dim=-1)

    def _squares(self, theta: Tensor) -> Tensor:
        """Half of ``r_h^2`` for both lines of each text, ``b x 2h``."""
        return 0.5 * torch.cat([theta, theta], dim=-1).mul(2.0).exp()

    def _directions(self, X: Tensor) -> Tensor:
        """Weights of length one, ``batch x 1 x n x d``."""
        weights = X[..., : self._d]
        along: Tensor = weights / weights.norm(dim=-1, keepdim=True)
        return along

    def _columns(self, X: Tensor) -> Tensor:
        """Shares and what rises like their roots, ``batch x 1 x n x 2h``."""
        shares = X[..., self._at]
        return torch.cat([shares, shares / (shares.abs() + _STRAIGHT).sqrt()], dim=-1)
