"""Mixing laws: closed formulas for a loss as a function of the mixture, one function each.

Shapes: ``weights`` is ``(...) x n x d``; a parameter per metric is ``(...) x m``, one per metric and domain
``(...) x m x d``; leading dimensions broadcast (starts, samples); the result is ``(...) x n x m``. "Own" weights,
``(...) x n x m``, hold the weight of each metric's own domain. Lower is better where the metric is a loss. Every
formula has finite gradients at weights of zero.

References:
    [Ye2024] Data mixing laws: optimizing data mixtures by predicting language modeling performance.
    [Ge2024] BiMix: a bivariate data mixing law for language model pretraining.
    [Kang2024] AutoScale: automatic prediction of compute-optimal data compositions for training LLMs.
    [Olmix] github.com/allenai/olmix.
    [Lindenau] Bayesian optimization for mixture optimization in large language models.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

FLOOR = 1e-3
"""Share added to a weight that is raised to a power, so that zero is an ordinary weight: a thousandth of the tokens."""


def exponential(weights: Tensor, c: Tensor, k: Tensor, t: Tensor) -> Tensor:
    """``L_j(w) = c_j + k_j exp(t_j . w)``: data mixing law, all domains [Ye2024]_; ``t`` is ``(...) x m x d``."""
    return c.unsqueeze(-2) + k.unsqueeze(-2) * torch.exp(weights @ t.mT)


def own_exponential(own: Tensor, c: Tensor, k: Tensor, t: Tensor) -> Tensor:
    """``L_j(w) = c_j + k_j exp(t_j w_j)``: data mixing law of a metric's own domain alone [Ye2024]_.

    It was found to hold only above a minimum weight: below, losses rise faster [Lindenau]_.
    """
    return c.unsqueeze(-2) + k.unsqueeze(-2) * torch.exp(own * t.unsqueeze(-2))


def bimix(own: Tensor, A: Tensor, alpha: Tensor, floor: float = FLOOR) -> Tensor:
    """``L_j(w) = A_j / (w_j + floor)^alpha_j``: BiMix at a fixed number of tokens [Ge2024]_.

    The published law has no floor and is infinite at a weight of zero; here it is ``A_j / floor^alpha_j`` there.
    """
    return A.unsqueeze(-2) * torch.exp(-alpha.unsqueeze(-2) * torch.log(own.clamp_min(0.0) + floor))


def log_linear(weights: Tensor, c: Tensor, t: Tensor) -> Tensor:
    """``L_j(w) = exp(c_j) + exp(t_j . w)``: the log-linear regression of olmix [Olmix]_; ``t`` is ``(...) x m x d``."""
    return torch.exp(c).unsqueeze(-2) + torch.exp(weights @ t.mT)


def effective_power(weights: Tensor, c: Tensor, k: Tensor, e: Tensor, t: Tensor, b: Tensor) -> Tensor:
    """``L_j(w) = c_j + k_j (e_j + sum_i t_ji w_i)^-b_j``: a power law of the effective weight.

    A token of domain ``i`` is worth ``t_ji >= 0`` tokens for metric ``j``; ``e_j > 0`` is what the model knows anyway.
    """
    effective = e.unsqueeze(-2) + weights @ t.mT
    return c.unsqueeze(-2) + k.unsqueeze(-2) * torch.exp(-b.unsqueeze(-2) * torch.log(effective))


def additive(weights: Tensor, b: Tensor, W: Tensor, a: Tensor, floor: float = FLOOR) -> Tensor:
    """``L_j(w) = b_j + sum_i W_ji (w_i + floor)^a_ji``; ``W`` and ``a`` are ``(...) x m x d``, ``a`` in (0, 1).

    Exponents belong to metric and domain; the floor keeps the slope at zero finite.
    """
    log_weights = torch.log(weights.clamp_min(0.0) + floor).unsqueeze(-2)
    powers = torch.exp(log_weights * a.unsqueeze(-3))
    return b.unsqueeze(-2) + torch.einsum("...nmd,...md->...nm", powers, W)


def autoscale(weights: Tensor, L: Tensor, n: Tensor, n0: Tensor, gamma: Tensor) -> Tensor:
    """``L_j(w) = sum_i (n0_ji + n_j w_i)^-gamma_ji + L_j`` [Kang2024]_; ``n0`` and ``gamma`` are ``(...) x m x d``.

    ``n`` is the size of the run and ``n0 > 0`` what other domains stand in for, both in one unit, which is free.
    """
    seen = n0.unsqueeze(-3) + n[..., None, :, None] * weights.unsqueeze(-2)
    return torch.exp(-gamma.unsqueeze(-3) * torch.log(seen)).sum(dim=-1) + L.unsqueeze(-2)


BY_NAME: Mapping[str, Callable[..., Tensor]] = {
    "exponential": exponential,
    "own_exponential": own_exponential,
    "bimix": bimix,
    "log_linear": log_linear,
    "effective_power": effective_power,
    "additive": additive,
    "autoscale": autoscale,
}
"""Name of a law to its formula."""
