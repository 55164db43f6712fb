"""How long a run will take, by what it has done."""

from __future__ import annotations

import itertools

import pytest

from bomix.cli.pace import Pace, in_words


def after(seconds: float) -> Pace:
    """A pace that began so long ago."""
    clock = itertools.chain([0.0], itertools.repeat(seconds))
    return Pace(lambda: next(clock))


def test_trials_of_one_pace_take_as_long_as_they_did() -> None:
    assert after(30.0).left(3, 7, 0.0) == pytest.approx(70.0)


def test_what_is_under_way_counts_as_far_as_it_is() -> None:
    """Sixteen as one come back after 60 seconds; when the first of them is there, the others are, too."""
    assert after(60.0).left(1, 15, 15.0) == pytest.approx(0.0)
    assert after(60.0).left(1, 31, 15.0) == pytest.approx(60.0)
    assert after(30.0).left(0, 16, 8.0) == pytest.approx(30.0)


def test_nothing_is_told_before_there_is_something_to_tell_it_by_nor_once_nothing_is_left() -> None:
    assert after(10.0).left(0, 16, 0.01) is None
    assert after(10.0).left(4, 0, 0.0) is None
    assert in_words(None) == ""


def test_short_times_are_said_in_seconds_and_long_ones_in_minutes() -> None:
    assert in_words(12.4) == ", about 12 s left"
    assert in_words(600.0) == ", about 10 min left"
