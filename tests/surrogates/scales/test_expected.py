"""Means alone against those of the moments."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from botorch.utils.datasets import SupervisedDataset

from bomix.contracts.context import FitContext
from bomix.scale import Scale
from bomix.space.mixture_space import MixtureSpace
from bomix.surrogates.gp import inducing
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.regression.specs import Ridge
from bomix.surrogates.scales.spec import MultiScale
from bomix.testing.known import mixtures

SCALES = Scale(10**6, 10**8), Scale(10**7, 10**8), Scale(10**8, 10**9)
COUNTS = 24, 6, 9


def fitted(of):
    X = np.concatenate([mixtures(n, 3, seed=n) for n in COUNTS])
    size = np.repeat(np.arange(3.0), COUNTS)
    Y = np.stack([3.0 - X[:, 0] - np.sqrt(X[:, 1]) - size, np.exp(-3.0 * X[:, 1]) + size * X[:, 2] ** 2], axis=1)
    Y[26, 0], Y[-1, 1] = np.nan, np.nan
    scales = tuple(scale for scale, n in zip(SCALES, COUNTS, strict=True) for _ in range(n))
    context = FitContext(MixtureSpace(("a", "b", "c")), ("one", "two"), scales=scales, target=SCALES[2])
    names = {"feature_names": ["a", "b", "c"], "outcome_names": ["one", "two"]}
    data = SupervisedDataset(torch.as_tensor(X), torch.as_tensor(Y), **names)
    return MultiScale(of).fit(data, context=context, seed=0)


@pytest.mark.parametrize("of", [GP(draws=0, restarts=1), GP(draws=4, restarts=1), Ridge()])
def test_means_alone_are_those_of_the_moments_at_every_scale(of):
    model, X = fitted(of), torch.as_tensor(mixtures(5, 3, seed=9)).unsqueeze(-2)
    for scale in (*SCALES, Scale(10**9, 10**9)):
        at = model.at(scale)
        torch.testing.assert_close(at.mean(X), at.moments(X)[0])


def test_means_alone_are_those_of_the_moments_through_inducing_runs(monkeypatch):
    monkeypatch.setattr(inducing, "EXACT_UP_TO", 12)
    monkeypatch.setattr(inducing, "_FEWEST", 12)
    model, X = fitted(GP(draws=0, restarts=1)), torch.as_tensor(mixtures(5, 3, seed=9)).unsqueeze(-2)
    torch.testing.assert_close(model.mean(X), model.moments(X)[0])
