"""What changes between scales beyond a line: a process whose height means the same at every lengthscale."""

from __future__ import annotations

import math

import pytest
import torch

from bomix.contracts.context import FitContext
from bomix.space.mixture_space import MixtureSpace
from bomix.surrogates.scales.discrepancy import Discrepancy

SPACE = MixtureSpace(("a", "b", "c", "d"))


@pytest.mark.parametrize("ratio", [0.5, 1.0, 2.0, 8.0])
def test_its_variance_between_mixtures_is_one_whatever_the_lengthscale(ratio):
    process = Discrepancy(FitContext(SPACE, ("loss",)))
    X = torch.as_tensor(SPACE.sobol(400, seed=7), dtype=torch.float64)
    covariance = process(torch.tensor([process.typical + math.log(ratio)]).double(), X, X)[0]
    spread = covariance.diagonal().mean() - covariance.mean()
    assert spread.item() == pytest.approx(1.0, abs=0.25)
    assert torch.linalg.eigvalsh(covariance).min() > -1e-8
