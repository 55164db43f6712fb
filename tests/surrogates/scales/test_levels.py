"""The chain of scales: its order, its distances, and what it is built on."""

from __future__ import annotations

import math

import pytest
import torch

from bomix.scale import Scale
from bomix.surrogates.scales.levels import LEAST_DECADES, UNKNOWN_DECADES, chain, inserted

SMALL, MIDDLE, LARGE = Scale(10**6, 10**8), Scale(10**7, 10**8), Scale(10**9, 10**10)


def of(counts: dict[Scale | None, int], target: Scale):
    scales = [scale for scale, count in counts.items() for _ in range(count)]
    return chain(scales, target, torch.ones(len(scales), dtype=torch.bool))


def summary(levels):
    return [(level.scale, round(level.decades, 3), len(level.rows)) for level in levels]


def test_scales_are_ordered_by_flops_whatever_the_order_of_the_runs():
    expected = [(SMALL, 0.0, 8), (MIDDLE, 1.0, 4), (LARGE, 4.0, 2)]
    assert summary(of({SMALL: 8, MIDDLE: 4, LARGE: 2}, LARGE)) == expected
    assert summary(of({LARGE: 2, SMALL: 8, MIDDLE: 4}, LARGE)) == expected


def test_a_target_that_was_never_run_ends_the_chain_or_stands_within_it():
    assert summary(of({SMALL: 8, MIDDLE: 4}, LARGE))[-1] == (LARGE, 4.0, 0)
    assert summary(of({SMALL: 8, LARGE: 4}, MIDDLE)) == [(SMALL, 0.0, 8), (MIDDLE, 1.0, 0), (LARGE, 4.0, 4)]


def test_a_target_below_all_runs_follows_the_smallest_of_them():
    found = summary(of({MIDDLE: 8, LARGE: 4}, SMALL))
    assert found == [(MIDDLE, 0.0, 8), (SMALL, -1.0, 0), (LARGE, 5.0, 4)]


def test_a_scale_of_few_runs_is_not_what_the_others_are_built_on():
    assert summary(of({SMALL: 3, MIDDLE: 64, LARGE: 4}, LARGE)) == [
        (MIDDLE, 0.0, 64),
        (LARGE, 4.0, 4),
        (SMALL, -5.0, 3),
    ]
    assert [level.scale for level in of({SMALL: 3, MIDDLE: 4, LARGE: 4}, LARGE)] == [SMALL, MIDDLE, LARGE]
    assert summary(of({SMALL: 1, LARGE: 40}, LARGE)) == [(LARGE, 0.0, 40), (SMALL, -5.0, 1)]


def test_runs_of_unknown_scale_are_the_target_s_and_what_is_known_in_part_is_what_it_can_be():
    part = Scale(params=10**6)
    assert summary(of({SMALL: 8, part: 2, None: 3, LARGE: 1}, LARGE)) == [(SMALL, 0.0, 10), (LARGE, 5.0, 4)]
    assert summary(of({Scale(params=10**9): 3, SMALL: 8}, LARGE)) == [(SMALL, 0.0, 8), (LARGE, 5.0, 3)]


def test_where_tokens_are_unknown_parameters_alone_tell_the_distance():
    small, large = Scale(params=10**6), Scale(10**8, 10**9)
    assert summary(of({small: 8, large: 2}, large)) == [(small, 0.0, 8), (large, 2.0, 2)]


def test_sizes_that_say_nothing_of_another_are_a_decade_away():
    small, large = Scale(params=10**6), Scale(tokens=10**9, recipe="long")
    assert summary(of({small: 8, large: 2}, large)) == [(small, 0.0, 8), (large, UNKNOWN_DECADES, 2)]


def test_recipes_of_one_size_are_two_scales_the_target_last():
    plain, warm = Scale(10**6, 10**8), Scale(10**6, 10**8, "warm")
    assert summary(of({plain: 4, warm: 4}, plain)) == [(warm, 0.0, 4), (plain, LEAST_DECADES, 4)]
    assert summary(of({plain: 4, warm: 4}, warm)) == [(plain, 0.0, 4), (warm, LEAST_DECADES, 4)]


@pytest.mark.parametrize(("scale", "number"), [(Scale(10**7, 10**8), 1), (Scale(10**10, 10**10), 2)])
def test_a_scale_that_is_put_in_keeps_the_whole_distance(scale, number):
    levels = of({SMALL: 8, LARGE: 4}, LARGE)
    more, found = inserted(levels, scale)
    assert found == number
    assert [level.scale for level in more].index(scale) == number
    whole = sum(level.decades for level in more)
    assert math.isclose(whole, max(5.0, sum(abs(math.log10(x)) for x in (scale.params / 10**6, scale.tokens / 10**8))))


def test_a_scale_below_the_first_is_put_in_on_the_way_down():
    tiny = Scale(10**5, 10**8)
    more, number = inserted(of({MIDDLE: 8, LARGE: 4}, LARGE), SMALL)
    assert number == 2
    assert summary(more) == [(MIDDLE, 0.0, 8), (LARGE, 4.0, 4), (SMALL, -5.0, 0)]
    assert summary(inserted(more, tiny)[0])[2:] == [(SMALL, -5.0, 0), (tiny, -1.0, 0)]
    # One above it stands before those below.
    larger = summary(inserted(more, Scale(10**9, 10**11))[0])
    assert [decades for _, decades, _ in larger] == [0.0, 4.0, 1.0, -6.0]


def test_no_run_at_all_leaves_the_target_alone():
    assert summary(of({}, LARGE)) == [(LARGE, 0.0, 0)]
