"""What a Gaussian process believes before it has seen anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from bomix.contracts.covariance import Covariance, KernelContext


@runtime_checkable
class Kernel(Protocol):
    """What a Gaussian process believes of a metric before it has seen any."""

    def bind(self, context: KernelContext) -> Covariance:
        """The covariance function in a context, with the priors and names of its hyperparameters."""
        ...
