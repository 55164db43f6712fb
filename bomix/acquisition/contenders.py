"""Mixtures that acquisition functions compare with: those tried, and those that may be the best."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from botorch.utils.multi_objective.pareto import is_non_dominated

from bomix.acquisition.joint_draws import moments

if TYPE_CHECKING:
    from botorch.models.model import Model
    from torch import Tensor

    from bomix.contracts.acquisition import Aggregate

_WIDE = 512
_AROUND = 4
_WIDTHS = (0.01, 0.03, 0.1)
_PER_WIDTH = 16
_APART = 0.01


def hopeful(model: Model, aggregate: Aggregate, X: Tensor, *, deviations: float = 1.0) -> Tensor:
    """The order of ``n x d`` mixtures by what lies some standard deviations below the mean, the lowest first."""
    with torch.no_grad():
        mean, variance = aggregate.spread(model, X)
    return (mean - deviations * variance.sqrt()).argsort(stable=True)


def contenders(model: Model, aggregate: Aggregate, X: Tensor, count: int) -> Tensor:
    """Of ``n x d`` mixtures the ``count`` whose objective may be lowest."""
    return X[hopeful(model, aggregate, X)[:count]]


def front(model: Model, groups: Tensor, X: Tensor, count: int) -> Tensor:
    """Of ``n x d`` mixtures up to ``count`` that may be on the front: first those that none beats, then the next."""
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


def support(model: Model, aggregate: Aggregate, X: Tensor, count: int, *, seed: int) -> Tensor:
    """Where the lowest objective may be: ``count`` mixtures of the space, the best of the ``n x d`` tried among them.

    Points of the whole space, and points around the best ones tried, compete by what lies one standard deviation
    below their mean.
    """
    space = aggregate.space
    best = contenders(model, aggregate, X, max(_AROUND, count // 4))
    if space is None:
        return best
    rng = np.random.default_rng(seed)
    d, centre = space.dimension, best[:_AROUND].numpy()
    widths = np.repeat(_WIDTHS, _PER_WIDTH)[:, None, None]
    moved = centre + widths * np.sqrt(centre + 1.0 / d) * rng.normal(size=(len(widths), *centre.shape))
    sparse = rng.dirichlet(np.full(d, min(1.0, 3.0 / d)), size=_WIDE // 4)
    pool = np.concatenate([space.sobol(_WIDE, seed=seed), space.project(moved.reshape(-1, d)), space.project(sparse)])
    ranked = contenders(model, aggregate, torch.as_tensor(pool), len(pool))
    return torch.cat([best, _apart(ranked, best, count - len(best))])


def _apart(ranked: Tensor, others: Tensor, count: int) -> Tensor:
    """The first mixtures that keep some distance from the others and from each other."""
    chosen = others
    for point in ranked:
        if len(chosen) - len(others) >= count:
            break
        if (chosen - point).abs().amax(dim=-1).min() > _APART:
            chosen = torch.cat([chosen, point[None]])
    return chosen[len(others) :]
