"""Curves against their ends: how early the order of mixtures stands."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bomix.recommendation.over_training import over_training
from bomix.recommendation.scale_runs import runs_by_scale
from bomix.trial import Curve, Result
from tests.known.scales import history, problem

MIXTURES = np.random.default_rng(0).dirichlet(np.ones(3), 10)


def with_curves(steps, values):
    """Runs of the small scale with a curve each, ``n x s`` values of the one metric."""
    study = problem(["x"])
    record = history(study, [("small", row, {"x": each[-1]}) for row, each in zip(MIXTURES, values, strict=False)])
    records = [
        replace(old, outcome=Result(old.result.losses, curve=Curve(np.array(steps), {"x": np.asarray(each)})))
        for old, each in zip(record.records, values, strict=True)
    ]
    study_runs, _ = runs_by_scale(study, replace(record, records=tuple(records)))
    return study, study_runs


def test_the_order_along_the_way_is_compared_with_that_at_the_end():
    rng = np.random.default_rng(1)
    end = rng.normal(size=10)
    values = np.stack([-end, end + 0.3 * rng.normal(size=10), end], axis=1)
    found = over_training(*with_curves([10, 20, 40], values))
    assert [(each.step, each.share) for each in found] == [(10, 0.25), (20, 0.5)]
    assert found[0].rank.rho == pytest.approx(-1.0)
    assert found[0].pairs.share == pytest.approx(0.0)
    assert -1.0 < found[1].rank.rho <= 1.0


def test_of_many_points_eight_are_compared():
    values = np.cumsum(np.random.default_rng(2).normal(size=(10, 100)), axis=1)
    assert len(over_training(*with_curves(range(1, 101), values))) == 8


def test_three_curves_say_nothing_nor_do_runs_without():
    assert over_training(*with_curves([1, 2], np.ones((3, 2)))) == ()
    study = problem(["x"])
    runs = [("small", row, {"x": 1.0}) for row in MIXTURES]
    assert over_training(study, runs_by_scale(study, history(study, runs))[0]) == ()
