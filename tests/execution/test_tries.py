"""What of the attempts at a trial counts."""

from __future__ import annotations

from bomix.contracts.executor import Ended
from bomix.execution.tries import Tries
from bomix.trial import Failure, Result, Trial

TRIAL, OTHER = (Trial(number, {"code": 0.5, "web": 0.5}, 0, "sobol") for number in (0, 1))


def ended(trial: Trial = TRIAL, *, lost: bool = False) -> Ended:
    return Ended(trial, Failure("node gone" if lost else "diverged"), lost=lost)


def test_failures_and_losses_of_each_trial_are_counted_apart() -> None:
    tries = Tries(attempts=2, max_lost=1)
    assert not tries.lost(ended())
    assert tries.failed(ended())
    assert tries.lost(ended(lost=True))
    assert not tries.failed(ended())
    assert tries.outcome(ended()) == Failure("diverged", attempts=2)
    assert tries.lost(ended(OTHER, lost=True))


def test_beyond_its_limit_a_loss_is_a_failure_that_says_so_and_is_not_tried_again() -> None:
    tries = Tries(attempts=5, max_lost=1)
    assert tries.lost(ended(lost=True))
    assert not tries.lost(ended(lost=True))
    assert not tries.failed(ended(lost=True))
    assert tries.outcome(ended(lost=True)) == Failure("lost 2 times (execution.max_lost is 1): node gone", attempts=1)


def test_without_a_limit_losses_never_end() -> None:
    tries = Tries(attempts=1, max_lost=None)
    assert all(tries.lost(ended(lost=True)) for _ in range(100))


def test_a_result_is_not_lost_whatever_the_engine_says() -> None:
    came = Ended(TRIAL, Result({"loss": 1.0}), lost=True)
    tries = Tries(attempts=1, max_lost=None)
    assert not tries.lost(came)
    assert not tries.failed(came)
    assert tries.outcome(came) == Result({"loss": 1.0})
