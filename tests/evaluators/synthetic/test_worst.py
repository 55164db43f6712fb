"""The least largest excess over uniform: proven by tangent planes, and better than everything that is tried."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bomix.evaluators.synthetic.spec import Synthetic
from bomix.evaluators.synthetic.worst import regret, worst_excess, worst_gap, worst_optimum


@pytest.mark.parametrize(("domains", "useless"), [(3, 1), (7, 3), (20, 8)])
def test_tangent_planes_prove_the_optimum(domains: int, useless: int) -> None:
    spec = Synthetic(domains=domains, useless=useless, seed=3)
    weights, value = worst_optimum(spec)
    assert weights.min() >= 0.0
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert value == pytest.approx(worst_excess(spec, weights))
    assert 0.0 <= worst_gap(spec, weights) + 1e-12 <= 1e-8
    others = np.random.default_rng(0).dirichlet(np.full(domains, 0.5), 5000)
    near = weights + np.linspace(0.0, 0.1, 5000)[:, None] * (others - weights)
    assert worst_excess(spec, np.concatenate([others, near])).min() >= value - 1e-9


def test_the_gap_bounds_the_regret_of_any_mixture() -> None:
    spec = Synthetic(domains=7, useless=3, seed=1)
    for point in np.random.default_rng(0).dirichlet(np.ones(7), 20):
        assert worst_gap(spec, point) >= regret(spec, point) - 1e-9


def test_of_one_metric_it_is_the_optimum_of_its_loss() -> None:
    spec = Synthetic(domains=3, useless=2, seed=4)
    weights, value = worst_optimum(spec)
    assert value + spec.losses(np.full(3, 1.0 / 3.0))[0] == pytest.approx(spec.optimum()[1], abs=1e-8)
    assert spec.regret(weights) == pytest.approx(0.0, abs=1e-8)


def test_noise_changes_no_truth() -> None:
    quiet = Synthetic(domains=3, useless=1, seed=2, noise=0.0)
    assert regret(replace(quiet, noise=0.5), np.eye(3)[0]) == regret(quiet, np.eye(3)[0])
    assert regret(quiet, np.full(3, 1.0 / 3.0)) == pytest.approx(-worst_optimum(quiet)[1])
