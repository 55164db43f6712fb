"""The objective at the posterior means of the metrics, as a function of the weights."""

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
    """The objective at the posterior means of the metrics, ``n x d`` weights to ``n``; lower is better.

    It is differentiable where the model is. Where the objective is no weighted sum this is not its posterior mean,
    which depends on the variances as well.
    """
    from bomix.surrogates.models.joint import mean_at

    return lambda X: belief.aggregate(mean_at(belief.model, X))


def on_arrays(function: Callable[[Tensor], Tensor]) -> Callable[[Array], Array]:
    """A function of tensors as one of arrays, ``n x d`` to ``n``, computed in chunks that fit into memory."""
    import torch

    from bomix.numerics.chunks import in_chunks

    def values(points: Array) -> Array:
        X = torch.as_tensor(points, dtype=torch.float64)
        with torch.no_grad():
            return np.asarray(in_chunks(function, X, rows=_AT_ONCE).numpy())

    return values
