"""Mixtures that acquisition functions compare with: those tried, and those that may be the best."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from botorch.utils.multi_objective.pareto import is_non_dominated

from bomix.acquisition.joint_draws import moments
from bomix.optimization import start_points

if TYPE_CHECKING:
    from botorch.models.model import Model
    from torch import Tensor

    from bomix.contracts.acquisition import Aggregate

WIDE = 512
"""Mixtures of the whole space that compete; a quarter as many sparse ones are added. Each costs one prediction, at
every ask."""
_AROUND = 4
"""Number of the best mixtures tried around which more compete: the lowest objective is most often near one of them."""
_WIDTHS = (0.01, 0.03, 0.1)
"""Widths of the clouds around them: from a change that hardly shows to one that leaves the valley."""
_PER_WIDTH = 16
"""Mixtures of each cloud and width: 192 together, half as many again as the sparse ones."""


def optimistic_order(model: Model, aggregate: Aggregate, X: Tensor, *, deviations: float = 1.0) -> Tensor:
    """The order of ``n x d`` mixtures by posterior mean minus ``deviations`` standard deviations, the lowest first."""
    with torch.no_grad():
        mean, variance = aggregate.spread(model, X)
    return (mean - deviations * variance.sqrt()).argsort(stable=True)


def contenders(model: Model, aggregate: Aggregate, X: Tensor, count: int) -> Tensor:
    """The ``count`` of ``n x d`` mixtures whose objective may be lowest, the most promising first."""
    return X[optimistic_order(model, aggregate, X)[:count]]


def front(model: Model, groups: Tensor, X: Tensor, count: int) -> Tensor:
    """Up to ``count`` of ``n x d`` mixtures that may be on the front: those that none dominates, then the next."""
    with torch.no_grad():
        mean, covariance = moments(model, groups, X.unsqueeze(-2))
    bound = mean.squeeze(-2) - covariance.diagonal(dim1=-2, dim2=-1).clamp_min(0.0).sqrt()
    kept: list[int] = []
    left = torch.arange(len(X))
    while len(left) and len(kept) < count:
        best = is_non_dominated(-bound[left])
        kept += left[best].tolist()
        left = left[~best]
    return X[kept[:count]]


def support(model: Model, aggregate: Aggregate, X: Tensor, count: int, *, seed: int, wide: int = WIDE) -> Tensor:
    """Where the lowest objective may be: ``count`` mixtures of the space, the best of the ``n x d`` tried among them.

    Points of the whole space, and points around the best ones tried, compete by what lies one standard deviation
    below their mean.

    Args:
        model: The model of the metrics.
        aggregate: The objective.
        X: The mixtures tried.
        count: How many are wanted.
        seed: Seed of the points.
        wide: Mixtures of the whole space that compete; a quarter as many sparse ones are added.
    """
    space = aggregate.space
    best = contenders(model, aggregate, X, max(_AROUND, count // 4))
    if space is None:
        return best
    rng = np.random.default_rng(seed)
    centre, widths = best[:_AROUND].numpy(), np.repeat(_WIDTHS, _PER_WIDTH)[:, None, None]
    # Not start_points.around, which multiplies in another order: the last digits of these mixtures decide which of two
    # equally good ones an acquisition function compares with, and so whole asks.
    noise = widths * start_points.typical_change(centre) * rng.normal(size=(len(widths), *centre.shape))
    near = space.project((centre + noise).reshape(-1, space.dimension))
    pool = np.concatenate([space.sobol(wide, seed=seed), near, start_points.sparse(space, wide // 4, rng)])
    ranked = contenders(model, aggregate, torch.as_tensor(pool), len(pool)).numpy()
    chosen = start_points.spaced(ranked, count - len(best), others=best.numpy())
    return torch.cat([best, torch.as_tensor(chosen)])
