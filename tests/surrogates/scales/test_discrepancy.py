"""What changes between scales beyond a line: a process whose height means the same at every lengthscale."""

from __future__ import annotations

import math

import pytest
import torch
from botorch.utils.datasets import SupervisedDataset

from bomix.contracts.context import FitContext
from bomix.space.mixture_space import MixtureSpace
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.scales.discrepancy import Discrepancy

SPACE = MixtureSpace(("a", "b", "c", "d"))
NAMES = {"feature_names": ["a", "b", "c", "d"], "outcome_names": ["one", "other"]}


@pytest.mark.parametrize("ratio", [0.5, 1.0, 2.0, 8.0])
def test_its_variance_between_mixtures_is_one_whatever_the_lengthscale(ratio):
    process = Discrepancy(FitContext(SPACE, ("loss",)))
    X = torch.as_tensor(SPACE.sobol(400, seed=7), dtype=torch.float64)
    covariance = process(torch.tensor([process.typical + math.log(ratio)]).double(), X, X)[0, 0]
    spread = covariance.diagonal().mean() - covariance.mean()
    assert spread.item() == pytest.approx(1.0, abs=0.25)
    assert torch.linalg.eigvalsh(covariance).min() > -1e-8


def test_half_of_it_is_what_the_surrogate_takes_a_metric_for_before_any_run():
    context = FitContext(SPACE, ("one", "other"))
    X = torch.as_tensor(SPACE.sobol(40, seed=7), dtype=torch.float64)
    Y = torch.stack([X[:, 0], X[:, 1].sqrt()], dim=-1)
    base = GP(draws=0, restarts=1).fit(SupervisedDataset(X, Y, **NAMES), context=context, seed=0)
    process, even = Discrepancy(context, base), Discrepancy(context)
    length = torch.tensor([even.typical]).double()
    own = 2.0 * process(length, X, X[:5])[0] - even(length, X, X[:5])[0]
    prior = base.prior_covariance(X, X[:5])
    assert torch.allclose(own / own[:, :1, :1], prior / prior[:, :1, :1])
