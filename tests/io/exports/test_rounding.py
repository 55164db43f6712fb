"""Numbers that survive being written."""

from __future__ import annotations

import numpy as np
import pytest

from bomix.io.exports.rounding import decimal, number, whole


@pytest.mark.parametrize("value", [1.0, 0.5, 1 / 3, 1e-5, 1.25e-9, 3e-15, 123456.0])
def test_a_decimal_has_no_exponent_and_reads_back(value: float) -> None:
    text = decimal(value)
    assert "e" not in text.lower()
    assert float(text) == pytest.approx(value, rel=1e-9)


def test_whole_numbers_are_written_as_such() -> None:
    assert (decimal(1.0), decimal(250.0), number(3.0), number(0.25)) == ("1", "250", 3, 0.25)


def test_whole_counts_have_their_sum_and_lie_within_one() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        shares = dict(enumerate(rng.dirichlet(np.ones(7))))
        counts = whole(shares, 1000)
        assert sum(counts.values()) == 1000
        assert all(abs(count - 1000 * shares[name]) < 1.0 or count == 1 for name, count in counts.items())


def test_no_count_is_zero_and_the_largest_pays_for_it() -> None:
    assert whole({"a": 0.9998, "b": 1e-4, "c": 1e-4}, 1000) == {"a": 998, "b": 1, "c": 1}
    assert whole({"a": 0.5, "b": 0.25, "c": 0.25}, 3) == {"a": 1, "b": 1, "c": 1}
