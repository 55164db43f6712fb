"""The emulators of RegMix's runs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from bomix.evaluators.synthetic.emulator import curves
from bomix.evaluators.synthetic.emulator_families import EMULATORS, load


@pytest.mark.parametrize("family", EMULATORS)
def test_its_gradient_is_that_of_the_mean_loss(family):
    found = load(family)
    at = np.random.default_rng(0).dirichlet(np.ones(len(found.domains)))
    slope = approx_fprime(at, lambda x: found(x).mean(), 1e-7)
    np.testing.assert_allclose(found.gradient(at), slope, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", EMULATORS)
def test_the_best_mixture_known_beats_ten_thousand_others(family):
    found = load(family)
    others = np.random.default_rng(0).dirichlet(np.full(len(found.domains), 0.3), 10_000)
    assert found.best.sum() == pytest.approx(1.0, abs=1e-9)
    assert found(found.best).mean() <= found(others).mean(axis=-1).min()
    assert found(others).shape == (10_000, len(found.metrics))


@pytest.mark.parametrize("family", EMULATORS)
def test_far_from_the_runs_it_stays_among_losses(family):
    found = load(family)
    corners = found(np.eye(len(found.domains)))
    assert corners.min() > 1.0
    assert corners.max() < 15.0


def test_families_differ_by_more_than_they_miss_the_runs_by():
    mixtures = np.random.default_rng(0).dirichlet(np.ones(17), 500)
    means = np.array([load(family)(mixtures).mean(axis=-1) for family in EMULATORS])
    for row, values in enumerate(means):
        for other in means[row + 1 :]:
            assert 0.5 < np.corrcoef(values, other)[0, 1] < 0.99


def test_curves_fade_with_the_weight():
    assert curves(np.zeros(2)) == pytest.approx(1.0)
    assert (curves(np.ones(2)) < 0.1).all()
