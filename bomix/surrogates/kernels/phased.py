"""The covariance of runs of two phases: that of the mixture of the whole run, and little more for the order of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from bomix.contracts.covariance import Covariance, Prior

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.space.phases import Phases

_RECENCY = (math.log(0.1), 1.0)
"""Mean and standard deviation of ``ln g``: a token of the last phase counts some percent more than its share says, and
may count half as much again. ``python benchmarks/phases.py`` shows what runs make of it."""
_ORDER = (math.log(0.01), 1.5)
"""Mean and standard deviation of ``ln s``: what no recency explains is a tenth of what mixtures do, or much less,
unless runs say otherwise."""


class PhasedCovariance(Covariance):
    """The covariance of ``(1 - g) f(b) + g f(a) + sqrt(s) (h(a) - h(b))``, ``f`` and ``h`` independent processes.

    ``b`` is the mixture of the whole run and ``a`` that of the last phase, ``f`` and ``h`` have one covariance. Where
    both are the same it is that of ``f(b)``: tied runs are seen as those of a study of one mixture are. The first part
    lets what is known of mixtures tell of their order, the second is for all that differs. The last hyperparameters are
    ``ln g`` and ``ln s``, shrunk towards an order that does not matter.

    Args:
        base: The covariance of ``d`` weights.
        phases: What leads from ``2 d`` weights to ``b`` and ``a``.
    """

    def __init__(self, base: Covariance, phases: Phases) -> None:
        self.base, self.label, self._d = base, base.label, len(phases.columns)
        self._whole, self._last = (torch.as_tensor(each) for each in (phases.sums, phases.part(phases.names[-1])))
        m = len(base.prior.mean)
        self.prior = Prior.joined([base.prior, Prior.of(m, ["recency"], *_RECENCY), Prior.of(m, ["order"], *_ORDER)])

    def __call__(self, theta: Tensor, X: Tensor, Z: Tensor | None = None, *, rows: Tensor | None = None) -> Tensor:
        """Covariance ``batch x b x n x n'`` of two sets of runs, see :class:`Covariance`."""
        second = None if Z is None else self._both(Z)
        return _combined(self.base(theta[:, :-2], self._both(X), second, rows=rows), *self._shares(theta))

    def diagonal(self, theta: Tensor, X: Tensor) -> Tensor:
        """Variances ``batch x b x n`` at ``batch x 1 x n x 2 d`` runs."""
        pairs = torch.stack([X @ self._whole, X @ self._last], dim=-2)  # each run is a set of two mixtures
        found = self.base(theta[:, :-2], pairs.movedim(-3, 0))
        return _combined(found, *self._shares(theta))[..., 0, 0].movedim(0, -1)

    def towards(self, theta: Tensor, X: Tensor) -> Callable[[Tensor], Tensor]:
        """Covariance with fixed ``1 x n x 2 d`` runs, as a function of others."""
        base, shares = self.base.towards(theta[:, :-2], self._both(X)), self._shares(theta)
        return lambda Z: _combined(base(self._both(Z)), *shares)

    def _both(self, X: Tensor) -> Tensor:
        """``(...) x 2 n x d`` mixtures: those of the whole runs, then those of the last phases."""
        return torch.cat([X @ self._whole, X @ self._last], dim=-2)

    @staticmethod
    def _shares(theta: Tensor) -> tuple[Tensor, Tensor]:
        """``g`` and ``s``, ``b x 1 x 1`` each."""
        g, s = theta[:, -2:].exp().unsqueeze(-1).unsqueeze(-1).unbind(dim=1)
        return g, s


def _combined(found: Tensor, g: Tensor, s: Tensor) -> Tensor:
    """Covariances ``(...) x 2 n x 2 n'`` of both mixtures of each run as those of the runs, ``(...) x n x n'``."""
    whole, last = found.chunk(2, dim=-2)
    (bb, ba), (ab, aa) = whole.chunk(2, dim=-1), last.chunk(2, dim=-1)
    return ((1.0 - g).square() + s) * bb + (g * (1.0 - g) - s) * (ba + ab) + (g.square() + s) * aa
