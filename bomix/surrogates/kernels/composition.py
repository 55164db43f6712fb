"""Kernels made of kernels."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from bomix.contracts.covariance import Covariance, Prior

if TYPE_CHECKING:
    from torch import Tensor


class ScaledCovariance(Covariance):
    """``k(w, v) = s k_base(w, v)`` with a variance ``s`` that has a log-normal prior.

    The last hyperparameter is ``ln s``.

    Args:
        base: The covariance that is scaled.
        median: Median of the variance, of a metric that is standardised.
        spread: Standard deviation of its logarithm.
    """

    def __init__(self, base: Covariance, median: float, spread: float) -> None:
        self.base, self.label = base, base.label
        m = len(base.prior.mean)
        self.prior = Prior.joined([base.prior, Prior.of(m, ["variance"], math.log(median), spread)])

    def __call__(self, theta: Tensor, X: Tensor, Z: Tensor | None = None, *, rows: Tensor | None = None) -> Tensor:
        """Covariance ``batch x b x n x n'`` of two sets of mixtures, see :class:`Covariance`."""
        return self.base(theta[:, :-1], X, Z, rows=rows) * theta[:, -1].exp()[:, None, None]

    def diagonal(self, theta: Tensor, X: Tensor) -> Tensor:
        """Variances ``batch x b x n`` at ``batch x 1 x n x d`` mixtures."""
        return self.base.diagonal(theta[:, :-1], X) * theta[:, -1:].exp()

    def towards(self, theta: Tensor, X: Tensor) -> Callable[[Tensor], Tensor]:
        """Covariance with fixed ``1 x n x d`` mixtures, as a function of others."""
        base, variance = self.base.towards(theta[:, :-1], X), theta[:, -1].exp()[:, None, None]
        return lambda Z: base(Z) * variance


class SumCovariance(Covariance):
    """``k(w, v) = sum_i k_i(w, v)``, the hyperparameters of all parts side by side.

    Names of hyperparameters begin with the label of their part, which is numbered where a label stands twice.

    Args:
        parts: The covariances.
    """

    label = "sum"

    def __init__(self, parts: Sequence[Covariance]) -> None:
        self.parts = tuple(parts)
        labels, seen = [part.label for part in self.parts], Counter[str]()
        prefixes = []
        for label in labels:
            seen[label] += 1
            prefixes.append(f"{label}{seen[label] if labels.count(label) > 1 else ''}.")
        self.prior = Prior.joined([part.prior for part in self.parts], prefixes)

    def __call__(self, theta: Tensor, X: Tensor, Z: Tensor | None = None, *, rows: Tensor | None = None) -> Tensor:
        """Covariance ``batch x b x n x n'`` of two sets of mixtures, see :class:`Covariance`."""
        return self._total(theta, lambda part, theta: part(theta, X, Z, rows=rows))

    def diagonal(self, theta: Tensor, X: Tensor) -> Tensor:
        """Variances ``batch x b x n`` at ``batch x 1 x n x d`` mixtures."""
        return self._total(theta, lambda part, theta: part.diagonal(theta, X))

    def towards(self, theta: Tensor, X: Tensor) -> Callable[[Tensor], Tensor]:
        """Covariance with fixed ``1 x n x d`` mixtures, as a function of others."""
        parts = [part.towards(each, X) for part, each in zip(self.parts, self._split(theta), strict=True)]
        return lambda Z: sum((part(Z) for part in parts[1:]), start=parts[0](Z))

    def _split(self, theta: Tensor) -> Sequence[Tensor]:
        """The hyperparameters of each part."""
        return theta.split_with_sizes([part.size for part in self.parts], dim=-1)

    def _total(self, theta: Tensor, value: Callable[[Covariance, Tensor], Tensor]) -> Tensor:
        """The sum over the parts of a value of each, given its own hyperparameters."""
        total, *rest = [value(part, each) for part, each in zip(self.parts, self._split(theta), strict=True)]
        for more in rest:
            total = total + more
        return total
