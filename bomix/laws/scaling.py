"""Laws of the mixture with the scale of a run in them, and how an optimum moves from scale to scale.

Shapes are those of :mod:`bomix.laws.formulas`; ``params`` and ``tokens`` are ``n`` numbers, one for each row of
weights, or single ones. They are positive and enter through their logarithms.

References:
    [Ge2024] BiMix: a bivariate data mixing law for language model pretraining.
    [Kang2024] AutoScale: automatic prediction of compute-optimal data compositions for training LLMs.
    [Hoffmann2022] Training compute-optimal large language models.
    [Shukor2025] Scaling laws for optimal data mixtures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from bomix.laws.formulas import FLOOR

if TYPE_CHECKING:
    from torch import Tensor


def bimix_over_steps(
    own: Tensor, steps: Tensor, A: Tensor, alpha: Tensor, B: Tensor, beta: Tensor, C: Tensor, floor: float = FLOOR
) -> Tensor:
    """``L_j = A_j / (w_j + floor)^alpha_j (B_j / s^beta_j + C_j)``: BiMix in weight and training steps [Ge2024]_.

    Args:
        own: ``(...) x n x m`` weights of the metrics' own domains.
        steps: ``n`` training steps or tokens, ``s``.
        A: ``(...) x m``, as all others.
        alpha: Exponents of the weights.
        B: Heights of what training still takes away.
        beta: Exponents of the steps.
        C: What is left after training without end.
        floor: Share added to a weight, so that zero is an ordinary one.
    """
    proportion = A.unsqueeze(-2) * torch.exp(-alpha.unsqueeze(-2) * torch.log(own.clamp_min(0.0) + floor))
    return proportion * (_power(steps, B, beta) + C.unsqueeze(-2))


def bimix_over_scale(
    own: Tensor,
    params: Tensor,
    tokens: Tensor,
    *,
    A: Tensor,
    alpha: Tensor,
    B: Tensor,
    beta: Tensor,
    B_params: Tensor,
    beta_params: Tensor,
    C: Tensor,
    floor: float = FLOOR,
) -> Tensor:
    """:func:`bimix_over_steps` in tokens, with a second falling power in the factor of the scale, that of parameters.

    ``L_j = A_j / (w_j + floor)^alpha_j (B_j / D^beta_j + B'_j / N^beta'_j + C_j)``; the published law is of one size.

    Args:
        own: ``(...) x n x m`` weights of the metrics' own domains.
        params: ``n`` parameters, ``N``.
        tokens: ``n`` training tokens, ``D``.
        A: ``(...) x m``, as all others.
        alpha: Exponents of the weights.
        B: Heights of what tokens still take away.
        beta: Exponents of the tokens.
        B_params: Heights of what parameters still take away, ``B'``.
        beta_params: Exponents of the parameters, ``beta'``.
        C: What is left of an endless model trained without end.
        floor: Share added to a weight.
    """
    proportion = A.unsqueeze(-2) * torch.exp(-alpha.unsqueeze(-2) * torch.log(own.clamp_min(0.0) + floor))
    return proportion * (_power(tokens, B, beta) + _power(params, B_params, beta_params) + C.unsqueeze(-2))


def autoscale_over_scale(
    weights: Tensor,
    params: Tensor,
    tokens: Tensor,
    *,
    L: Tensor,
    k: Tensor,
    n0: Tensor,
    gamma: Tensor,
    A: Tensor,
    alpha: Tensor,
) -> Tensor:
    """``L_j + sum_i k_ji (n0_ji + w_i D)^-gamma_ji + A_j / N^alpha_j``: a power of each domain's tokens [Kang2024]_.

    Without ``n0`` the tokens of the best mixture grow from scale to scale by ratios of their own, as
    :func:`next_optimum` continues them.

    Args:
        weights: ``(...) x n x d``.
        params: ``n`` parameters, ``N``.
        tokens: ``n`` training tokens, ``D``.
        L: ``(...) x m`` limits.
        k: ``(...) x m x d`` heights, as the next two.
        n0: Tokens that other domains stand in for.
        gamma: Exponents.
        A: ``(...) x m`` heights of what parameters still take away.
        alpha: Their exponents.
    """
    amounts = torch.atleast_1d(tokens).unsqueeze(-1) * weights  # type: ignore[no-untyped-call]
    seen = n0.unsqueeze(-3) + amounts.unsqueeze(-2)
    falling = (k.unsqueeze(-3) * torch.exp(-gamma.unsqueeze(-3) * torch.log(seen))).sum(dim=-1)
    return falling + L.unsqueeze(-2) + _power(params, A, alpha)


def additive_over_scale(
    weights: Tensor,
    params: Tensor,
    tokens: Tensor,
    *,
    E: Tensor,
    C: Tensor,
    gamma: Tensor,
    A: Tensor,
    alpha: Tensor,
    B: Tensor,
    beta: Tensor,
    floor: float = FLOOR,
) -> Tensor:
    """``L_j = E_j + 1 / sum_i C_ji (w_i + floor)^gamma_ji + A_j / N^alpha_j + B_j / D^beta_j`` [Shukor2025]_.

    The mixture and the scale do not interact: every mixture falls by the same, and the optimum stays where it is.

    Args:
        weights: ``(...) x n x d``.
        params: ``n`` parameters, ``N``.
        tokens: ``n`` training tokens, ``D``.
        E: ``(...) x m`` limits.
        C: ``(...) x m x d`` positive factors.
        gamma: ``(...) x m x d`` exponents.
        A: ``(...) x m``, as the next three.
        alpha: Exponents of the parameters.
        B: Heights of the part that tokens take away.
        beta: Exponents of the tokens.
        floor: Share added to a weight, so that zero is an ordinary one.
    """
    return E.unsqueeze(-2) + _mixed(weights, C, gamma, floor) + _power(params, A, alpha) + _power(tokens, B, beta)


def joint_over_scale(
    weights: Tensor,
    params: Tensor,
    tokens: Tensor,
    *,
    E: Tensor,
    C: Tensor,
    gamma: Tensor,
    A: Tensor,
    C_params: Tensor,
    alpha: Tensor,
    B: Tensor,
    C_tokens: Tensor,
    beta: Tensor,
    floor: float = FLOOR,
) -> Tensor:
    """The same where the heights of both powers depend on the mixture, and the optimum moves [Shukor2025]_.

    ``L_j = E_j + 1 / sum_i C_ji (w_i + floor)^gamma_ji + A_j e^(p_j . w) / N^alpha_j + B_j e^(q_j . w) / D^beta_j``,
    ``p_j`` and ``q_j`` the rows of ``C_params`` and ``C_tokens``, ``(...) x m x d``; all zero is
    :func:`additive_over_scale`.
    """
    of_params = _power(params, A, alpha) * torch.exp(weights @ C_params.mT)
    of_tokens = _power(tokens, B, beta) * torch.exp(weights @ C_tokens.mT)
    return E.unsqueeze(-2) + _mixed(weights, C, gamma, floor) + of_params + of_tokens


def next_optimum(first: Tensor, second: Tensor, steps: float = 1.0) -> Tensor:
    """The optimum at a third scale as far from the second as that from the first: ``n_2 n_1^-1 n_2`` [Kang2024]_.

    Tokens of each domain grow by the ratio by which they have grown; the shares that follow sum to one.

    Args:
        first: ``(...) x d`` weights or tokens of the optimum at the first scale, all positive.
        second: The same at the second.
        steps: How far the third is, in distances of the first two; 0 is the second.

    Returns:
        ``(...) x d`` weights.
    """
    return (second.log() + steps * (second.log() - first.log())).softmax(dim=-1)


def optimum_at(optima: Tensor, scales: Tensor, target: Tensor) -> Tensor:
    """The optimum at a scale, from optima at several that differ in params, tokens or both.

    The logarithms of the shares move linearly with the logarithms of params and tokens, by least squares through the
    largest scale that was seen; with two scales in line with the target this is :func:`next_optimum`. Where the scales
    differ in fewer directions than there are axes, nothing moves along the others.

    Args:
        optima: ``k x d`` optimal weights, all positive, the largest scale last.
        scales: ``k x 2``, logarithms of params and tokens.
        target: ``2``, the same of the scale that is asked for.

    Returns:
        ``d`` weights.
    """
    logs = optima.log()
    logs = logs - logs.mean(dim=-1, keepdim=True)
    slopes: Tensor = torch.linalg.pinv(scales[:-1] - scales[-1]) @ (logs[:-1] - logs[-1])
    moved: Tensor = (logs[-1] + (target - scales[-1]) @ slopes).softmax(dim=-1)
    return moved


def _power(size: Tensor, height: Tensor, exponent: Tensor) -> Tensor:
    """``height / size^exponent``, ``(...) x n x m``, of ``n`` sizes or a single one."""
    logs = torch.log(torch.atleast_1d(size)).unsqueeze(-1)  # type: ignore[no-untyped-call]
    power: Tensor = height.unsqueeze(-2) * torch.exp(-exponent.unsqueeze(-2) * logs)
    return power


def _mixed(weights: Tensor, C: Tensor, gamma: Tensor, floor: float) -> Tensor:
    """``1 / sum_i C_ji (w_i + floor)^gamma_ji``, ``(...) x n x m``."""
    logs = torch.log(weights.clamp_min(0.0) + floor).unsqueeze(-2)
    mixed: Tensor = 1.0 / (C.unsqueeze(-3) * torch.exp(gamma.unsqueeze(-3) * logs)).sum(dim=-1)
    return mixed
