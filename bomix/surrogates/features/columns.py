"""Features as columns of numbers, each with mean zero and standard deviation one over the trials."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from bomix.errors import raise_faults
from bomix.surrogates.data.standardize import standardisation

if TYPE_CHECKING:
    from botorch.utils.datasets import SupervisedDataset
    from torch import Tensor

    from bomix.contracts.context import FitContext
    from bomix.contracts.mean import Feature
    from bomix.surrogates.features.spec import Features

_SAMPLE = 16
"""Mixtures that set a column's scale where trials cannot."""


@dataclass(frozen=True)
class SideBySide:
    """Functions of weights, their columns side by side: ``batch x n x d`` weights to ``batch x n x p``."""

    of: tuple[Callable[[Tensor], Tensor], ...]

    def __call__(self, X: Tensor) -> Tensor:
        """``batch x n x d`` weights to ``batch x n x p`` columns."""
        return torch.cat([each(X) for each in self.of], dim=-1)


@dataclass(frozen=True)
class Columns:
    """Extra columns that a regression sees behind the weights.

    Attributes:
        predict: ``f`` predictions side by side, ``batch x n x d`` weights to ``batch x n x f m``.
        chosen: ``p`` positions among their ``f m`` outputs.
        index: ``m x c`` positions among the ``p``: the columns of each metric.
        offset: ``p`` numbers that are subtracted from the columns.
        scale: ``p`` numbers that the differences are divided by.
        training: ``n x p`` columns of the trials, by fits that have not seen them where a prediction learnt from
            trials.
        learnt: Whether a prediction learnt from trials.
    """

    predict: SideBySide
    chosen: Tensor
    index: Tensor
    offset: Tensor
    scale: Tensor
    training: Tensor
    learnt: bool

    def __call__(self, X: Tensor) -> Tensor:
        """``batch x n x d`` weights to ``batch x n x p``; differentiable where the predictions are."""
        return (self.predict(X)[..., self.chosen] - self.offset) / self.scale

    @property
    def used(self) -> Tensor:
        """``m x p``, one where a metric sees a column, else zero."""
        return torch.zeros(len(self.index), len(self.chosen), dtype=torch.float64).scatter(1, self.index, 1.0)


def columns_of(features: Features | None, data: SupervisedDataset, *, context: FitContext, seed: int) -> Columns | None:
    """Make the columns: predict, choose what each metric sees, standardise.

    Args:
        features: What is predicted and which metrics see it; None for no columns.
        data: ``X`` is ``n x d``, ``Y`` ``n x m``, NaN where a trial lacks a metric.
        context: The names behind the columns.
        seed: Seed of predictions that learn.

    Raises:
        FaultsError: A metric is named that is not there.
    """
    return columns_from(predictions(features, data, context=context, seed=seed), features, data, context=context)


def predictions(features: Features | None, data: SupervisedDataset, *, context: FitContext, seed: int) -> list[Feature]:
    """The predictions that features are made of; arguments and errors as of :func:`columns_of`."""
    if features is None:
        return []
    raise_faults(features.metric_faults(context.metrics))
    return [mean.feature(data, context=context, seed=seed) for mean in features.of]


def columns_from(
    found: Sequence[Feature],
    features: Features | None,
    data: SupervisedDataset,
    *,
    context: FitContext,
    part: int | None = None,
) -> Columns | None:
    """Make the columns of predictions that are there already: choose what each metric sees, standardise.

    Args:
        found: The predictions of the features.
        features: What is predicted and which metrics see it; None for no columns.
        data: ``X`` is ``n x d``, ``Y`` ``n x m``, NaN where a trial lacks a metric.
        context: The names behind the columns.
        part: How many trials, the first, columns are standardised by; None for all.
    """
    if features is None:
        return None
    predict, m = SideBySide(tuple(each.predict for each in found)), len(context.metrics)
    positions = torch.tensor(features.positions(context.metrics)).reshape(m, -1)
    index = torch.cat([number * m + positions for number in range(len(found))], dim=-1)
    chosen, index = torch.unique(index, return_inverse=True)
    X = data.X.double()
    with torch.no_grad():
        training = [each.predict(X) if each.held_out is None else each.held_out for each in found]
        values = torch.cat(training, dim=-1)[..., chosen]
        typical = values[:part]
        if len(X) < 2:
            sample = torch.as_tensor(context.space.sobol(_SAMPLE, seed=0), dtype=torch.float64)
            typical = predict(sample)[..., chosen]
        offset, scale = standardisation(typical)
    learnt = any(each.held_out is not None for each in found)
    return Columns(predict, chosen, index, offset, scale, (values - offset) / scale, learnt)
