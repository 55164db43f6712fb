"""Where a trial stands follows from its outcome."""

from __future__ import annotations

import pytest

from bomix.trial import EXPERT, UNCOUNTED_ORIGINS, Failure, Record, Result, Status, Trial

TRIAL = Trial(0, {"code": 1.0}, 0, "sobol")


@pytest.mark.parametrize(
    ("outcome", "status"),
    [(None, Status.PENDING), (Result({"loss": 2.5}), Status.COMPLETED), (Failure("no device left"), Status.FAILED)],
)
def test_the_outcome_says_the_status(outcome, status):
    assert Record(TRIAL, outcome).status is status


def test_only_a_completed_trial_has_a_result():
    assert Record(TRIAL, Result({"loss": 2.5})).result.losses == {"loss": 2.5}
    with pytest.raises(AssertionError, match="failed"):
        _ = Record(TRIAL, Failure("no device left")).result


def test_experts_move_no_design():
    assert EXPERT in UNCOUNTED_ORIGINS
