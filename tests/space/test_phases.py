"""Weights of two phases: names, aggregates, mixtures of each, tied runs."""

from __future__ import annotations

import numpy as np
import pytest

from bomix.space.phases import Phases

PHASES = Phases(("stable", "decay"), (0.9, 0.1), ("a", "b", "web:en"))
MIXTURES = {"stable": {"a": 0.5, "b": 0.5, "web:en": 0.0}, "decay": {"a": 0.0, "b": 0.25, "web:en": 0.75}}


def test_mixtures_of_each_phase_come_back_from_the_weights_of_a_run():
    weights = PHASES.joint(MIXTURES)
    assert tuple(weights) == PHASES.columns == tuple(sorted(weights))
    assert sum(weights.values()) == pytest.approx(1.0, abs=1e-15)
    assert list(PHASES.split(weights)) == ["stable", "decay"]
    for phase, mixture in PHASES.split(weights).items():
        assert mixture == pytest.approx(MIXTURES[phase], abs=1e-15)


def test_matrices_say_what_mappings_say():
    weights = PHASES.joint(MIXTURES)
    point = np.array([weights[name] for name in PHASES.columns])
    whole = PHASES.aggregate(weights)
    assert point @ PHASES.sums == pytest.approx([whole[name] for name in PHASES.domains])
    assert whole["web:en"] == pytest.approx(0.075)
    for phase in PHASES.names:
        assert point @ PHASES.part(phase) == pytest.approx([MIXTURES[phase][name] for name in PHASES.domains])
    tied = PHASES.tied(whole)
    assert (point @ PHASES.sums) @ PHASES.spread == pytest.approx([tied[name] for name in PHASES.columns])
    assert PHASES.is_tied(tied)
    assert not PHASES.is_tied(weights)


def test_names_of_domains_are_told_from_those_of_weights():
    assert PHASES.are_columns(["decay:web:en", "loss"])
    assert not PHASES.are_columns(["web:en", "decay"])
