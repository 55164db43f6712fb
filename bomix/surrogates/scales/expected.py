"""Means across scales without their covariances, for those who search among many mixtures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from bomix.surrogates.scales.links import Links, Seen, Step


def expected(
    steps: Sequence[Step],
    seen: Sequence[Seen],
    links: Links,
    mean: Tensor,
    shared: Tensor,
    kernel: Tensor,
    wanted: int,
) -> Tensor:
    """Means alone at one scale, ``k x m x n``, as of :func:`~bomix.surrogates.scales.links.predicted`.

    Args:
        steps: The steps.
        seen: The same, conditioned.
        links: ``k`` hyperparameters of each.
        mean: ``m x n`` means of the smallest scale.
        shared: ``m x n x p`` covariances of the same with the runs of all larger scales.
        kernel: ``k x m x n x p`` covariances of a discrepancy of variance one.
        wanted: Number of the scale.
    """
    k = len(links.noise)
    mean, shared = mean.expand(k, *mean.shape), shared.expand(k, *shared.shape)
    for number, (step, given) in enumerate(zip(steps, seen, strict=True), 1):
        ratio, slopes, discrepancy = links.over(step.decades)
        if number > wanted:
            shared = ratio * shared
        else:
            centred = mean - given.pivot.unsqueeze(-1)
            mean = given.level.unsqueeze(-1) + ratio.squeeze(-1) * centred
            along = slopes * (centred.unsqueeze(-1) * given.centred.unsqueeze(-2))
            shared = (ratio.square() + slopes) * shared + along + discrepancy * kernel
            shared = shared + step.spread.square()[:, None, None]
        if not len(step.rows):
            continue
        own = shared[..., step.rows] * given.there.unsqueeze(-2)
        mean = mean + (own @ given.alpha.unsqueeze(-1)).squeeze(-1)
        if number < len(steps):
            shared = shared - own @ torch.linalg.solve_triangular(given.factor.mT, given.explained, upper=True)
    return mean
