"""Runs of a known function as a data set."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from botorch.utils.datasets import SupervisedDataset

from bomix.contracts.context import FitContext
from bomix.space.mixture_space import MixtureSpace

DOMAINS = ("books", "code", "maths", "web")
METRICS = ("m0", "m1", "m2")

Runs = Callable[..., tuple[SupervisedDataset, FitContext]]


def losses(weights: np.ndarray) -> np.ndarray:
    """Three exponential laws of four weights, ``n x 3``."""
    rates = np.array([[-4.0, 0.0, -1.0, 0.5], [0.0, -3.0, 0.5, -0.5], [0.5, -2.0, -2.0, -2.0]])
    return 2.0 + np.array([1.0, 2.0, 0.5]) * np.exp(weights @ rates.T)


@pytest.fixture
def runs() -> Runs:
    def make(n: int = 15, *, noise: float = 0.01, seed: int = 1) -> tuple[SupervisedDataset, FitContext]:
        space = MixtureSpace(DOMAINS)
        X = space.sobol(n, seed=seed)
        Y = losses(X) + noise * np.random.default_rng(seed).normal(size=(n, 3))
        data = SupervisedDataset(
            torch.as_tensor(X), torch.as_tensor(Y), feature_names=list(DOMAINS), outcome_names=list(METRICS)
        )
        return data, FitContext(space, METRICS)

    return make
