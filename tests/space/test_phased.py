"""The space of two phases: what holds in each, what holds for the whole run, and the space of tied runs in it."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import bomix
from bomix.space.phased import PhasedSpace, phases_of

PHASES = (("pretrain", 0.8), ("anneal", 0.2))
CODE = bomix.Constraint({"java": 1.0, "python": 1.0}, at_least=0.1, at_most=0.5, name="code")
SINGLE = bomix.MixtureSpace(
    ["java", "maths", "python", "web"], lower={"web": 0.2}, upper={"maths": 0.05}, constraints=[CODE]
)
"""Of maths there is enough for a twentieth of the run."""
SPACE = PhasedSpace(PHASES, SINGLE, {"maths": 1.0})


@pytest.fixture(scope="module")
def points():
    rng = np.random.default_rng(0)
    return SPACE.project(rng.normal(0.1, 0.3, (400, 8)))


def test_bounds_and_constraints_hold_in_each_phase_and_caps_in_the_whole_run(points):
    whole = points @ SPACE.phases.sums
    for phase, share in PHASES:
        mixtures = points @ SPACE.phases.part(phase)
        assert mixtures.sum(axis=1) == pytest.approx(1.0, abs=1e-9)
        assert mixtures[:, 3].min() >= 0.2 - 1e-9
        code = mixtures[:, 0] + mixtures[:, 2]
        assert code.min() >= 0.1 - 1e-9 / share
        assert code.max() <= 0.5 + 1e-9 / share
    assert whole[:, 1].max() <= 0.05 + 1e-9
    assert (points @ SPACE.phases.part("anneal"))[:, 1].max() == pytest.approx(0.25, abs=1e-6)  # all of it at the end


def test_the_aggregates_of_its_sequence_are_that_of_one_phase_and_contrasts_are_wide():
    found = SPACE.sobol(64, seed=3, skip=5)
    assert SPACE.contains(found, tolerance=1e-9).all()
    assert found @ SPACE.phases.sums == pytest.approx(SINGLE.sobol(64, seed=3, skip=5), abs=1e-12)
    apart = np.abs(found @ SPACE.phases.part("anneal") - found @ SPACE.phases.part("pretrain")).sum(axis=1)
    assert np.median(apart) > 0.25
    assert SPACE.contains(SPACE.sample(16, np.random.default_rng(1)), tolerance=1e-9).all()


def test_the_tied_part_is_the_space_of_one_mixture(points):
    tied = SPACE.tied
    found = tied.project(points)
    assert tied.tied is tied
    first, last = (found @ tied.phases.part(phase) for phase, _ in PHASES)
    assert first == pytest.approx(last, abs=1e-9)
    assert SINGLE.contains(first, tolerance=1e-9).all()
    one = SINGLE.sobol(16, seed=0)
    assert tied.sobol(16, seed=0) == pytest.approx(one @ tied.phases.spread)
    assert tied.contains(one @ tied.phases.spread, tolerance=1e-9).all()
    assert not tied.contains(SPACE.sobol(16, seed=0), tolerance=1e-9).any()


def test_zero_or_at_least_is_a_share_of_each_phase():
    single = bomix.MixtureSpace(["a", "b"], at_least={"a": 0.1})
    space = PhasedSpace(PHASES, single, {})
    assert dict(zip(space.domains, space.at_least, strict=True))["anneal:a"] == pytest.approx(0.02)
    snapped = space.snap(space.to_array({"anneal:a": 0.004, "anneal:b": 0.196, "pretrain:a": 0.4, "pretrain:b": 0.4}))
    assert space.to_weights(snapped)["anneal:a"] == 0.0


def test_it_is_a_value():
    again = pickle.loads(pickle.dumps(SPACE))
    assert again == SPACE
    assert again.phases == SPACE.phases == phases_of(SPACE)
    assert phases_of(SINGLE) is None
    assert SPACE.uniform() == pytest.approx(SINGLE.uniform() @ SPACE.phases.spread)
