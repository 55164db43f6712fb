"""Covariance functions over a tree of domains: hyperparameters that siblings share, and sums over nodes.

Shapes as in :mod:`bomix.surrogates.kernels.stationary`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch

from bomix.contracts.covariance import Covariance, KernelContext, Prior

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.contracts.kernel import Kernel

_OF_DOMAIN = re.compile(r"(?P<what>.*)\[(?P<domain>.*)\]", re.DOTALL)
"""The name of a hyperparameter of which there is one for each domain."""
_LEAST = 0.1
"""Standard deviation of a parent's hyperparameter at least: a kernel whose own prior is narrower than the deviations of
siblings leaves nearly nothing for what they have in common."""


def parents(domains: Sequence[str], level: int) -> tuple[str, ...]:
    """The node of each domain, ``level`` parts of its name; the domain itself where it has no more."""
    return tuple("/".join(name.split("/")[:level]) for name in domains)


class SiblingsCovariance(Covariance):
    """A covariance whose hyperparameters of domains are sums: a deviation of their own and one of their parent.

    Hyperparameters: those of the base, with deviations for those of domains that have siblings; then one for each
    parent and kind of hyperparameter, zero where the base has its median.

    Args:
        base: The covariance.
        context: The names of the domains.
        level: Parts of a name that name the parent.
        deviation: Standard deviation of what is a domain's own.
    """

    def __init__(self, base: Covariance, context: KernelContext, level: int, deviation: float) -> None:
        self.base, self.label, prior = base, base.label, base.prior
        parent = dict(zip(context.domains, parents(context.domains, level), strict=True))
        several = {node for node in parent.values() if list(parent.values()).count(node) > 1}
        shared: dict[str, list[int]] = {}
        for place, name in enumerate(prior.names):
            found = _OF_DOMAIN.fullmatch(name)
            if found is not None and (node := parent.get(found["domain"])) in several:
                shared.setdefault(f"{found['what']}[{node}/]", []).append(place)
        self._sums = torch.zeros(len(shared), base.size, dtype=torch.float64)
        for row, places in enumerate(shared.values()):
            self._sums[row, places] = 1.0
        inside = self._sums.any(dim=0)
        narrow = prior._replace(sd=torch.where(inside, prior.sd.clamp_max(deviation), prior.sd))
        above = [self._of_parent(prior, name, places, deviation) for name, places in shared.items()]
        self.prior = Prior.joined([narrow, *above]) if above else prior

    @staticmethod
    def _of_parent(prior: Prior, name: str, places: list[int], deviation: float) -> Prior:
        """The prior of what the domains at some places have in common: what theirs has beyond a deviation."""
        left = (prior.sd[:, places].square().mean(dim=-1) - deviation**2).clamp_min(_LEAST**2).sqrt()
        own = Prior.of(len(left), [name], 0.0, 1.0)
        return own._replace(sd=left.unsqueeze(-1))

    def __call__(self, theta: Tensor, X: Tensor, Z: Tensor | None = None, *, rows: Tensor | None = None) -> Tensor:
        """Covariance ``batch x b x n x n'`` of two sets of mixtures, see :class:`Covariance`."""
        return self.base(self._of_base(theta), X, Z, rows=rows)

    def diagonal(self, theta: Tensor, X: Tensor) -> Tensor:
        """Variances ``batch x b x n`` at ``batch x 1 x n x d`` mixtures."""
        return self.base.diagonal(self._of_base(theta), X)

    def towards(self, theta: Tensor, X: Tensor) -> Callable[[Tensor], Tensor]:
        """Covariance with fixed ``1 x n x d`` mixtures, as a function of others."""
        return self.base.towards(self._of_base(theta), X)

    def _of_base(self, theta: Tensor) -> Tensor:
        """The hyperparameters of the base, ``b x p``."""
        size = self.base.size
        return theta[:, :size] + theta[:, size:] @ self._sums


class NodesCovariance(Covariance):
    """A covariance of sums over nodes.

    Args:
        kernel: The kernel of the sums.
        context: The space and the metrics.
        level: Parts of a name that name the node.
    """

    label = "nodes"

    def __init__(self, kernel: Kernel, context: KernelContext, level: int) -> None:
        node = parents(context.domains, level)
        names = sorted({*node})
        place = torch.tensor([names.index(each) for each in node])
        self._sums = torch.nn.functional.one_hot(place, len(names)).to(torch.float64)
        own = context.own_domains
        within = dataclasses.replace(
            context,
            sample=context.sample @ self._sums,
            own_domains=torch.where(own >= 0, place[own.clamp_min(0)], -1),
            domains=tuple(names),
        )
        self.base = kernel.bind(within)
        self.prior = self.base.prior

    def __call__(self, theta: Tensor, X: Tensor, Z: Tensor | None = None, *, rows: Tensor | None = None) -> Tensor:
        """Covariance ``batch x b x n x n'`` of two sets of mixtures, see :class:`Covariance`."""
        return self.base(theta, X @ self._sums, None if Z is None else Z @ self._sums, rows=rows)

    def diagonal(self, theta: Tensor, X: Tensor) -> Tensor:
        """Variances ``batch x b x n`` at ``batch x 1 x n x d`` mixtures."""
        return self.base.diagonal(theta, X @ self._sums)

    def towards(self, theta: Tensor, X: Tensor) -> Callable[[Tensor], Tensor]:
        """Covariance with fixed ``1 x n x d`` mixtures, as a function of others."""
        fixed = self.base.towards(theta, X @ self._sums)
        return lambda Z: fixed(Z @ self._sums)
