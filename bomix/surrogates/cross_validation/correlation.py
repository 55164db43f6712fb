"""Correlation between the losses of one mixture, from leave-one-out residuals.

Separate models say nothing about how their errors go together, yet the variance of an aggregate of losses is mostly
that: where one loss is far from its prediction, related losses are as a rule too. With ``L_i`` the Cholesky factor
of loss ``i``'s posterior covariance over ``q`` points, and ``R`` a correlation matrix, the joint covariance has the
blocks ``L_i R_ij L_j^T``: it is positive semi-definite by construction, and ``R_ii = 1`` leaves each marginal alone.

References:
    [Sundararajan2001] Predictive approaches for choosing hyperparameters in Gaussian processes (leave-one-out in
        closed form).
    [Schaefer2005] A shrinkage approach to large-scale covariance matrix estimation.
    [Ledoit2004] Honey, I shrunk the sample covariance matrix (shrinkage towards a constant correlation).
    [Fisher1925] Statistical methods for research workers (sampling variance of an intraclass correlation).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

MIN_FREEDOM = 3.0
"""Degrees of freedom that residuals have at least, where their scale is that of Student's t: its variance is infinite
at two, and at three already three times that of a Gaussian."""

MIN_TRIALS = 4
"""Below so many common trials a correlation is noise: it is taken as zero."""


def leave_one_out(inverse_diagonal: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor]:
    """Residual and variance of each observation, predicted from all others, hyperparameters fixed [Sundararajan2001]_.

    Args:
        inverse_diagonal: ``batch x n``, the diagonal of ``(K + noise)^-1``.
        alpha: ``batch x n``, ``(K + noise)^-1 (y - mean)``.

    Returns:
        ``batch x n`` residuals ``y - prediction``, and ``batch x n`` variances of that prediction, noise included.
    """
    return alpha / inverse_diagonal, 1.0 / inverse_diagonal


def shrunk_correlation(residuals: Tensor, *, common: bool = True) -> Tensor:
    """Correlation of standardised residuals: each pair's drawn to what pairs have in common, and that to zero.

    What is drawn to the identity alone loses a part of each correlation, and the variance of a mean of many metrics is
    hardly anything but correlations: with 22 metrics that correlate by 0.3 and 16 trials a third of it went missing.
    So pairs are drawn to their mean correlation [Ledoit2004]_: its own sampling variance is that of an intraclass
    correlation [Fisher1925]_, a hundredth of a pair's where metrics are many. Each of both steps shrinks by the rule of
    [Schaefer2005]_, as far as sampling explains what is seen. Few trials know the variance of what is common badly: the
    mean correlation is multiplied as that of Student's t is. Two metrics have one correlation, and the second step does
    nothing.

    Args:
        residuals: ``m x n`` residuals of expectation zero and variance one, NaN where a metric is missing.
        common: Whether pairs are drawn to their mean; else each is drawn to zero by itself.

    Returns:
        ``m x m``, positive semi-definite, ones on the diagonal; zero for a pair of which fewer than
        :data:`MIN_TRIALS` trials have both metrics.
    """
    seen, identity = ~residuals.isnan(), torch.eye(len(residuals), dtype=residuals.dtype)
    values, both = residuals.nan_to_num(0.0), seen.to(residuals) @ seen.to(residuals).mT
    squares = values.square() @ seen.to(residuals).mT
    correlation = values @ values.mT / (squares * squares.mT).sqrt().clamp_min(1e-12)
    pairs = (both >= MIN_TRIALS) & (identity == 0)
    if not pairs.any():
        return identity
    mean = correlation[pairs].mean() if common else correlation.new_zeros(())
    shared = _mean_correlation(mean, len(residuals), both[pairs].mean()) if common else mean
    difference = torch.where(pairs, correlation - mean, 0.0)
    uncertain = (1.0 - correlation.square()).square() / (both - 1.0).clamp_min(1.0)
    difference = _shrunk(difference, torch.where(pairs, uncertain, 0.0))
    return _nearest_correlation(torch.where(pairs, shared + difference, 0.0) + identity)


def with_common_error(correlation: Tensor, n: int) -> Tensor:
    """The correlation of ``n`` runs' residuals as if metrics had erred together, all by as much, in one more run.

    What models of scores have in common is mostly an error that no left-out run shows beside its noise: they saw the
    same few mixtures, and smooth as much. The prior of one run counts as little as it should once runs are many.

    Args:
        correlation: ``m x m``.
        n: Number of runs.
    """
    return (n * correlation + torch.ones_like(correlation)) / (n + 1)


def _mean_correlation(mean: Tensor, m: int, n: Tensor) -> Tensor:
    """The mean correlation of ``m`` metrics over ``n`` trials, shrunk towards zero and then as that of Student's t."""
    freedom = (n - 1.0).clamp_min(MIN_FREEDOM)
    return (_shrunk(mean, _uncertainty_of_mean(mean, m, n)) * freedom / (freedom - 2.0)).clamp_max(1.0)


def _uncertainty_of_mean(mean: Tensor, m: int, n: Tensor) -> Tensor:
    """Sampling variance of the mean correlation of ``m`` metrics over ``n`` trials [Fisher1925]_.

    For two metrics it is ``(1 - r^2)^2 / (n - 1)``, that of their correlation.
    """
    least = -1.0 / (m - 1)  # no more can all of them go against each other
    r = mean.clamp_min(least)
    return 2.0 * ((1.0 - r) * (1.0 + (m - 1) * r)).square() / (m * (m - 1) * (n - 1.0))


def _shrunk(values: Tensor, uncertain: Tensor) -> Tensor:
    """Values times one share: what their sampling variances do not explain of their squares [Schaefer2005]_."""
    strength = values.square().sum()
    share = 1.0 - (uncertain.sum() / strength).clamp(0.0, 1.0) if strength > 0 else 0.0
    return share * values


def joint_covariance(factors: Tensor, correlation: Tensor) -> Tensor:
    """Covariance of all metrics at all points, metric by metric: blocks ``L_i R_ij L_j^T``.

    Args:
        factors: ``batch x m x q x q`` Cholesky factors of each metric's covariance.
        correlation: ``m x m``.

    Returns:
        ``batch x (m q) x (m q)``, the points of the first metric first.
    """
    m, q = factors.shape[-3], factors.shape[-1]
    if q == 1:
        sd = factors[..., 0, 0]
        return correlation * sd.unsqueeze(-1) * sd.unsqueeze(-2)
    blocks = torch.einsum("...iak,...jck,ij->...iajc", factors, factors, correlation)
    return blocks.reshape(*factors.shape[:-3], m * q, m * q)


def _nearest_correlation(matrix: Tensor) -> Tensor:
    """Cut negative eigenvalues, which pairs with different missing trials can cause, and rescale the diagonal."""
    values, vectors = torch.linalg.eigh(matrix)
    if values[0] > 1e-8:
        return matrix
    cut = vectors * values.clamp_min(1e-6) @ vectors.mT
    scale = cut.diagonal().rsqrt()
    rescaled: Tensor = cut * scale * scale.unsqueeze(-1)
    return rescaled
