"""Kernels over a tree of domains as they stand in a study file; :mod:`.nested` computes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bomix.contracts.kernel import Kernel
from bomix.errors import Fault
from bomix.surrogates.kernels.specs import positive_faults

if TYPE_CHECKING:
    from bomix.contracts.covariance import Covariance, KernelContext


@dataclass(frozen=True)
class Siblings:
    """A kernel in which what is learnt of each domain lies around what is learnt of its parent.

    ``ln l_i = ln l_parent + d_i``, the lengthscale ``l`` or whatever else the kernel has one of for each domain; names
    with ``/`` say whose parent is whose. Domains without one are as without this kernel, which then is the one that it
    is made of.

    Attributes:
        of: The kernel.
        level: Parts of a name that name the parent: 1 for ``web`` of ``web/code/high``, 2 for ``web/code``.
        deviation: Standard deviation of ``d``; what the kernel's own prior has beyond it is that of the parent.
    """

    of: Kernel
    level: int = 1
    deviation: float = 0.5

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        return level_faults(self.level) + positive_faults(self, "deviation")

    def bind(self, context: KernelContext) -> Covariance:
        """The covariance function in a context, with the priors of its hyperparameters."""
        from bomix.surrogates.kernels.nested import SiblingsCovariance

        return SiblingsCovariance(self.of.bind(context), context, self.level, self.deviation)


@dataclass(frozen=True)
class Nodes:
    """``k(s(w), s(v))``: a kernel of the sums ``s`` over the nodes of the tree, which does not see what is inside.

    Best as one part of a sum with a kernel of all weights. A metric's own domain is the node that holds it.

    Attributes:
        of: The kernel of the sums.
        level: Parts of a name that name the node: 1 for ``web`` of ``web/code/high``, 2 for ``web/code``. A domain with
            no more parts is a sum of its own.
    """

    of: Kernel
    level: int = 1

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        return level_faults(self.level)

    def bind(self, context: KernelContext) -> Covariance:
        """The covariance function in a context, with the priors of its hyperparameters."""
        from bomix.surrogates.kernels.nested import NodesCovariance

        return NodesCovariance(self.of, context, self.level)


def level_faults(level: int) -> list[Fault]:
    """What is wrong with a number of parts."""
    return [] if level >= 1 else [Fault("level", f"level is {level}; give the number of parts of a name, from 1")]
