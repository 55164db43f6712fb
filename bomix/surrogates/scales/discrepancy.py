"""The covariance of what changes from one scale to the next beyond a line in what the smaller one says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from bomix.contracts.covariance import KernelContext
from bomix.surrogates.gp.inputs import kernel_context
from bomix.surrogates.kernels.specs import Isotropic

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.contracts.context import FitContext

_SAMPLE = 48
"""Mixtures over which the variance of a discrepancy is counted: to some per cent, and in next to no time."""
_LEAST = 1e-3
"""Least share of a process's variance that differs between mixtures: longer lengthscales are no other functions."""


class Discrepancy:
    """A Matern process in the roots of all weights together, of variance one between mixtures of the space.

    A few large runs cannot tell domains from another, so there is one lengthscale; divided by the variance that is
    not common to all mixtures, which is a level's part, it says nothing of the height.

    Args:
        context: The space and its domains.
    """

    def __init__(self, context: FitContext) -> None:
        whole = kernel_context(context)
        one = KernelContext(whole.sample, torch.full((1,), -1), whole.domains, ("all",))
        self._kernel = Isotropic(lengthscale=1.0).bind(one)
        self._sample = whole.sample[:_SAMPLE]

    @property
    def typical(self) -> float:
        """Logarithm of the typical distance of two mixtures of the space, in which lengthscales count."""
        return float(self._kernel.prior.mean[0, 0])

    def __call__(self, lengthscale: Tensor, X: Tensor, Z: Tensor) -> Tensor:
        """Covariances ``batch x k x q x p``.

        Args:
            lengthscale: ``k`` logarithms.
            X: ``batch x q x d`` weights.
            Z: ``batch x p x d`` weights.
        """
        theta, sample = lengthscale.unsqueeze(-1), self._sample.unsqueeze(-3)
        common = self._kernel(theta, sample).mean(dim=(-2, -1))
        varying = (1.0 - common).clamp_min(_LEAST)
        return self._kernel(theta, X.unsqueeze(-3), Z.unsqueeze(-3)) / varying[:, None, None]
