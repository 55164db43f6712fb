"""Faults are told together, each with its place."""

from __future__ import annotations

import pytest

from bomix.errors import Fault, FaultsError, count_faults, did_you_mean, raise_faults


def test_faults_are_told_together_below_their_title():
    raise_faults([])
    with pytest.raises(FaultsError) as caught:
        raise_faults([Fault("a.b", "is wrong"), Fault("", "so is this")], "two things:")
    assert str(caught.value) == "two things:\n  - a.b: is wrong\n  - so is this"
    assert str(FaultsError([Fault("a", "is wrong")])) == "a: is wrong"


def test_the_closest_name_is_offered_and_none_that_is_far():
    assert did_you_mean("boks", ["books", "web"]) == "; did you mean 'books'?"
    assert did_you_mean("xyz", ["books", "web"]) == ""


def test_counts_below_the_least_are_faults():
    assert [fault.where for fault in count_faults(1, draws=0, folds=2, starts=None, samples=-1)] == ["draws", "samples"]
