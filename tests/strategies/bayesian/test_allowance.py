"""How many runs each scale may have: the design of the cheapest, and who has none yet of an anchor."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bomix.problem import StudyScale
from bomix.strategies.bayesian.allowance import DESIGNS, Allowance, count_runs, missing_anchor
from bomix.trial import CONFIRM, IMPORTED
from tests.strategies.bayesian.test_cost_aware import LARGE, SCALES, SMALL, history, problem, runs


@pytest.mark.parametrize(("small", "stack", "expected"), [(1.0, 1.0, 5), (0.5, 1.0, 10), (1.0, 0.5, 10), (1e-3, 1, 15)])
def test_runs_that_cost_little_are_made_in_larger_designs(small: float, stack: float, expected: int) -> None:
    # A design of three domains has five runs; half a run of the target pays for five small ones.
    cheap = replace(SCALES[0], cost=small)
    found = Allowance(None, stack).design_size(problem((cheap, SCALES[1])))
    assert found == expected <= 5 * DESIGNS


def test_a_stated_design_keeps_its_size_unless_the_cost_has_no_room_for_it() -> None:
    stated = Allowance(7, 1.0)
    assert stated.design_size(problem()) == stated.first_runs(problem()) == 7
    assert stated.first_runs(replace(problem(), cost=13.0)) == 3


def test_confirming_runs_are_none_of_a_design() -> None:
    there = history(*runs(SMALL, 2), *runs(SMALL, 2, first=2, origin=CONFIRM), *runs(LARGE, 1, first=4))
    assert (count_runs(there, SMALL), count_runs(there, LARGE)) == (2, 1)


def test_anchors_are_missing_at_larger_scales_without_imported_runs() -> None:
    larger: list[StudyScale] = [SCALES[1]]
    anchor = missing_anchor(problem(), history(*runs(SMALL, 2)), larger)
    assert anchor is not None
    assert (anchor.origin, anchor.scale) == ("uniform", LARGE)
    assert missing_anchor(problem(), history(*runs(LARGE, 1, origin=IMPORTED)), larger) is None
