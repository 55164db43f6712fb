"""What runs that were carried over are worth, simulated before anything is trained."""

from __future__ import annotations

import numpy as np
import pytest

from bomix.errors import StudyError
from bomix.history import History
from bomix.recommendation.reuse import ANEW, MORE, Reuse, reuse
from tests.strategies.test_extension import PROBLEM, history


def test_runs_of_a_new_start_are_read_off_between_those_that_were_simulated() -> None:
    found = Reuse(5, ((2, 0.2, 0.0),), ((4, 0.5, 0.0), (8, 0.3, 0.0), (16, 0.1, 0.0)))
    assert found.anew_for(0.2) == pytest.approx(12.0)
    assert found.anew_for(0.6) == 4.0
    assert found.anew_for(0.05) is None


def test_with_what_was_carried_over_few_runs_bring_as_much_as_more_of_a_new_start() -> None:
    found = reuse(PROBLEM, history(), seed=0, functions=6)
    assert (found.runs, [count for count, *_ in found.extended]) == (10, list(MORE))
    assert [count for count, *_ in found.anew] == list(ANEW)
    regrets = {count: regret for count, regret, _ in found.extended}
    assert regrets[MORE[-1]] < regrets[0]
    needed = found.anew_for(regrets[2])
    assert needed is None or needed > 2.0
    assert np.isfinite([error for _, _, error in found.extended]).all()
    assert reuse(PROBLEM, history(), seed=0, functions=6) == found


def test_without_runs_that_were_carried_over_there_is_nothing_to_compare() -> None:
    with pytest.raises(StudyError, match="no run was carried over"):
        reuse(PROBLEM, History(), seed=0, functions=2)
