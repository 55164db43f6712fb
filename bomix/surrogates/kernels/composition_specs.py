"""Kernels of kernels as they stand in a study file; :mod:`bomix.surrogates.kernels.composition` computes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bomix.contracts.kernel import Kernel
from bomix.errors import Fault
from bomix.surrogates.kernels.nested_specs import Nodes, Siblings
from bomix.surrogates.kernels.specs import OwnDomain, positive_faults

if TYPE_CHECKING:
    from bomix.contracts.covariance import Covariance, KernelContext


@dataclass(frozen=True)
class Scaled:
    """``s k(w, v)``: a kernel times a variance ``s`` that is learnt.

    Attributes:
        of: The kernel that is scaled.
        variance: Median of the log-normal prior of its variance.
        spread: Standard deviation of the variance's logarithm.
    """

    of: Kernel
    variance: float = 1.0
    spread: float = 1.0

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        return positive_faults(self, "variance", "spread")

    def bind(self, context: KernelContext) -> Covariance:
        """The covariance function in a context, with the priors of its hyperparameters."""
        from bomix.surrogates.kernels.composition import ScaledCovariance

        return ScaledCovariance(self.of.bind(context), self.variance, self.spread)


@dataclass(frozen=True)
class Sum:
    """``sum_i k_i(w, v)``: a sum of kernels, as a rule each scaled.

    Attributes:
        of: The kernels, two or more as a rule.
    """

    of: tuple[Kernel, ...]

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        return [] if self.of else [Fault("of", "no kernel to sum; name at least one")]

    def bind(self, context: KernelContext) -> Covariance:
        """The covariance function in a context, with the priors of its hyperparameters."""
        from bomix.surrogates.kernels.composition import SumCovariance

        return SumCovariance([kernel.bind(context) for kernel in self.of])


def sees_own_alone(kernel: Kernel) -> bool:
    """Whether a kernel is one of the weight of a metric's own domain alone, zero for a metric that has none."""
    if isinstance(kernel, (Scaled, Siblings, Nodes)):
        return sees_own_alone(kernel.of)
    if isinstance(kernel, Sum):
        return all(sees_own_alone(each) for each in kernel.of)
    return isinstance(kernel, OwnDomain)
