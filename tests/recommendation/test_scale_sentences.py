"""What is said of scales: verdicts in words, and what a recommendation warns of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bomix.objectives.robust import Excess
from bomix.recommendation.scale_sentences import scale_warnings, verdict_sentences
from bomix.recommendation.transfer import transfer
from bomix.scale import Scale
from tests.known.scales import LARGE, SMALL, history, problem

RNG = np.random.default_rng(3)
MIXTURES = RNG.dirichlet(np.ones(3), 60)
THREE = {"small": SMALL, "large": LARGE, "final": Scale(7 * 10**9, 10**12)}


def compared(small, large, *, scales=None, names=("x", "y", "z")):
    used = list(names)[: np.shape(small)[1]]
    study = problem(used, scales=scales or {"small": SMALL, "large": LARGE})
    runs = [
        (at, row, dict(zip(used, values, strict=True)))
        for at, table in (("small", small), ("large", large))
        for row, values in zip(MIXTURES, table, strict=False)
    ]
    return study, history(study, runs)


def said(study, record):
    found = transfer(study, record)
    return verdict_sentences(found, found.verdicts[0], "FLOPs")


def test_a_scale_that_decides_is_said_to_with_its_interval():
    values = RNG.normal(size=(60, 1))
    lines = said(*compared(values, values))
    assert lines[0] == "'small' orders mixtures as 'large' does: 1.00 [1.00, 1.00], 60 mixtures"
    assert lines[1] == "of these 60 mixtures, the best at 'small' is the best at 'large', too"
    assert lines[2].startswith("an interval half as wide takes 171 more mixtures of 'small' run at 'large': ")
    assert lines[2].endswith(" FLOPs")


def test_a_scale_that_does_not_names_the_metrics_that_break_it():
    small = RNG.normal(size=(60, 2))
    large = np.stack([small[:, 0], RNG.normal(size=60)], axis=1)
    lines = said(*compared(small, large))
    assert lines[0].startswith("'small' does not order mixtures as 'large' does: ")
    assert "0.9 is asked for" in lines[0]
    assert any(line.startswith("metrics whose own order is another: y (") for line in lines)


def test_slopes_that_differ_are_named_where_no_metric_breaks_it_alone():
    first, rest = RNG.normal(size=(2, 60))
    small = np.stack([first, 0.1 * rest - first], axis=1)
    large = np.stack([0.3 * first, 0.1 * rest - first], axis=1)
    assert any("x by 0.30, y by 1.00" in line for line in said(*compared(small, large)))


@pytest.mark.parametrize(("shared", "words"), [(0, "no mixture ran at both"), (1, "only 1 mixture ran at both")])
def test_too_few_mixtures_are_told(shared, words):
    study = problem(["x"])
    elsewhere = np.random.default_rng(8).dirichlet(np.ones(3), 5)
    large = [*MIXTURES[:shared], *elsewhere]
    runs = [("small", row, {"x": 1.0}) for row in MIXTURES] + [("large", row, {"x": 1.0}) for row in large]
    lines = said(study, history(study, runs))
    assert words in lines[0]
    assert "cannot be told yet" in lines[0]
    assert lines[-1].startswith(f"a first answer takes {16 - shared} more mixtures")


def test_a_study_of_one_scale_and_scales_that_agree_warn_of_nothing():
    values = RNG.normal(size=(60, 1))
    study, record = compared(values, values)
    assert scale_warnings(study, record) == ()
    assert scale_warnings(replace(study, scales=()), record) == ()


def test_scales_that_disagree_are_warned_of_also_where_the_target_was_never_run():
    small, large = RNG.normal(size=(2, 60, 1))
    (warning,) = scale_warnings(*compared(small, large))
    assert warning.startswith("scales 'small' and 'large' order mixtures differently: ")
    first, second = scale_warnings(*compared(small, large, scales=THREE))
    assert first == "no run of scale 'final' is known: what is said of it is carried over from 'small', 'large'"
    assert second == warning


def test_scales_that_were_never_compared_are_warned_of():
    study = problem(["x"])
    runs = [("small", row, {"x": 1.0}) for row in MIXTURES[:5]] + [("large", MIXTURES[9], {"x": 1.0})]
    assert scale_warnings(study, history(study, runs)) == (
        "scales 'small' and 'large' have not been compared: no mixture ran at both",
    )


def test_runs_of_a_single_scale_below_the_target_are_a_leap():
    study = problem(["x"])
    (warning,) = scale_warnings(study, history(study, [("small", MIXTURES[0], {"x": 1.0})]))
    assert "no run of scale 'large' is known" in warning
    assert "has never been looked at" in warning


def test_a_metric_that_may_have_another_order_is_named_with_its_interval():
    small = np.stack([RNG.normal(size=60), np.zeros(60)], axis=1)
    small[:, 1] = 0.1 * RNG.normal(size=60)
    large = small.copy()
    large[:, 0] += 0.7 * RNG.normal(size=60)
    lines = said(*compared(small[:8], large[:8]))
    assert any(line.startswith("no metric certainly has another order, least certainly x: ") for line in lines)


def test_mixtures_that_ran_at_both_and_lack_the_objective_are_told_as_that():
    study = problem(["x"], objective=Excess())  # the large scale never ran its reference
    runs = [(name, row, {"x": 1.0 + row[0]}) for name in ("small", "large") for row in MIXTURES[:5]]
    runs.append(("small", np.full(3, 1 / 3), {"x": 1.2}))
    (warning,) = scale_warnings(study, history(study, runs))
    assert "5 mixtures ran at both, of which none has a value of the objective at both" in warning
