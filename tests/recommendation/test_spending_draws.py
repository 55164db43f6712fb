from __future__ import annotations

import numpy as np
import pytest

from bomix.recommendation.spending_draws import Objectives
from tests.acquisition.two_scales import LARGE, SMALL, TwoScales, weighted


def test_draws_have_the_moments_of_the_belief() -> None:
    X = np.random.default_rng(0).dirichlet(np.ones(3), 4)
    found = Objectives.of(TwoScales([0.5, 1.0], 0.3), weighted(0.5, 0.5), X, [SMALL, LARGE])
    draws = found.drawn(40_000, np.random.default_rng(1))
    assert draws.shape == (40_000, 2, 4)
    assert draws.mean(axis=0) == pytest.approx(found.mean, abs=0.03)
    centred = draws - draws.mean(axis=0)
    for scale in range(2):
        own = np.einsum("na,nz->az", centred[:, scale], centred[:, scale]) / len(draws)
        assert own == pytest.approx(found.covariance[scale], abs=0.03)
        shared = np.einsum("na,nz->az", centred[:, 1], centred[:, scale]) / len(draws)
        assert shared == pytest.approx(found.across[scale], abs=0.03)


def test_the_noise_is_that_of_the_objective_of_a_run() -> None:
    X = np.random.default_rng(0).dirichlet(np.ones(3), 4)
    found = Objectives.of(TwoScales([0.5, 1.0], 0.3, noise=0.2), weighted(0.5, 0.5), X, [SMALL, LARGE])
    assert found.noise == pytest.approx(np.full(2, 0.2 / np.sqrt(2.0)))
