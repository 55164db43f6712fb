"""Scales: what they are, which can be compared, and what is no scale."""

from __future__ import annotations

import numpy as np
import pytest

import bomix
from bomix.errors import FaultsError
from bomix.scale import Scale, comparable


def test_flops_are_six_per_parameter_and_token():
    assert Scale(1_000, 20_000).flops == 6.0 * 1_000 * 20_000
    assert Scale(1_000).flops is None
    assert Scale(tokens=1_000).flops is None


@pytest.mark.parametrize(
    ("scale", "text"),
    [
        (Scale(1_000_000, 50_000_000), "1M params x 50M tokens"),
        (Scale(7_000_000_000, 1_400_000_000_000), "7B params x 1.4T tokens"),
        (Scale(907_360, 399_872), "907,360 params x 399,872 tokens"),
        (Scale(999_950, 999), "999,950 params x 999 tokens"),
        (Scale(None, 1_234_000), "unknown params x 1.234M tokens"),
        (Scale(60_000), "60k params x unknown tokens"),
    ],
)
def test_it_reads_as_a_person_would_write_it(scale, text):
    assert str(scale) == text


def test_two_scales_never_look_alike():
    counts = [999, 1_000, 1_001, 10_000, 10_001, 999_999, 1_000_000, 1_000_001, 1_234_500, 1_234_000, 10**15, 10**16]
    assert len({str(Scale(count, 1)) for count in counts}) == len(counts)


def test_whole_numbers_of_any_library_are_counts():
    scale = Scale(np.int64(10), 50e6)  # type: ignore[arg-type]
    assert scale == Scale(10, 50_000_000)
    assert type(scale.params) is type(scale.tokens) is int


@pytest.mark.parametrize(
    ("params", "tokens", "where"),
    [
        (0, 10, ["params"]),
        (10, -1, ["tokens"]),
        (1.5, 10, ["params"]),
        ("1M", True, ["params", "tokens"]),
        (float("nan"), float("inf"), ["params", "tokens"]),
        (1e30, 1e300, ["params", "tokens"]),
        (None, None, ["params"]),
    ],
)
def test_what_is_no_scale_is_named(params, tokens, where):
    with pytest.raises(FaultsError, match="this is no scale") as caught:
        Scale(params, tokens)
    assert [fault.where for fault in caught.value.faults] == where


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (Scale(1, 2), Scale(1, 2), True),
        (Scale(1, 2), Scale(1, 3), False),
        (Scale(1, 2), Scale(2, 2), False),
        (Scale(1, 2), None, True),
        (None, None, True),
        (Scale(1), Scale(1, 3), True),
        (Scale(1), Scale(tokens=3), True),
        (Scale(1), Scale(2, 3), False),
    ],
)
def test_what_is_unknown_is_taken_for_the_same(first, second, same):
    assert comparable(first, second) is comparable(second, first) is same


def test_it_is_a_public_name():
    assert bomix.Scale is Scale
    assert not hasattr(bomix, "Fidelity")
