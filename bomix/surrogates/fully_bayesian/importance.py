"""Predictions without a trial from draws that have seen it, reweighted as if they had not.

With draws of ``theta`` from the posterior of all trials, ``p(y_i | others) = 1 / E[1 / p(y_i | others, theta)]``, so
the posterior without trial ``i`` is that of the draws, weighted by ``1 / p(y_i | others, theta)`` [Gelfand1992]_.
Weights are cut off where one draw would decide alone [Ionides2008]_.

References:
    [Gelfand1992] Model determination using predictive distributions, with implementation via sampling-based methods.
    [Ionides2008] Truncated importance sampling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from bomix.numerics.moments import mixture_moments

if TYPE_CHECKING:
    from torch import Tensor


def truncated_shares(log_weights: Tensor) -> Tensor:
    """Shares of ``s`` draws, weights above ``sqrt(s)`` times their mean cut off.

    Args:
        log_weights: ``s x (...)``, up to a constant for each of the others.

    Returns:
        ``s x (...)``, summing to one over the draws.
    """
    weights = torch.softmax(log_weights, dim=0)
    kept = weights.clamp_max(len(weights) ** -0.5)
    return kept / kept.sum(dim=0)


def pooled_variables(means: Tensor, variances: Tensor, shares: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of mixtures of Gaussians with shares of their own.

    Args:
        means: ``s x (...)``.
        variances: ``s x (...)``.
        shares: ``s x (...)``, summing to one over the first dimension.

    Returns:
        ``(...)`` means and ``(...)`` variances.
    """
    mean, variance = mixture_moments(means.unsqueeze(-1), variances[..., None, None], shares.unsqueeze(-1))
    return mean.squeeze(-1), variance[..., 0, 0]
