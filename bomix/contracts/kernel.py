"""A kernel: what a Gaussian process believes of a metric before it has seen any value of it.

Write a frozen dataclass with :meth:`Kernel.bind`, which returns a
:class:`~bomix.contracts.covariance.Covariance`: the mathematics, for all metrics at once, with the priors of its
hyperparameters. The specification (this page) is read without torch; the covariance is not.

>>> from dataclasses import dataclass
>>> from bomix.errors import Fault
>>> @dataclass(frozen=True)
... class Dot:
...     '''A plane through each metric: ``k(w, v) = exp(theta) w . v``.'''
...     spread: float = 1.0
...     def faults(self):
...         return [] if self.spread > 0.0 else [Fault("spread", f"spread is {self.spread:g}; give more than 0")]
...     def bind(self, context):
...         from bomix.contracts.covariance import Covariance, Prior
...         class DotCovariance(Covariance):
...             prior = Prior.of(context.m, ["variance"], mean=0.0, sd=self.spread)
...             def __call__(self, theta, X, Z=None, *, rows=None):
...                 return theta.exp().unsqueeze(-1) * (X @ (X if Z is None else Z).mT)
...             def diagonal(self, theta, X):
...                 return theta.exp() * X.square().sum(dim=-1)
...         return DotCovariance()
>>> import torch
>>> from bomix.contracts.covariance import KernelContext
>>> bound = Dot().bind(KernelContext(torch.eye(3, dtype=torch.float64), torch.tensor([-1, -1])))
>>> tuple(bound(bound.prior.start, torch.eye(3, dtype=torch.float64).expand(1, 1, 3, 3)).shape)
(1, 2, 3, 3)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from bomix.contracts.traits import PartTraits

if TYPE_CHECKING:
    from bomix.contracts.covariance import Covariance, KernelContext


@runtime_checkable
class Kernel(Protocol):
    """What a Gaussian process believes of a metric before it has seen any value of it."""

    def bind(self, context: KernelContext) -> Covariance:
        """The covariance function on a space, with the priors and names of its hyperparameters.

        Args:
            context: Mixtures spread over the space, from which typical distances are taken, the names of the domains,
                and the metrics' own domains.
        """
        ...


@dataclass(frozen=True)
class KernelTraits(PartTraits):
    """What a kernel may have beyond :class:`Kernel`: no more than any part of a surrogate."""

    contract: ClassVar[type | None] = Kernel
