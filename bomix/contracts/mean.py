"""What a Gaussian process is corrected from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from botorch.utils.datasets import SupervisedDataset
    from torch import Tensor

    from bomix.contracts.context import FitContext


@runtime_checkable
class Mean(Protocol):
    """What a Gaussian process is corrected from.

    It may declare ``needs_experts``: it reads what experts of every domain make of the validation sets, see
    :class:`bomix.contracts.context.FitContext`; and ``differentiable = False``. It may have a field ``compress``: its
    predictions are those of fewer tokens, whose error in nats this bounds, and None takes every token, so that the same
    mean with ``compress=None`` has the last word. What it predicts with may have ``convex``, see
    :class:`bomix.contracts.mean.Feature`.

    Attributes:
        slope: Standard deviation of the prior of the feature's coefficient, whose mean is one.
    """

    @property
    def slope(self) -> float:
        """See above."""
        ...

    def feature(self, data: SupervisedDataset, *, context: FitContext, seed: int) -> Feature:
        """A prediction of every metric, in its own unit.

        Args:
            data: As in :meth:`Surrogate.fit`.
            context: As there.
            seed: Of everything random.
        """
        ...


@dataclass(frozen=True)
class Feature:
    """A prediction of every metric.

    Attributes:
        predict: ``batch x n x d`` weights to ``batch x n x m``, in the metrics' own units; differentiable unless the
            mean says that it is not, and survives pickling. It may have ``convex``, ``m`` booleans: which metrics are
            known to be convex in the weights.
        held_out: ``n x m`` predictions of the training runs by a fit that has not seen them, where it learns from
            runs; None where it does not.
    """

    predict: Callable[[Tensor], Tensor]
    held_out: Tensor | None = None
