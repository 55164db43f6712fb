"""Mixtures as mappings."""

from __future__ import annotations

import math

from bomix.space.weights import normalized, same_mixture


def test_mixtures_of_the_same_names_are_one_up_to_the_tolerance():
    first = {"a": 0.25, "b": 0.75}
    assert same_mixture(first, {"b": 0.75, "a": 0.25 + 1e-12})
    assert not same_mixture(first, {"a": 0.25, "b": 0.75, "c": 0.0})
    assert not same_mixture(first, {"a": 0.26, "b": 0.74})
    assert same_mixture(first, {"a": 0.26, "b": 0.74}, tolerance=0.02)


def test_rounded_shares_sum_to_one_and_none_is_below_zero():
    found = normalized({"a": 0.333, "b": 0.333, "c": 0.333, "d": -1e-12})
    assert math.fsum(found.values()) == 1.0
    assert found["a"] == found["b"]
    assert found["d"] == 0.0
