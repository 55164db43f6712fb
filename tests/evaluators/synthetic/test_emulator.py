"""The emulator of RegMix's runs."""

from __future__ import annotations

import numpy as np
from scipy.optimize import approx_fprime

from bomix.evaluators.synthetic import emulator


def test_its_gradient_is_that_of_the_mean_loss():
    found = emulator.load()
    at = np.random.default_rng(0).dirichlet(np.ones(len(found.domains)))
    slope = approx_fprime(at, lambda x: found(x).mean(), 1e-7)
    np.testing.assert_allclose(found.gradient(at), slope, rtol=1e-4, atol=1e-5)


def test_the_best_mixture_known_beats_ten_thousand_others():
    found = emulator.load()
    others = np.random.default_rng(0).dirichlet(np.full(len(found.domains), 0.3), 10_000)
    assert found.best.sum() == 1.0 or abs(found.best.sum() - 1.0) < 1e-9
    assert found(found.best).mean() <= found(others).mean(axis=-1).min()
    assert found(others).shape == (10_000, len(found.metrics))
