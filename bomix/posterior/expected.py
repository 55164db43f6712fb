"""The objective of what is expected of the metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.posterior.belief import Belief
    from bomix.space.polytope import Array

_AT_ONCE = 1024
"""Mixtures whose expectation is computed at a time: means alone take little memory, so that parts may be large."""


def predicted(belief: Belief) -> Callable[[Tensor], Tensor]:
    """The objective of what is expected of the metrics, ``n x d`` weights to ``n``; differentiable as the model is.

    Of an objective that is no weighted sum this is not the expectation, which doubt would move.
    """
    from bomix.surrogates.models.joint import mean_at

    return lambda X: belief.aggregate(mean_at(belief.model, X))


def on_arrays(function: Callable[[Tensor], Tensor]) -> Callable[[Array], Array]:
    """The same of any number of mixtures as arrays, ``n x d`` to ``n``, without filling the memory."""
    import torch

    from bomix.numerics.chunks import in_chunks

    def values(points: Array) -> Array:
        X = torch.as_tensor(points, dtype=torch.float64)
        with torch.no_grad():
            return np.asarray(in_chunks(function, X, rows=_AT_ONCE).numpy())

    return values
