"""What a run does next, without process, folder or surrogate: the policy is a function of where the run stands."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable

import pytest

from bomix.config.budget import BudgetSpec
from bomix.config.sections import ExpertsSpec
from bomix.config.spec import StudySpec
from bomix.contracts.study import Experts
from bomix.execution.queue import Action, Decision, Situation, decide
from bomix.history import History
from bomix.scale import Scale
from bomix.trial import CONFIRM, EXPERT, IMPORTED, Failure, Outcome, Record, Result, Reweighting, Trial

SPEC = StudySpec(domains={}, metrics=("loss",), budget=BudgetSpec(trials=3), confirm=2)
DONE, LOST = Result({"loss": 1.0}, cost=10.0), Failure("the disk is full")


def spec(confirm: int = 2, experts: ExpertsSpec | None = None, **budget: float) -> StudySpec:
    return dataclasses.replace(
        SPEC,
        budget=BudgetSpec(**{"trials": 3, **budget}),
        confirm=confirm,
        experts=experts or ExpertsSpec(),  # type: ignore[arg-type]
    )


def trial(number: int, origin: str = "sobol") -> Trial:
    return Trial(number, {"web": 1.0}, 0, origin)


def history(*outcomes: Outcome | None, origin: str = "sobol") -> History:
    return History(tuple(Record(trial(number, origin), outcome) for number, outcome in enumerate(outcomes)))


def begun(*outcomes: Outcome | None) -> History:
    """A record after which a confirming trial is pending."""
    return History((*history(*outcomes).records, Record(trial(len(outcomes), CONFIRM), None)))


def never(_: History) -> str | None:
    raise AssertionError("whether a trial is worth it takes a while to find out, and did not matter here")


def worth_it(_: History) -> str | None:
    return None


def not_worth_it(_: History) -> str | None:
    return "it expects little"


def unsettled(_: History) -> bool:
    return False


@pytest.mark.parametrize(
    ("now", "why_stop", "decision"),
    [
        # An empty study asks, and one without a free slot waits.
        (Situation(SPEC, history()), never, Decision(Action.ASK)),
        (Situation(SPEC, history(), free=0), never, Decision(Action.WAIT)),
        (Situation(SPEC, history(None), free=0, again=(trial(0),)), never, Decision(Action.WAIT)),
        (Situation(SPEC, history(DONE, DONE, DONE), free=0, confirming=(trial(3),)), never, Decision(Action.WAIT)),
        # What was begun comes first, whatever else is wanted, and in its order.
        (
            Situation(SPEC, history(None, None), again=(trial(1), trial(0))),
            never,
            Decision(Action.RUN, (trial(1), trial(0))),
        ),
        (
            Situation(SPEC, history(DONE, DONE, DONE, None), again=(trial(3),), confirming=(trial(4),)),
            never,
            Decision(Action.RUN, (trial(3),)),
        ),
        (
            Situation(SPEC, history(None), again=(trial(0),), experts=Experts(["web"]), experts_only=True),
            never,
            Decision(Action.RUN, (trial(0),)),
        ),
        # Trials are asked for as long as those that may still complete are fewer than the budget.
        (Situation(SPEC, history(DONE, None), in_flight=frozenset({1})), never, Decision(Action.ASK)),
        (Situation(SPEC, history(DONE, LOST, LOST, LOST, None)), never, Decision(Action.ASK)),
        (
            Situation(SPEC, history(DONE, None, None), in_flight=frozenset({1, 2})),
            never,
            Decision(Action.WAIT),
        ),
        (Situation(SPEC, history(DONE, None, None)), never, Decision(Action.CONFIRM)),
        (Situation(spec(confirm=0), history(DONE, None, None)), never, Decision(Action.STOP)),
        # The budget may be something else than trials.
        (
            Situation(spec(confirm=0, device_seconds=20), history(DONE, DONE)),
            never,
            Decision(Action.STOP),
        ),
        # Imported trials cost nothing.
        (Situation(SPEC, history(DONE, DONE, DONE, DONE, origin=IMPORTED)), never, Decision(Action.ASK)),
        # A search that expects little ends before its budget does; only asked where a trial would be asked for.
        (Situation(spec(improvement=0.1), history(DONE)), worth_it, Decision(Action.ASK)),
        (
            Situation(spec(improvement=0.1), history(DONE)),
            not_worth_it,
            Decision(Action.CONFIRM, reason="it expects little"),
        ),
        (
            Situation(spec(improvement=0.1), history(DONE, None), in_flight=frozenset({1})),
            not_worth_it,
            Decision(Action.WAIT, reason="it expects little"),
        ),
        (
            Situation(spec(improvement=0.1), history(DONE), confirming=(trial(1), trial(2))),
            not_worth_it,
            Decision(Action.RUN, (trial(1), trial(2)), "it expects little"),
        ),
        (
            Situation(spec(improvement=0.1), history(DONE), confirming=()),
            not_worth_it,
            Decision(Action.STOP, reason="it expects little"),
        ),
        (Situation(spec(improvement=0.1), history(DONE), confirming=(trial(1),)), worth_it, Decision(Action.ASK)),
        (Situation(spec(improvement=0.1), history(DONE, DONE, DONE)), never, Decision(Action.CONFIRM)),
        # Experts come before trials, and trials wait for them.
        (Situation(SPEC, history(), experts=Experts(["web"])), never, Decision(Action.ASK_EXPERT)),
        (Situation(SPEC, history(), experts=Experts(["web"], ["code"])), never, Decision(Action.ASK_EXPERT)),
        (
            Situation(spec(improvement=0.1), history(None), in_flight=frozenset({0}), experts=Experts([], ["code"])),
            never,
            Decision(Action.WAIT),
        ),
        (
            Situation(SPEC, history(DONE, DONE, DONE), experts=Experts(["web"])),
            never,
            Decision(Action.CONFIRM),
        ),
        # A run for experts alone knows no budget and confirms nothing.
        (
            Situation(SPEC, history(DONE, DONE, DONE), experts=Experts(["web"]), experts_only=True),
            never,
            Decision(Action.ASK_EXPERT),
        ),
        (Situation(SPEC, history(DONE), experts_only=True), never, Decision(Action.STOP)),
        (
            Situation(SPEC, history(None), in_flight=frozenset({0}), experts=Experts([], ["web"]), experts_only=True),
            never,
            Decision(Action.WAIT),
        ),
        # Confirming trials begin once all has ended, in a row, and side by side.
        (Situation(SPEC, history(DONE, DONE, DONE)), never, Decision(Action.CONFIRM)),
        (
            Situation(SPEC, history(DONE, DONE, DONE, None), in_flight=frozenset({3})),
            never,
            Decision(Action.WAIT),
        ),
        # Confirming trials that were taken over from an earlier run hold up neither the search nor their own round.
        (Situation(SPEC, begun(DONE), in_flight=frozenset({1})), never, Decision(Action.ASK)),
        (Situation(SPEC, begun(DONE, DONE, DONE), in_flight=frozenset({3})), never, Decision(Action.CONFIRM)),
        (Situation(SPEC, begun(DONE, DONE, None), in_flight=frozenset({2, 3})), never, Decision(Action.WAIT)),
        (Situation(spec(confirm=0), begun(DONE, DONE, DONE), in_flight=frozenset({3})), never, Decision(Action.WAIT)),
        (
            Situation(SPEC, history(DONE, DONE, DONE), confirming=(trial(3, CONFIRM), trial(4, CONFIRM))),
            never,
            Decision(Action.RUN, (trial(3, CONFIRM), trial(4, CONFIRM))),
        ),
        (
            Situation(SPEC, history(DONE, DONE, DONE), in_flight=frozenset({3}), confirming=(trial(4, CONFIRM),)),
            never,
            Decision(Action.RUN, (trial(4, CONFIRM),)),
        ),
        (
            Situation(SPEC, history(DONE, DONE, DONE), in_flight=frozenset({3}), confirming=()),
            never,
            Decision(Action.WAIT),
        ),
        (Situation(SPEC, history(DONE, DONE, DONE), confirming=()), never, Decision(Action.STOP)),
        (Situation(spec(confirm=0), history(DONE, DONE, DONE)), never, Decision(Action.STOP)),
    ],
)
def test_a_run_does_next(now: Situation, why_stop: Callable[[History], str | None], decision: Decision) -> None:
    assert decide(now, why_stop, unsettled) == decision


def test_without_a_completed_trial_there_is_nothing_to_confirm() -> None:
    only_pending = Situation(spec(trials=1), history(None))
    assert decide(only_pending, never, unsettled) == Decision(Action.STOP)


def test_experts_cost_budget_where_the_study_needs_them() -> None:
    told = history(DONE, DONE, DONE, origin=EXPERT)
    needed = Situation(spec(experts=ExpertsSpec(train="always")), told)
    assert decide(needed, never, unsettled) == Decision(Action.CONFIRM)
    free = Situation(spec(experts=ExpertsSpec(train="always", counted=False)), told)
    assert decide(free, never, unsettled) == decide(Situation(SPEC, told), never, unsettled) == Decision(Action.ASK)


RECORDS = [history(), history(DONE, None), history(DONE, LOST), history(DONE, DONE, None), history(DONE, DONE, DONE)]


@pytest.mark.parametrize("improvement", [None, 0.1])
@pytest.mark.parametrize("confirm", [0, 2])
@pytest.mark.parametrize("experts_only", [False, True])
def test_wherever_a_run_stands(improvement: float | None, confirm: int, experts_only: bool) -> None:
    plan = dataclasses.replace(SPEC, budget=BudgetSpec(3, improvement=improvement), confirm=confirm)
    stands = itertools.product(
        RECORDS,
        (0, 1, 4),
        (frozenset[int](), frozenset({1})),
        ((), (trial(8),)),
        (None, (), (trial(9, CONFIRM),)),
        (Experts(), Experts(["web"], ["code"]), Experts([], ["code"])),
        (None, "it expects little"),
    )
    for record, free, in_flight, again, confirming, experts, reason in stands:
        now = Situation(plan, record, free, in_flight, again, True, confirming, experts, experts_only)
        decision = decide(now, lambda _, reason=reason: reason, unsettled)  # type: ignore[misc]
        assert decision == decide(now, lambda _, reason=reason: reason, unsettled)  # type: ignore[misc]
        submits = decision.action in (Action.RUN, Action.ASK, Action.ASK_EXPERT)
        assert not (submits and free == 0)
        assert bool(decision.trials) == (decision.action is Action.RUN)
        assert decision.trials in ((), again, confirming)
        assert not (again and free) or decision == Decision(Action.RUN, (trial(8),))
        # It ends only where nothing runs, and waits only for what may end.
        assert not (decision.action is Action.STOP and in_flight)
        assert not (decision.action is Action.WAIT and free and not in_flight)
        if decision.action is Action.CONFIRM:
            assert confirm
            assert record.completed
            assert not in_flight
            assert confirming is None
            assert not experts_only
        if decision.action is Action.ASK:
            unfailed = sum(not isinstance(each.outcome, Failure) for each in record.records)
            assert unfailed < 3
            assert experts == Experts()
            assert not experts_only
            assert improvement is None or reason is None
        if decision.action is Action.ASK_EXPERT:
            assert experts.missing
        if decision.reason is not None:
            assert improvement is not None
            assert decision.reason == reason


def gathers(now: Situation, *, settled: bool = True) -> bool:
    """Whether another trial is asked for before those that wait are submitted."""
    decision = decide(dataclasses.replace(now, again=(trial(0),), full=False), worth_it, lambda _: settled)
    assert decision.action in (Action.ASK, Action.ASK_EXPERT) or decision == Decision(Action.RUN, (trial(0),))
    return decision.action is not Action.RUN


def test_what_is_settled_is_gathered_until_the_slots_are_full() -> None:
    now = Situation(SPEC, history(None))
    assert gathers(now)
    assert not gathers(now, settled=False)
    full = dataclasses.replace(now, again=(trial(0),))
    assert decide(full, never, unsettled) == Decision(Action.RUN, (trial(0),))
    assert decide(dataclasses.replace(full, free=0), never, unsettled) == Decision(Action.WAIT)


def test_no_more_is_gathered_than_the_budget_holds() -> None:
    assert not gathers(Situation(spec(trials=2), history(None, None)))
    assert not gathers(Situation(spec(improvement=0.1, trials=2), history(None, None)))
    # What a trial costs is not known before the first; then each cost ten seconds so far.
    assert not gathers(Situation(spec(trials=9, device_seconds=35), history(None, None)))
    assert gathers(Situation(spec(trials=9, device_seconds=35), history(None, DONE, DONE)))
    assert not gathers(Situation(spec(trials=9, device_seconds=35), history(None, None, DONE, DONE)))


def test_experts_are_gathered_and_trials_wait_for_them() -> None:
    assert gathers(Situation(SPEC, history(None), experts=Experts(["web"], ["code"])), settled=False)
    assert not gathers(Situation(SPEC, history(None), experts=Experts([], ["code", "web"])))
    assert gathers(Situation(spec(trials=1), history(None), experts=Experts(["web"]), experts_only=True))
    assert not gathers(Situation(SPEC, history(None), experts_only=True))


def test_a_search_that_is_not_worth_it_gathers_nothing() -> None:
    now = Situation(spec(improvement=0.1), history(None), again=(trial(0),), full=False)
    assert decide(now, not_worth_it, lambda _: True) == Decision(Action.RUN, (trial(0),))


def test_a_budget_of_flops_knows_what_is_pending_costs() -> None:
    scale = Scale(params=10, tokens=10)
    assert scale.flops == 600.0
    records = [Record(dataclasses.replace(trial(number), scale=scale), None) for number in range(3)]
    budget = BudgetSpec(trials=9, flops=1300.0)
    assert [budget.holds(records[:count]) for count in (0, 1, 2, 3)] == [True, True, True, False]
    assert not BudgetSpec(trials=9, device_seconds=10.0).holds(())


def test_a_run_that_reweights_costs_what_it_says_it_took() -> None:
    scale = Scale(params=10, tokens=10)

    def record(flops: object, *, reweights: bool = True) -> Record:
        how = Reweighting({"kind": "odm"}) if reweights else None
        own = dataclasses.replace(trial(0), scale=scale, reweighting=how)
        return Record(own, Result({"loss": 1.0}, info={"flops": flops}))

    budget = BudgetSpec(trials=9, flops=1000.0)
    for told, spent in ((1500.0, True), (999.0, False), (float("nan"), False), ("1e9", False)):
        assert (budget.spent([record(told)]) == "1000 FLOPs") is spent
        assert budget.holds([record(told)]) is not spent
    # Of a run of one mixture the usual estimate holds: trainers count in many ways.
    assert budget.spent([record(1e9, reweights=False)]) is None


def ahead(now: Situation, *, most: int = 1) -> Decision:
    """What is decided while no slot is free, where so many may be asked for ahead."""
    return decide(dataclasses.replace(now, free=0, ahead=most), worth_it, unsettled)


def test_a_trial_is_asked_for_while_all_slots_are_taken_where_that_is_wanted() -> None:
    busy = Situation(SPEC, history(None), in_flight=frozenset({0}))
    assert decide(dataclasses.replace(busy, free=0), never, unsettled) == Decision(Action.WAIT)
    assert ahead(busy) == Decision(Action.ASK_AHEAD)
    waiting = dataclasses.replace(busy, history=history(None, None), again=(trial(1),))
    assert ahead(waiting) == Decision(Action.WAIT)
    assert ahead(waiting, most=2) == Decision(Action.ASK_AHEAD)


def test_no_more_is_asked_for_ahead_than_the_budget_holds() -> None:
    assert ahead(Situation(spec(trials=1), history(None), in_flight=frozenset({0}))) == Decision(Action.WAIT)
    assert ahead(Situation(spec(trials=2), history(DONE, None), in_flight=frozenset({1}))) == Decision(Action.WAIT)
    costs = Situation(spec(trials=9, device_seconds=35), history(None), in_flight=frozenset({0}))
    assert ahead(costs) == Decision(Action.WAIT)
    assert ahead(dataclasses.replace(costs, history=history(DONE, None))) == Decision(Action.ASK_AHEAD)


def test_nothing_is_asked_for_ahead_that_is_not_worth_it_or_no_search() -> None:
    busy = Situation(spec(improvement=0.1), history(DONE, None), in_flight=frozenset({1}), free=0, ahead=1)
    assert decide(busy, not_worth_it, unsettled) == Decision(Action.WAIT, reason="it expects little")
    for experts in (Experts(["web"], ["code"]), Experts([], ["code"])):
        assert ahead(Situation(SPEC, history(None), in_flight=frozenset({0}), experts=experts)) == Decision(Action.WAIT)
    confirming = Situation(SPEC, begun(DONE, DONE, DONE), in_flight=frozenset({3}))
    assert ahead(confirming) == Decision(Action.WAIT)
    # Something that was taken over may hold the only slot, unheard.
    assert ahead(Situation(SPEC, history())) == Decision(Action.WAIT)
