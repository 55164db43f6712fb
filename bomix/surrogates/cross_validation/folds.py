"""Trials in an order that their values decide, dealt to folds.

The values themselves decide the order of rows and columns, so that neither the order of the trials nor that of the
domains changes a fold, a tie between two splits of a tree, or the last bits of a sum. Trials of one mixture share a
fold: a repeat in the training set would give the answer away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from bomix.numerics import repeats
from bomix.space.weights import SAME_MIXTURE
from bomix.surrogates.data.standardize import standardisation

if TYPE_CHECKING:
    from botorch.utils.datasets import SupervisedDataset
    from torch import Tensor


@dataclass(frozen=True)
class Prepared:
    """Trials in their canonical order, each metric standardised, a fold for each trial.

    Attributes:
        X: ``n x d`` weights, rows and columns in canonical order.
        Z: ``n x m`` standardised metrics, NaN where missing.
        rows: ``n`` indices: which trial each row is.
        columns: ``d`` indices: which domain each column is.
        offset: ``m``, added to the standardised scale's values.
        scale: ``m``, which multiplies them.
        flat: ``m``, whether a metric has no spread: fewer than two values, or all the same.
        folds: ``n`` numbers of folds.
        count: How many folds there are; below 2 nothing can be held out.
    """

    X: np.ndarray
    Z: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    offset: Tensor
    scale: Tensor
    flat: Tensor
    folds: np.ndarray
    count: int

    def restored(self, canonical: Tensor) -> Tensor:
        """``n x m`` values of the rows, in the order of the trials and in the metrics' own units."""
        values = torch.empty_like(canonical)
        values[torch.as_tensor(self.rows)] = canonical
        return self.offset + self.scale * values


def prepare(data: SupervisedDataset, *, folds: int, seed: int) -> Prepared:
    """Order the trials, standardise their metrics, and deal their mixtures to folds.

    Args:
        data: ``X`` is ``n x d``, ``Y`` ``n x m``, NaN where a trial lacks a metric.
        folds: Number of folds; no more are made than there are distinct mixtures.
        seed: Seed of the dealing.
    """
    X = data.X.double().numpy()
    rows = canonical_rows(X, data.Y.double().numpy())
    Y = data.Y.double()[torch.as_tensor(rows)]
    offset, scale = standardisation(Y)
    # Among trials in canonical order, a column of weights tells its domain from the others.
    columns = np.lexsort(X[rows][::-1]) if len(X) else np.arange(X.shape[1])
    X, Z = X[rows][:, columns], ((Y - offset) / scale).numpy()
    mixtures = repeats.number(X, tolerance=SAME_MIXTURE)
    return Prepared(
        X=X,
        Z=Z,
        rows=rows,
        columns=columns,
        offset=offset,
        scale=scale,
        flat=_flat(Y),
        folds=repeats.deal(mixtures, folds=folds, seed=seed, even=False),
        count=min(folds, len(repeats.firsts(mixtures))),
    )


def canonical_rows(X: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """An order of the trials that neither their own order nor that of domains and metrics changes.

    Args:
        X: ``n x d`` weights.
        Y: ``n x m`` metrics, NaN where missing.

    Returns:
        ``n`` indices, ascending in the sorted weights, then in the sorted metrics.
    """
    keys = np.hstack([np.sort(X, axis=1)[:, ::-1], np.sort(Y, axis=1), X])
    return np.lexsort(keys.T[::-1])


def _flat(Y: Tensor) -> Tensor:
    """Whether each of ``m`` metrics has fewer than two different values."""
    if len(Y) == 0:
        return torch.ones(Y.shape[-1], dtype=torch.bool)
    missing = Y.isnan()
    return Y.masked_fill(missing, -torch.inf).amax(dim=0) <= Y.masked_fill(missing, torch.inf).amin(dim=0)
