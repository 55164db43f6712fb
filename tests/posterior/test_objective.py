"""Moments of objectives that are no weighted sum, mixture by mixture."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from botorch.posteriors.gpytorch import GPyTorchPosterior
from botorch.sampling.normal import SobolQMCNormalSampler

from bomix.objectives.robust import Excess, SmoothMax, Worst
from bomix.posterior.objective import DRAWS, ModelObjective
from bomix.surrogates.models.joint import gaussian

METRICS = ("a", "b", "c")
REFERENCE = {"a": 2.9, "b": 3.1, "c": 3.0}


def aggregate(objective):
    return ModelObjective(objective, METRICS, (1.0, 1.0, 1.0))


def metrics(batch: int = 5, q: int = 1) -> GPyTorchPosterior:
    rng = np.random.default_rng(0)
    roots = torch.as_tensor(rng.normal(0.0, 0.1, (batch, 3 * q, 3 * q)))
    return gaussian(torch.as_tensor(rng.normal(3.0, 0.1, (batch, q, 3))), roots @ roots.mT)


@pytest.mark.parametrize(
    "objective", [Worst(), SmoothMax(), Excess(combine="mean_of_positive").with_reference(REFERENCE)]
)
def test_single_mixtures_have_the_moments_of_botorchs_own_draws(objective):
    found = aggregate(objective).transform()(metrics())
    drawn = aggregate(objective)(SobolQMCNormalSampler(torch.Size([DRAWS]), seed=0)(metrics()))
    torch.testing.assert_close(found.mean.squeeze(-1), drawn.mean(dim=0), rtol=0, atol=1e-6)
    torch.testing.assert_close(found.variance.squeeze(-1), drawn.var(dim=0), rtol=1e-4, atol=1e-8)
    assert (aggregate(objective).negated()(metrics()).mean == -found.mean).all()


def test_the_larger_of_two_equal_independent_gaussians_is_known():
    posterior = gaussian(torch.zeros(1, 1, 2, dtype=torch.float64), torch.eye(2, dtype=torch.float64)[None])
    found = ModelObjective(Worst(), METRICS[:2], (1.0, 1.0)).transform()(posterior)
    assert found.mean.item() == pytest.approx(1.0 / math.sqrt(math.pi), abs=0.01)
    assert found.variance.item() == pytest.approx(1.0 - 1.0 / math.pi, abs=0.02)


def test_alone_and_among_others_a_mixture_has_the_same_belief():
    # The draws of several mixtures are other numbers: as many as the quasi-random error of 256 allows.
    alone, together = (aggregate(Worst()).transform()(metrics(1, 4)) for _ in range(2))
    torch.testing.assert_close(alone.mean, together.mean)
    blocks = metrics(1, 4)
    one = gaussian(
        blocks.mean[:, :1], blocks.distribution.covariance_matrix.reshape(1, 3, 4, 3, 4)[:, :, 0, :, 0].clone()
    )
    found = aggregate(Worst()).transform()(one)
    assert found.mean.item() == pytest.approx(together.mean[0, 0].item(), abs=0.02)
