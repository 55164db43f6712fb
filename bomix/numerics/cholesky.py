"""Cholesky factors of covariances that rounding may have left without full rank: one ladder of jitters.

A covariance of repeated or nearly repeated points is positive definite on paper only. A little is added to its
diagonal, ten to a hundred times more with every rung, until a factor exists. Who climbs differs by purpose:

* a covariance of predictions is jittered in proportion to its variances, all matrices of a batch the same
  (:func:`relative_factor`), so that equal matrices get equal factors;
* a training matrix ``K + noise`` of a standardised metric has variances of about one and its own noise, needs no
  jitter as a rule and gets none then; where one matrix of a batch fails, it alone climbs (``each``), or one broken
  metric would change what is said of all others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

LEAST_SCALE = 1e-12
"""Least variance that jitter is relative to: a covariance of zeros still gets a factor, of all but zeros."""


def ladder(
    matrices: Tensor, jitters: Sequence[float], *, scale: Tensor | float = 1.0, each: bool = False
) -> tuple[Tensor, Tensor]:
    """Factorise, with the first jitter that is enough.

    Args:
        matrices: ``batch x n x n``, symmetric.
        jitters: The rungs, from small to large; zero leaves a matrix as it is.
        scale: ``batch x 1 x 1``, which jitters are multiplied by.
        each: Whether only those that failed climb, each rung added to the last; else all climb together, each rung
            added to the matrices as they were given.

    Returns:
        ``batch x n x n`` lower triangles, and ``batch`` booleans: which have none even with the last jitter.
    """
    eye = torch.eye(matrices.shape[-1], dtype=matrices.dtype)
    first, *others = jitters
    factors: Tensor
    factors, info = torch.linalg.cholesky_ex(matrices + first * scale * eye if first else matrices)
    for jitter in others:
        if not info.any():
            break
        if each:
            matrices = matrices + jitter * (info > 0).to(matrices)[..., None, None] * scale * eye
            factors, info = torch.linalg.cholesky_ex(matrices)
        else:
            factors, info = torch.linalg.cholesky_ex(matrices + jitter * scale * eye)
    return factors, info > 0


def relative_factor(covariance: Tensor, jitters: Sequence[float]) -> Tensor:
    """Cholesky factors ``batch x n x n`` of covariances, jittered in proportion to their mean variance.

    Args:
        covariance: ``batch x n x n``.
        jitters: The rungs, as shares of the mean variance.

    Raises:
        torch.linalg.LinAlgError: Not even the last jitter is enough.
    """
    # No gradient goes through the scale: jitter is rounding, not a part of the covariance.
    scale = covariance.diagonal(dim1=-2, dim2=-1).mean(dim=-1)[..., None, None].detach().clamp_min(LEAST_SCALE)
    factors, failed = ladder(covariance, jitters, scale=scale)
    if failed.any():
        eye = torch.eye(covariance.shape[-1], dtype=covariance.dtype)
        factors = torch.linalg.cholesky(covariance + jitters[-1] * scale * eye)
    return factors
