"""Runs that a law has made, so that its parameters are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from bomix.contracts.context import FitContext
from bomix.laws.forms import LAWS
from bomix.laws.law import own_domains
from bomix.space.mixture_space import MixtureSpace
from tests.known.world import DOMAINS


class Planted(NamedTuple):
    """Runs of a law, and the law.

    Attributes:
        X: ``n x d``.
        Y: ``n x m``, noise included.
        context: Names.
        truth: Maps ``batch x d`` weights to ``batch x m`` values without noise.
        sd: ``m``, how much the true values vary.
    """

    X: Tensor
    Y: Tensor
    context: FitContext
    truth: Callable[[Tensor], Tensor]
    sd: Tensor


def plant(name: str, n: int, *, m: int = 3, noise: float = 0.0, seed: int = 0, shared: float = 0.0) -> Planted:
    """Runs of a law with parameters drawn from its prior; noise in standard deviations of the metrics."""
    space, law = MixtureSpace(DOMAINS), LAWS[name]
    metrics = (*DOMAINS[: min(m, 2)], *(f"task{index}" for index in range(m - 2)))
    own = own_domains(DOMAINS, metrics)
    rng = np.random.default_rng(seed)
    centre, spread = law.prior(len(DOMAINS), own)
    flat = centre + 0.7 * spread * torch.as_tensor(rng.normal(size=centre.shape))
    params = law.unflat(flat, len(DOMAINS))
    unit = torch.as_tensor(rng.uniform(0.3, 3.0, size=m))

    def truth(weights: Tensor) -> Tensor:
        return 4.0 + unit * law(weights, params, own) if law.level is not None else unit * law(weights, params, own)

    X = torch.as_tensor(space.sobol(n, seed=seed))
    sd = truth(torch.as_tensor(space.sobol(512, seed=0))).std(dim=0).clamp_min(1e-3)
    draws = rng.normal(size=(n, m)) * np.sqrt(1.0 - shared) + rng.normal(size=(n, 1)) * np.sqrt(shared)
    return Planted(X, truth(X) + noise * sd * torch.as_tensor(draws), FitContext(space, metrics), truth, sd)


@pytest.fixture
def planted() -> Callable[..., Planted]:
    return plant
