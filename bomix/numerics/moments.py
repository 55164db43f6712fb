"""Mean and covariance of a mixture of Gaussians, ``E[cov] + cov(E)``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


def mixture_moments(
    means: Tensor | Sequence[Tensor],
    covariances: Tensor | Sequence[Tensor],
    shares: Tensor | None = None,
    *,
    axis: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Moments of a mixture whose components stand along the first dimension, or along another where shares are equal.

    With shares that differ between coordinates, the covariance of two coordinates is
    ``sum_c sqrt(s_ci s_cj) (cov_c,ij + d_ci d_cj)``, ``d`` the distance of a component's mean from the mixture's:
    positive semi-definite, and the mixture's own for every coordinate by itself.

    Args:
        means: ``s x (...) x k``.
        covariances: ``s x (...) x k x k``.
        shares: ``s x (...) x k``, or ``s x (...) x 1`` where all coordinates have the same; they sum to one over the
            components. Equal ones by default.
        axis: Dimension of ``means``, counted from the end, where equal components do not stand first; that of
            ``covariances`` is one further from theirs. Moving it to the front would change the order of summation.

    Returns:
        ``(...) x k`` and ``(...) x k x k``.
    """
    if shares is None:
        means, covariances = _stacked(means), _stacked(covariances)
        of_means, of_covariances = (0, 0) if axis is None else (axis, axis - 1)
        mean = means.mean(dim=of_means)
        between = _outer(means - mean.unsqueeze(of_means)).mean(dim=of_covariances)
        return mean, covariances.mean(dim=of_covariances) + between
    if len(means) == 1:
        return means[0], covariances[0]
    # One component after the other: sums over a dimension of few would round differently, and so would gradients.
    mean = sum((share * each for share, each in zip(shares, means, strict=True)), start=torch.zeros(()))
    covariance = torch.zeros(())
    for share, each, within in zip(shares, means, covariances, strict=True):
        weight = share.unsqueeze(-1) if share.shape[-1] == 1 else _outer(share.sqrt())
        covariance = covariance + weight * (within + _outer(each - mean))
    return mean, covariance


def _stacked(components: Tensor | Sequence[Tensor]) -> Tensor:
    return components if isinstance(components, torch.Tensor) else torch.stack(tuple(components))


def _outer(vectors: Tensor) -> Tensor:
    """``(...) x k`` to ``(...) x k x k``."""
    return vectors.unsqueeze(-1) * vectors.unsqueeze(-2)
