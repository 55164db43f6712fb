"""The seed of a trial that was asked for."""

from __future__ import annotations

import pytest

from bomix.history import History
from bomix.study.asking import search_seed
from bomix.trial import IMPORTED, Record, Trial

HERE, THERE = {"code": 0.25, "web": 0.75}, {"code": 0.5, "web": 0.5}


@pytest.mark.parametrize(("paired", "expected"), [(True, [7, 7, 8, 9]), (False, [7, 8, 9, 10])])
def test_paired_trials_share_a_seed_but_repeats_take_the_next(paired: bool, expected: list[int]) -> None:
    records: list[Record] = [Record(Trial(0, HERE, 7, IMPORTED))]
    seeds = []
    for weights in (HERE, THERE, HERE, HERE):
        seeds.append(search_seed(weights, History(tuple(records)), seed=7, paired=paired))
        records.append(Record(Trial(len(records), weights, seeds[-1], "sobol")))
    assert seeds == expected
