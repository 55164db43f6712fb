"""The covariance of what changes from one scale to the next beyond a line in what the smaller one says.

Half of it is a process of all weights together, whose lengthscale large runs tell. The other half is what the surrogate
takes a metric for before it has seen a run: where small runs say nothing, what is left is a metric of the usual kind,
and no worse learnt from large runs than without small ones. What the smaller scale's runs told of lengthscales is not
handed on, for it misleads where the larger scale's functions are simpler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from bomix.contracts.covariance import KernelContext
from bomix.surrogates.gp.inputs import kernel_context
from bomix.surrogates.kernels.specs import Isotropic

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.contracts.context import FitContext
    from bomix.surrogates.models.joint import JointModel

_SAMPLE = 48
"""Mixtures over which the variance of a discrepancy is counted: to some per cent, and in next to no time."""
_LEAST = 1e-3
"""Least share of a process's variance that differs between mixtures: longer lengthscales are no other functions."""
_OWN = 0.5
"""Share of the surrogate's own covariance: on synthetic functions that agree in rank at 0.8 (seeds 0-3, 8 large runs)
ranks of the mean were 94.3 with half of it and 93.1 with nothing else; without it they were 91.8 (seeds 0-2)."""


class Discrepancy:
    """A Matern process in the roots of all weights, and the surrogate's own, of variance one between mixtures.

    A few large runs cannot tell domains from another, so there is one lengthscale; divided by the variance that is
    not common to all mixtures, which is a level's part, it says nothing of the height.

    Args:
        context: The space and its domains.
        base: The model of the smallest scale; where it has no covariance of its own, the first process is all.
    """

    def __init__(self, context: FitContext, base: JointModel | None = None) -> None:
        whole = kernel_context(context)
        one = KernelContext(whole.sample, torch.full((1,), -1), whole.domains, ("all",))
        self._kernel = Isotropic(lengthscale=1.0).bind(one)
        self._sample, self._base = whole.sample[:_SAMPLE], base
        own = None if base is None else base.prior_covariance(self._sample, self._sample)
        self._height = None
        if own is not None:
            variance = own.diagonal(dim1=-2, dim2=-1).mean(dim=-1)
            varying = variance - own.mean(dim=(-2, -1))
            self._height = torch.maximum(varying, _LEAST * variance)[:, None, None]

    @property
    def typical(self) -> float:
        """Logarithm of the typical distance of two mixtures of the space, in which lengthscales count."""
        return float(self._kernel.prior.mean[0, 0])

    def __call__(self, lengthscale: Tensor, X: Tensor, Z: Tensor) -> Tensor:
        """Covariances ``batch x k x m x q x p``; ``m`` is 1 where the model has none of its own.

        Args:
            lengthscale: ``k`` logarithms.
            X: ``batch x q x d`` weights.
            Z: ``batch x p x d`` weights.
        """
        theta, sample = lengthscale.unsqueeze(-1), self._sample.unsqueeze(-3)
        common = self._kernel(theta, sample).mean(dim=(-2, -1))
        varying = (1.0 - common).clamp_min(_LEAST)
        even = self._kernel(theta, X.unsqueeze(-3), Z.unsqueeze(-3)) / varying[:, None, None]
        even = even.unsqueeze(-3)
        own = None if self._base is None else self._base.prior_covariance(X, Z)
        if own is None or self._height is None:
            return even
        return (1.0 - _OWN) * even + _OWN * (own / self._height).unsqueeze(-4)
