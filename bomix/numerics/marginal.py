"""Marginal likelihoods of Gaussian processes whose observations have gaps, many at once, with gradients."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from bomix.numerics.cholesky import ladder
from bomix.numerics.chunks import chunks, rows_within

if TYPE_CHECKING:
    from torch import Tensor

JITTERS = (0.0, 1e-8, 1e-6, 1e-4)
"""Added to ``K + noise`` of a metric of variance one: none as a rule, and never more than the least noise."""

MANY = 256
"""Observations beyond which matrices of some processes at a time are made, no more than memory and cache hold: at 512
and thirteen processes an evaluation then takes half as long. Up to it, all are one batch, and calls would cost more."""


def noisy_factor(covariance: Tensor, noise: Tensor, seen: Tensor) -> Tensor:
    """Cholesky factor of ``K + noise`` with the rows of missing observations cut out.

    A row that is cut out becomes one of the identity, which keeps the batch whole.

    Args:
        covariance: ``batch x b x n x n`` kernel matrices.
        noise: ``batch x b x n`` noise variances.
        seen: ``batch x b x n``, which observations there are.

    Returns:
        ``batch x b x n x n`` lower triangles; NaN for a matrix that no jitter mends.
    """
    if not seen.all():
        there = seen.to(covariance)
        covariance = covariance * there.unsqueeze(-1) * there.unsqueeze(-2)
        noise = torch.where(seen, noise, 1.0)
    matrix = covariance.clone()
    matrix.diagonal(dim1=-2, dim2=-1).add_(noise)
    factor, failed = ladder(matrix, JITTERS, each=True)
    return torch.where(failed[..., None, None], torch.nan, factor)


def best_means(factor: Tensor, targets: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
    """Generalised-least-squares means, ``b``, and ``(K + noise)^-1`` times the targets and times one, ``b x n x 2``.

    Args:
        factor: ``b x n x n``, as :func:`noisy_factor` gives it.
        targets: ``b x n``, any number where missing.
        there: ``b x n``, one where there is an observation, else zero.
    """
    solved = torch.cholesky_solve(torch.stack([targets * there, there], dim=-1), factor)
    precision = (there * solved[..., 1]).sum(dim=-1)
    return (there * solved[..., 0]).sum(dim=-1) / torch.where(precision > 0, precision, 1.0), solved


def inverse_diagonal(factor: Tensor) -> Tensor:
    """The diagonal ``batch x b x n`` of the inverse of what ``batch x b x n x n`` Cholesky factors are factors of."""
    n = factor.shape[-1]
    if factor.dim() > 3 or n <= MANY:
        return torch.cholesky_inverse(factor).diagonal(dim1=-2, dim2=-1)
    parts = chunks(factor, rows=rows_within(n * n))
    return torch.cat([torch.cholesky_inverse(part).diagonal(dim1=-2, dim2=-1) for part in parts])


class LogMarginal(torch.autograd.Function):
    """Log marginal likelihood with the mean profiled out, and its gradient in closed form.

    ``dL/dK = (a a^T - K^-1) / 2`` with ``a = K^-1 (y - mu)``; the profiled mean is a stationary point and adds
    nothing. A backward pass through the factorisation would cost several times as much.
    """

    @staticmethod
    def forward(ctx: Any, covariance: Tensor, noise: Tensor, targets: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Log marginal likelihoods and best means, ``b`` each."""
        factor = noisy_factor(covariance, noise, seen)
        there = seen.to(targets)
        means, solved = best_means(factor, targets, there)
        alpha = solved[..., 0] - means.unsqueeze(-1) * solved[..., 1]
        fit = (alpha * (targets - means.unsqueeze(-1)) * there).sum(dim=-1)
        log_determinant = 2.0 * factor.diagonal(dim1=-2, dim2=-1).log().sum(dim=-1)
        ctx.save_for_backward(factor, alpha, there)
        ctx.mark_non_differentiable(means)
        return -0.5 * (fit + log_determinant + there.sum(dim=-1) * math.log(2.0 * math.pi)), means

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of covariance and noise."""
        factor, alpha, there = ctx.saved_tensors
        outer = (alpha.unsqueeze(-1) * alpha.unsqueeze(-2)).sub_(torch.cholesky_inverse(factor))
        outer.mul_(0.5 * gradients[0][:, None, None])
        if not there.all():
            outer = outer * there.unsqueeze(-1) * there.unsqueeze(-2)
        return outer, outer.diagonal(dim1=-2, dim2=-1), None, None
