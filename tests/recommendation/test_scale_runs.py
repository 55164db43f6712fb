"""What was measured at each scale: which runs count for which, and what the objective is there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bomix.errors import StudyError
from bomix.history import History
from bomix.objectives.robust import Excess
from bomix.problem import Metric
from bomix.recommendation.scale_runs import column_names, counted, require_scales, runs_by_scale
from bomix.scale import Scale
from tests.known.scales import LARGE, history, problem

MIXTURES = np.random.default_rng(0).dirichlet(np.ones(3), 6)


def test_a_row_is_one_mixture_at_every_scale():
    study = problem(["x"])
    runs = [("small", row, {"x": 1.0 + at}) for at, row in enumerate(MIXTURES)]
    runs += [("large", MIXTURES[at] + 1e-9, {"x": 2.0 + at}) for at in (4, 1)]
    small, large = runs_by_scale(study, history(study, runs))
    assert (small.mixtures, large.mixtures) == (6, 2)
    both = large.runs > 0
    np.testing.assert_allclose(large.values[both, 1] - small.values[both, 1], 1.0)
    assert np.isnan(large.values[~both]).all()


def test_repeats_count_by_their_mean_and_tell_of_the_noise():
    study = problem(["x"])
    runs = [("small", MIXTURES[at], {"x": value}) for at in range(3) for value in (1.0 + at, 1.2 + at)]
    small, large = runs_by_scale(study, history(study, runs))
    np.testing.assert_allclose(small.values[:3, 1], [1.1, 2.1, 3.1])
    np.testing.assert_allclose(small.noise, 0.02)  # the variance of two numbers that are 0.2 apart
    assert np.isnan(large.noise).all()


def test_two_repeats_say_nothing_of_the_noise():
    study = problem(["x"])
    runs = [("small", MIXTURES[at], {"x": value}) for at in range(2) for value in (1.0, 1.2)]
    assert np.isnan(runs_by_scale(study, history(study, runs))[0].noise).all()


def test_a_run_of_unknown_scale_counts_as_one_of_the_target_and_one_of_another_scale_not_at_all():
    study = problem(["x"])
    runs = [(None, MIXTURES[0], {"x": 1.0}), ("small", MIXTURES[1], {"x": 2.0})]
    record = history(study, runs)
    foreign = replace(record.records[1], trial=replace(record.records[1].trial, id=2, scale=Scale(5, 5)))
    small, large = runs_by_scale(study, History((*record.records, foreign), LARGE, scales=record.scales))
    assert (small.mixtures, large.mixtures) == (1, 1)


def test_accuracies_are_turned_and_the_objective_keeps_off_their_names():
    study = problem([Metric("objective", direction="max"), "x"])
    runs = [("small", row, {"objective": 0.1 * at, "x": 1.0}) for at, row in enumerate(MIXTURES)]
    small, _ = runs_by_scale(study, history(study, runs))
    assert column_names(study) == ("study_objective", "objective", "x")
    np.testing.assert_allclose(small.values[:, 1], [-0.1 * at for at in range(6)])


def test_an_objective_compares_with_the_reference_of_its_own_scale():
    study = problem(["x", "y"], objective=Excess(reference="uniform"))
    third = np.full(3, 1.0 / 3.0)
    runs = [(at, third, {"x": base, "y": base}) for at, base in (("small", 4.0), ("large", 2.0))]
    runs += [(at, MIXTURES[0], {"x": base, "y": base + 0.5}) for at, base in (("small", 4.0), ("large", 2.0))]
    small, large = runs_by_scale(study, history(study, runs))
    np.testing.assert_allclose(small.values[:, 0], [0.0, 0.5])
    np.testing.assert_allclose(large.values[:, 0], [0.0, 0.5])
    assert counted(study) == ("x", "y")


def test_without_that_reference_the_objective_is_not_known_there():
    study = problem(["x"], objective=Excess(reference="uniform"))
    runs = [("small", row, {"x": 1.0}) for row in MIXTURES]
    small, _ = runs_by_scale(study, history(study, runs))
    assert np.isnan(small.values[:, 0]).all()
    assert np.isfinite(small.values[:, 1]).all()


def test_a_study_of_one_scale_is_told_what_to_write():
    one = replace(problem(["x"]), scales=())
    with pytest.raises(StudyError, match=r"`scales: \{small:"):
        require_scales(one)
