"""Between mixtures and losses in their own units and what processes see: extra inputs, a mean, a unit scale."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Between:
    """The inputs from one position to another, ``batch x n x (d + p)`` to ``batch x n x (stop - start)``."""

    start: int
    stop: int

    def __call__(self, X: Tensor) -> Tensor:
        """The columns between the two positions."""
        return X[..., self.start : self.stop]


@dataclass(frozen=True)
class OfMetrics:
    """Inputs that are several numbers of each metric.

    Attributes:
        inputs: ``batch x n x (d + p)`` inputs to ``batch x n x (m c)`` of them.
        count: Numbers of each metric, ``c``.
    """

    inputs: Between
    count: int

    def __call__(self, X: Tensor) -> Tensor:
        """``batch x n x (d + p)`` inputs to ``batch x n x m x c``."""
        parted: Tensor = self.inputs(X).unflatten(-1, (-1, self.count))  # type: ignore[no-untyped-call]
        return parted


@dataclass(frozen=True)
class About:
    """What processes correct, of inputs among which there are predictions.

    Where the predictions are linear in parameters that the processes are to find, that is what they say at the means of
    the priors of these.

    Attributes:
        predicted: ``batch x n x (d + p)`` inputs to predictions ``batch x n x m``, on the standardised scale.
        slopes: The same to derivatives ``batch x n x m x c`` in the parameters; None where there are none.
        found: ``m x c`` parameters of the predictions, counted from the means of their priors.
    """

    predicted: Between
    slopes: OfMetrics | None = None
    found: Tensor | None = None

    def __call__(self, X: Tensor) -> Tensor:
        """``batch x n x (d + p)`` inputs to ``batch x n x m``."""
        if self.slopes is None or self.found is None:
            return self.predicted(X)
        return self.predicted(X) - (self.slopes(X) * self.found).sum(dim=-1)


@dataclass(frozen=True)
class Transforms:
    """From weights to inputs, and between metrics and what the processes model of them.

    A process models ``(L_j(w) - offset_j) / scale_j - mean_j(w)``, and sees the weights with extra inputs behind them.

    Attributes:
        offset: ``m`` means of the metrics, in their own units.
        scale: ``m`` standard deviations of the metrics, in their own units.
        extra: ``batch x n x d`` weights to ``batch x n x p`` extra inputs; None where there are none.
        mean: ``batch x n x (d + p)`` inputs to ``batch x n x m`` on the standardised scale; None for zero.
        mean_learnt: Whether the mean learnt from the runs: leaving one out then has no closed form.
        extra_held_out: Whether the extra inputs of the training runs are others than those of their mixtures: by fits
            that have not seen the runs.
    """

    offset: Tensor
    scale: Tensor
    extra: Callable[[Tensor], Tensor] | None = None
    mean: Callable[[Tensor], Tensor] | None = None
    mean_learnt: bool = False
    extra_held_out: bool = False

    def inputs(self, X: Tensor) -> Tensor:
        """``batch x n x (d + p)`` inputs of ``batch x n x d`` weights."""
        return X if self.extra is None else torch.cat([X, self.extra(X)], dim=-1)

    def mean_at(self, inputs: Tensor) -> Tensor:
        """The mean ``batch x n x m`` at ``batch x n x (d + p)`` inputs, on the standardised scale."""
        return inputs.new_zeros(*inputs.shape[:-1], len(self.offset)) if self.mean is None else self.mean(inputs)

    def targets(self, inputs: Tensor, Y: Tensor) -> Tensor:
        """``batch x m x n`` targets of the processes from ``batch x n x m`` metrics."""
        return ((Y - self.offset) / self.scale - self.mean_at(inputs)).mT

    def in_units(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """The inverse of :meth:`targets`: ``batch x m x n`` to ``batch x n x m`` in the metrics' own units."""
        return self.offset + self.scale * (targets.mT + self.mean_at(inputs))
