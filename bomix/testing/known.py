"""Losses and mixtures that are known: the exponential laws and the points that tests stand on.

``L_j(w) = 2 + scale_j exp(rate_j . w)``: three metrics of four domains, in nats per token. The laws differ in how
steeply the losses fall; all have metrics that want different domains, and domains that harm one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

OFFSET = 2.0
"""Nats per token that no mixture avoids."""
SCALES = np.array([1.0, 2.0, 0.5])
"""Nats per token above the offset where the rates are zero."""
STEEP = np.array([[-6.0, 0.0, -1.0, 0.5], [0.0, -4.0, 0.5, -0.5], [0.5, -2.0, -2.0, -3.0]])
"""Rates ``3 x 4`` of losses that fall to nearly the offset at a vertex; for loops that must find an optimum."""
MILD = np.array([[-4.0, 0.0, -1.0, 0.5], [0.0, -3.0, 0.5, -0.5], [0.5, -2.0, -2.0, -2.0]])
"""Rates ``3 x 4`` of losses that a dozen runs determine; for models that must learn them."""
CROSSED = np.array([[-1.0, -4.0, 0.0, 0.5], [0.0, -0.5, -0.5, -3.0], [0.5, -2.0, -2.0, -1.0]])
"""Rates ``3 x 4`` of losses whose best domains are not the metrics' own, in no order; for the batteries."""


def exponential(weights: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """Losses ``(...) x 3``, nats per token, of weights ``(...) x 4`` under rates ``3 x 4``."""
    return np.asarray(OFFSET + SCALES * np.exp(weights @ rates.T))


def exponential_tensor(weights: torch.Tensor, rates: np.ndarray) -> torch.Tensor:
    """The same of a tensor of double precision, differentiable in the weights."""
    import torch

    at = weights.double() @ torch.as_tensor(rates).mT
    return OFFSET + torch.as_tensor(SCALES) * torch.exp(at)


def mixtures(n: int, d: int, *, seed: int = 0) -> np.ndarray:
    """``n x d`` mixtures: a vertex, the centre, and draws of which a third of the weights are zero."""
    rng = np.random.default_rng(seed)
    kept = rng.random((n, d)) < 0.67
    kept[np.arange(n), rng.integers(d, size=n)] = True
    rows = rng.dirichlet(np.ones(d), n) * kept + 1e-3 * kept
    rows /= rows.sum(axis=1, keepdims=True)
    rows[: min(n, 2)] = np.array([np.eye(d)[1 % d], np.full(d, 1.0 / d)])[:n]
    return np.asarray(rows)
