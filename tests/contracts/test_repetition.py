"""What is cut repeats as the target does."""

from __future__ import annotations

import pytest

from bomix.contracts.repetition import Matching

MATCHING = Matching(1e9, {"books": 2e7, "web": 5e9})


@pytest.mark.parametrize("run", [1e6, 3e7, 1e9])
def test_a_mixture_repeats_each_domain_as_often_in_a_run_as_in_the_target(run):
    for name, passes in MATCHING.epochs().items():
        assert 0.3 * run / MATCHING.tokens(run)[name] == pytest.approx(0.3 * passes)


def test_a_run_finds_at_least_one_sequence_of_each_domain():
    assert MATCHING.sequences(1e6, 256) == {"books": 78, "web": 19531}
    assert MATCHING.sequences(1e4, 256) == {"books": 1, "web": 195}
