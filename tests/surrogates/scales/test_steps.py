"""Steps between scales, and the levels that are expected of metrics."""

from __future__ import annotations

import torch

from bomix.scale import Scale
from bomix.surrogates.scales.levels import chain, inserted
from bomix.surrogates.scales.steps import steps_of, with_step

SMALL, LARGE, LARGEST = Scale(10**6, 10**8), Scale(10**8, 10**8), Scale(10**10, 10**8)
NEAR = torch.zeros(2, dtype=torch.float64)


def levels(runs: int):
    return chain([SMALL] * 4 + [LARGE] * runs, LARGEST, torch.ones(4 + runs, dtype=torch.bool))


def test_a_scale_without_runs_goes_on_as_the_last_step_went():
    targets = torch.tensor([[-2.0, -4.0], [torch.nan, torch.nan]], dtype=torch.float64)
    first, last = steps_of(levels(2), targets, torch.zeros(2, 2, dtype=torch.float64), NEAR)
    assert first.shift.tolist() == [-3.0, 0.0]
    assert last.shift.tolist() == [-3.0, 0.0]
    assert last.targets.shape == (2, 0)
    # Of a metric that no larger scale has, less is known.
    assert last.spread[0] < last.spread[1] < first.spread[0]


def test_a_target_between_two_scales_lies_on_the_line_between_their_levels():
    """A metric that the middle scale was measured in goes by its own runs, and the steps sum up to the larger scale."""
    middle = Scale(10**7, 10**8)
    ones = torch.ones(8, dtype=torch.bool)
    chained = chain([SMALL] * 5 + [middle] + [LARGE] * 2, middle, ones)
    nan = torch.nan
    targets = torch.tensor([[nan, -2.0, -4.0], [-2.0, -2.0, -4.0], [nan, nan, nan]], dtype=torch.float64)
    between, last = steps_of(chained, targets, torch.zeros_like(targets), torch.zeros(3, dtype=torch.float64))
    assert between.decades == last.decades == 1.0
    assert between.shift.tolist() == [-1.5, -2.0, 0.0]
    assert last.shift.tolist() == [-1.5, -1.0, 0.0]
    # What lies between is known better than a level of which nothing was seen, and less well than runs will tell it.
    assert between.spread[0] < between.spread[2] < between.spread[1]


def test_a_level_rises_on_the_way_down_as_it_fell_on_the_way_up():
    targets = torch.tensor([[-2.0, -4.0]], dtype=torch.float64)
    chained = levels(2)[:2]
    steps = steps_of(chained, targets, torch.zeros(1, 2, dtype=torch.float64), NEAR[:1])
    more, number = inserted(chained, Scale(10**5, 10**8))
    found = with_step(steps, more, number, NEAR[:1])
    assert [step.decades for step in found] == [2.0, -3.0]
    assert [step.shift.item() for step in found] == [-3.0, 4.5]
    assert found[1].spread > 0.0


def test_a_scale_that_is_put_in_takes_its_share_of_the_step():
    targets = torch.tensor([[-2.0, -4.0]], dtype=torch.float64)
    chained = levels(2)
    steps = steps_of(chained, targets, torch.zeros(1, 2, dtype=torch.float64), NEAR[:1])
    more, number = inserted(chained, Scale(10**7, 10**8))
    found = with_step(steps, more, number, NEAR[:1])
    assert [step.decades for step in found] == [1.0, 1.0, 2.0]
    assert [step.shift.item() for step in found] == [-1.5, -1.5, -3.0]
    assert [len(step.rows) for step in found] == [0, 2, 0]


def test_the_level_of_a_scale_without_runs_is_no_better_known_where_mixtures_hardly_differ():
    """Fifteen hundredths of the level for the root of a decade at least, in whatever units."""
    nothing, height = torch.zeros(2, 0, dtype=torch.float64), torch.tensor([5.0, 100.0], dtype=torch.float64)
    chained = chain([SMALL] * 4, LARGE, torch.ones(4, dtype=torch.bool))
    (step,) = steps_of(chained, nothing, nothing, height)
    torch.testing.assert_close(step.spread, 2.0**0.5 * torch.tensor([2.0, 15.0], dtype=torch.float64))
    assert step.shift.tolist() == [0.0, 0.0]
