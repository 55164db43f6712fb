"""The covariance of what distinct mixtures do not share.

Shapes as in :mod:`bomix.surrogates.kernels.stationary`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from bomix.contracts.covariance import Covariance, KernelContext, Prior
from bomix.numerics.pairwise import PROFILES, scaled_profile

if TYPE_CHECKING:
    from torch import Tensor

LENGTHSCALE = 1e-3
"""Distance of two mixtures, in weights, within which they still share most of it: far below what a search tells apart,
and far above rounding. So the covariance is a smooth one, which searches can follow."""


class NuggetCovariance(Covariance):
    """``k(w, v) = exp(-|w - v|^2 / (2 r^2))``, ``r`` a thousandth: one at a mixture, zero elsewhere.

    It has no hyperparameters.

    Args:
        context: The space and the metrics.
    """

    label = "nugget"

    def __init__(self, context: KernelContext) -> None:
        self.prior = Prior.of(context.m, [], 0.0, 1.0)

    def __call__(self, theta: Tensor, X: Tensor, Z: Tensor | None = None, *, rows: Tensor | None = None) -> Tensor:
        """Covariance ``batch x b x n x n'`` of two sets of mixtures, see :class:`Covariance`."""
        inverse = X.new_full((1, 1, 1), 1.0 / LENGTHSCALE)
        value = scaled_profile(X, X if Z is None else Z, inverse, PROFILES["rbf"])
        return value.expand(*value.shape[:-3], len(theta), *value.shape[-2:])

    def diagonal(self, theta: Tensor, X: Tensor) -> Tensor:
        """Variances of one, ``batch x b x n``, at ``batch x 1 x n x d`` mixtures."""
        return torch.ones(*X.shape[:-3], len(theta), X.shape[-2], dtype=X.dtype)
