"""What a run of a study does next: a pure function of where the study stands.

Trials that were begun come first, then experts, then new trials while they are within the budget and worth it, then
confirming ones, once everything else has ended. Where trials can be trained as one, those whose asks do not depend on
what is still to come back are gathered until the free slots are full. A run that asks ahead asks for new trials while
all slots are taken, so that no slot is idle for as long as an ask takes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from bomix.contracts.study import Experts
from bomix.trial import CONFIRM

if TYPE_CHECKING:
    from bomix.contracts.study import Plan
    from bomix.history import History
    from bomix.problem import StudyScale
    from bomix.trial import Trial


class Action(StrEnum):
    """What a driver can do."""

    RUN = "run"
    """Submit trials that are recorded already: just asked for, interrupted, to be tried again, or confirming."""
    ASK = "ask"
    """Ask the strategy for a trial, which then waits to be submitted."""
    ASK_AHEAD = "ask ahead"
    """The same while no slot is free, unless a trial has ended meanwhile: what came back of it is recorded first."""
    ASK_EXPERT = "ask for an expert"
    """Record the next expert, which then waits to be submitted."""
    CONFIRM = "confirm"
    """Find out which confirming trials are wanted, and record them."""
    WAIT = "wait"
    """Nothing can be done before a running trial ends, or a slot is free."""
    STOP = "stop"
    """Nothing runs, and nothing is to be done any more."""


@dataclass(frozen=True)
class Situation:
    """Where a run stands.

    Attributes:
        plan: Budget, seeds of the confirmation, which trials count.
        history: The record, what is in flight included.
        free: Slots without a trial.
        in_flight: Ids of the trials that run: submitted in this run or taken over from an earlier one.
        again: Recorded trials to submit before all others, in this order.
        full: Whether these take all free slots, so that one more would have to wait.
        confirming: Confirming trials still to submit; None until it is known which are wanted.
        experts: Domains whose expert has not come back.
        experts_only: Whether the run ends when every domain has its expert.
        exhausted: Why no mixture is left to ask for; None where there is.
        scales: The scales of a study of several, which say what its trials cost.
        ahead: How many trials may wait, all slots being taken, for the next that is free.
    """

    plan: Plan
    history: History
    free: int = 1
    in_flight: frozenset[int] = frozenset()
    again: tuple[Trial, ...] = ()
    full: bool = True
    confirming: tuple[Trial, ...] | None = None
    experts: Experts = Experts()
    experts_only: bool = False
    exhausted: str | None = None
    scales: tuple[StudyScale, ...] = ()
    ahead: int = 0


@dataclass(frozen=True)
class Decision:
    """What to do next.

    Attributes:
        action: The kind of the next step.
        trials: What to run, in this order, as far as there are slots.
        reason: Why no further trial is worth it though the budget has some left, in words; None where the search
            goes on, or is over for another reason.
    """

    action: Action
    trials: tuple[Trial, ...] = ()
    reason: str | None = None


def decide(now: Situation, why_stop: Callable[[History], str | None], settled: Callable[[History], bool]) -> Decision:
    """What to do next.

    Args:
        now: The record, the free slots, and what is in flight.
        why_stop: From a record to the reason why no further trial is worth it, None where one is. It may take a
            while, so it is only called where everything else says that a trial may be asked for.
        settled: From a record to whether the next ask is the same whatever comes back of the pending trials.
    """
    if now.free < 1:
        return _meanwhile(now, why_stop)
    if now.again and now.full:
        return Decision(Action.RUN, now.again)
    search = _search(now, why_stop)
    if now.again:
        return search if _gathers(now, search, settled) else Decision(Action.RUN, now.again)
    if search.action is not Action.STOP:
        return search
    if now.confirming:
        return Decision(Action.RUN, now.confirming, search.reason)
    if _confirms(now):
        return Decision(Action.CONFIRM, reason=search.reason)
    return Decision(Action.WAIT, reason=search.reason) if now.in_flight else search


def _meanwhile(now: Situation, why_stop: Callable[[History], str | None]) -> Decision:
    """What to do while no slot is free: ask ahead where that is wanted and the budget holds one more."""
    if len(now.again) >= now.ahead or not now.in_flight or not _holds(now):
        return Decision(Action.WAIT)
    search = _search(now, why_stop)
    return Decision(Action.ASK_AHEAD if search.action is Action.ASK else Action.WAIT, reason=search.reason)


def _gathers(now: Situation, search: Decision, settled: Callable[[History], bool]) -> bool:
    """Whether another trial is asked for before those that wait are submitted."""
    if search.action is Action.ASK_EXPERT and now.experts_only:
        return True
    if search.action not in (Action.ASK, Action.ASK_EXPERT) or not _holds(now):
        return False
    return search.action is Action.ASK_EXPERT or settled(now.history)


def _holds(now: Situation) -> bool:
    """Whether the budget has some left once all that is pending came back."""
    return now.plan.budget.holds(now.plan.counted(now.history), now.scales)


def _search(now: Situation, why_stop: Callable[[History], str | None]) -> Decision:
    """Which kind of new trial is wanted; a stop where none is."""
    if now.experts_only:
        if now.experts.missing:
            return Decision(Action.ASK_EXPERT)
        return Decision(Action.STOP)
    budget, counted = now.plan.budget, now.plan.counted(now.history)
    # Those that are pending may be the last ones.
    if any(each(counted, now.scales) is not None for each in (budget.spent, budget.asked_for)):
        return Decision(Action.STOP)
    if now.experts.missing:
        return Decision(Action.ASK_EXPERT)
    if now.experts.pending:
        # What the strategy knows without its experts is no ground to ask it.
        return Decision(Action.STOP)
    if now.exhausted is not None:
        return Decision(Action.STOP, reason=now.exhausted)
    if budget.improvement is None:
        return Decision(Action.ASK)
    reason = why_stop(now.history)
    return Decision(Action.ASK) if reason is None else Decision(Action.STOP, reason=reason)


def _confirms(now: Situation) -> bool:
    """Whether confirmations may begin: only once every searching trial has ended; some may run from an earlier run."""
    wanted = now.plan.confirm > 0 and not now.experts_only and now.confirming is None
    begun = {record.trial.id for record in now.history.records if record.trial.origin == CONFIRM}
    return wanted and now.in_flight <= begun and bool(now.history.observations)
