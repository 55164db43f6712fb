"""A mean: a prediction of every metric that a Gaussian process is corrected from, or a surrogate is made of.

Write a frozen dataclass with a field ``slope`` and :meth:`Mean.feature`, which returns a :class:`Feature`: a function
of mixtures, and what is known of it. What else bomix makes use of stands in :class:`MeanTraits`.

>>> from dataclasses import dataclass
>>> from functools import partial
>>> from bomix.errors import Fault
>>> def negative_entropy(X, m):
...     return (X * X.clamp_min(1e-9).log()).sum(dim=-1, keepdim=True).expand(*X.shape[:-1], m)
>>> @dataclass(frozen=True)
... class Entropy:
...     '''More even mixtures are better: the negative entropy of the weights, for every metric.'''
...     slope: float = 0.5
...     def faults(self):
...         return [] if self.slope >= 0.0 else [Fault("slope", f"slope is {self.slope:g}; give 0 or more")]
...     def feature(self, data, *, context, seed):
...         m = len(context.metrics)
...         return Feature(partial(negative_entropy, m=m), convex=(True,) * m)  # pickled, so no function in a function
>>> isinstance(Entropy(), Mean)
True
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from bomix.contracts.traits import PartTraits

if TYPE_CHECKING:
    from botorch.utils.datasets import SupervisedDataset
    from torch import Tensor

    from bomix.contracts.context import FitContext


@dataclass(frozen=True)
class Parameters:
    """Parameters that a prediction has learnt from the runs, about which it is taken as linear.

    A priori they are independent of one another, with mean zero and variance one: whatever their priors, they are
    counted from the centre of these and in their standard deviations.

    Attributes:
        slopes: ``batch x n x d`` weights to ``batch x n x m x p`` derivatives of the prediction of each metric in its
            own parameters, in the metrics' own units; differentiable where the prediction is, and survives pickling.
        found: ``m x p``, the parameters with which the prediction is made.
    """

    slopes: Callable[[Tensor], Tensor]
    found: Tensor


@dataclass(frozen=True)
class Feature:
    """A prediction of every metric.

    Attributes:
        predict: ``batch x n x d`` weights to ``batch x n x m``, in the metrics' own units; differentiable unless the
            mean says that it is not, and survives pickling.
        held_out: ``n x m`` predictions of the training runs by a fit that has not seen them, where it learns from
            runs; None where it does not.
        convex: Which of ``m`` metrics' predictions are known to be convex in the weights: a weighted sum of them is
            then minimised exactly. None where nothing is known.
        parameters: What it has learnt, where a process shall find that together with what the prediction leaves over,
            and be as unsure of it as the runs are; None where the prediction is taken as it is.
    """

    predict: Callable[[Tensor], Tensor]
    held_out: Tensor | None = None
    convex: tuple[bool, ...] | None = None
    parameters: Parameters | None = None


@runtime_checkable
class Mean(Protocol):
    """What a Gaussian process is corrected from."""

    @property
    def slope(self) -> float:
        """Standard deviation of the prior of the feature's coefficient, whose mean is one."""
        ...

    def feature(self, data: SupervisedDataset, *, context: FitContext, seed: int) -> Feature:
        """A prediction of every metric, in its own unit.

        Args:
            data: ``X`` is ``n x d``, the mixtures; ``Y`` is ``n x m``, as reported, NaN where a trial lacks a metric;
                ``n`` may be 0.
            context: The names behind the columns, the space, and the artifacts of trials and experts.
            seed: Decides everything random.
        """
        ...


@dataclass(frozen=True)
class MeanTraits(PartTraits):
    """What a mean may have beyond :class:`Mean`, and what bomix assumes where it does not.

    Attributes:
        differentiable: Whether the prediction has gradients by the mixture: assumed unless it says that it has none.
        compress: Largest error of a prediction, in nats, at the price of which a mean reads fewer tokens; None where it
            reads every token. A mean that has it has it as a field, so that the same mean with ``compress=None`` can
            be made, whose predictions decide in the end.
    """

    contract: ClassVar[type | None] = Mean

    differentiable: bool = True
    compress: float | None = None
