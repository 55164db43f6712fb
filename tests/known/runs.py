"""Runs of a known function as a data set."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from botorch.utils.datasets import SupervisedDataset

from bomix.contracts.context import FitContext
from bomix.space.mixture_space import MixtureSpace
from bomix.testing.known import MILD, exponential
from tests.known.world import DOMAINS

METRICS = ("m0", "m1", "m2")

Runs = Callable[..., tuple[SupervisedDataset, FitContext]]


def points(context: FitContext, n: int = 6, seed: int = 9) -> torch.Tensor:
    """``n x d`` mixtures spread over the space, which no run has."""
    return torch.as_tensor(context.space.sobol(n, seed=seed))


@pytest.fixture
def runs() -> Runs:
    def make(n: int = 15, *, noise: float = 0.01, seed: int = 1) -> tuple[SupervisedDataset, FitContext]:
        space = MixtureSpace(DOMAINS)
        X = space.sobol(n, seed=seed)
        Y = exponential(X, MILD) + noise * np.random.default_rng(seed).normal(size=(n, 3))
        data = SupervisedDataset(
            torch.as_tensor(X), torch.as_tensor(Y), feature_names=list(DOMAINS), outcome_names=list(METRICS)
        )
        return data, FitContext(space, METRICS)

    return make
