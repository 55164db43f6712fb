"""A run that asks ahead fills a free slot at once; what its asks know follows from the order of events alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from bomix.config.budget import BudgetSpec
from bomix.contracts.evaluator import Evaluator
from bomix.contracts.executor import Attempt, Ended, Event
from bomix.contracts.strategy import Strategy
from bomix.evaluators.synthetic.spec import Synthetic
from bomix.execution.local.spec import LocalExecution
from bomix.execution.observer import Observer
from bomix.history import History
from bomix.problem import Problem
from bomix.strategies.bayesian.whole_space import Bayesian
from bomix.strategies.designs import Sobol
from bomix.study.study import Study
from bomix.surrogates.gp.spec import GP
from bomix.trial import Candidate, Failure, Record, Trial
from tests.execution.evaluators import Ending

pytestmark = pytest.mark.usefixtures("short_chains", "recommended_by_the_mean_alone")

HAPPENED: list[str] = []
"""What happened in a run, in order."""


@dataclasses.dataclass(frozen=True)
class Noting(Sobol):
    """Notes what it is asked, and how many trials were pending then."""

    def ask(self, problem: Problem, history: History, q: int, *, seed: int) -> list[Candidate]:
        HAPPENED.append(f"ask {history.next_id} with {len(history.pending)} pending")
        return super().ask(problem, history, q, seed=seed)


@dataclasses.dataclass(frozen=True)
class Scripted:
    """Trials end in an order that is given, each when the driver waits for something.

    Attributes:
        order: Ids of the trials as they end; those that end while the driver does not wait stand below ``unasked``.
        slots: Trials at a time.
        ask_ahead: See the contract.
        unasked: Ids of trials that have ended whenever the driver looks, without that it waits.
        fails: Ids of trials whose first attempt fails.
        breaks_at: Id of the trial at whose end the executor breaks.
        attempts: See the contract.
        max_failures: See the contract.
    """

    order: tuple[int, ...]
    slots: int = 2
    ask_ahead: int = 0
    unasked: tuple[int, ...] = ()
    fails: tuple[int, ...] = ()
    breaks_at: int | None = None
    attempts: int = 2
    max_failures: int = 1

    def start(self, evaluator: Evaluator, *, folder: Path | None) -> ScriptedExecutor:
        return ScriptedExecutor(evaluator, self)


class ScriptedExecutor:
    def __init__(self, evaluator: Evaluator, how: Scripted) -> None:
        self._evaluator, self._how = evaluator, how
        self._running: dict[int, tuple[Trial, Attempt]] = {}
        self._left = list(how.order)

    @property
    def free(self) -> int:
        return self._how.slots - len(self._running)

    def reattach(self, pending: Sequence[tuple[Trial, Attempt]]) -> tuple[Trial, ...]:
        return ()

    def submit(self, trial: Trial, attempt: Attempt) -> None:
        HAPPENED.append(f"start {trial.id}")
        self._running[trial.id] = (trial, attempt)

    def events(self, timeout: float) -> Iterator[Event]:
        ready = [number for number in self._running if number in self._how.unasked]
        if not ready and timeout > 0:
            ready = [next(number for number in self._left if number in self._running)]
        for number in ready:
            if number == self._how.breaks_at:
                raise RuntimeError("the machine is gone")
            trial, attempt = self._running.pop(number)
            HAPPENED.append(f"end {number}")
            if number in self._how.fails and attempt.number == 1:
                yield Ended(trial, Failure("the first attempt fails"))
            else:
                self._left.remove(number)
                yield Ended(trial, self._evaluator.evaluate(trial, attempt.folder))

    def cancel(self, trial: Trial) -> None:
        raise AssertionError("nothing is cancelled here")

    def close(self) -> None:
        self._running.clear()


def study(
    execution: Scripted | LocalExecution, *, trials: int, strategy: Strategy | None = None, path: Path | None = None
) -> Study:
    HAPPENED.clear()
    return Study(
        ["code", "math", "web"],
        path=path,
        evaluator=Synthetic(domains=("code", "math", "web")),
        strategy=strategy or Noting(),
        budget=BudgetSpec(trials),
        execution=execution,
    )


def happened(execution: Scripted, trials: int = 5) -> list[str]:
    """What happens in a run."""
    study(execution, trials=trials).run()
    return [*HAPPENED]


def test_a_free_slot_is_filled_while_the_others_run_and_asks_see_what_is_pending() -> None:
    assert happened(Scripted((1, 0, 2, 4, 3))) == [
        "ask 0 with 0 pending",
        "start 0",
        "ask 1 with 1 pending",
        "start 1",
        "end 1",
        "ask 2 with 1 pending",
        "start 2",
        "end 0",
        "ask 3 with 1 pending",
        "start 3",
        "end 2",
        "ask 4 with 1 pending",
        "start 4",
        "end 4",
        "end 3",
    ]


def test_asked_ahead_the_next_trial_starts_at_the_moment_that_a_slot_is_free() -> None:
    assert happened(Scripted((1, 0, 2, 4, 3), ask_ahead=1)) == [
        "ask 0 with 0 pending",
        "start 0",
        "ask 1 with 1 pending",
        "start 1",
        "ask 2 with 2 pending",
        "end 1",
        "start 2",
        "ask 3 with 2 pending",
        "end 0",
        "start 3",
        "ask 4 with 2 pending",
        "end 2",
        "start 4",
        "end 4",
        "end 3",
    ]


def test_several_may_wait_and_none_is_asked_for_beyond_the_budget() -> None:
    found = happened(Scripted((0, 1, 2, 3, 4), ask_ahead=3))
    assert found[4:7] == [f"ask {number} with {number} pending" for number in (2, 3, 4)]
    assert [line for line in found[7:] if line.startswith("ask")] == []
    assert len([line for line in found if line.startswith("start")]) == 5


def test_what_has_ended_meanwhile_is_known_to_the_next_ask() -> None:
    """The driver listens between two asks: it hears that trial 0 has ended before it asks for the second one ahead."""
    found = happened(Scripted((0, 1, 2, 3, 4), ask_ahead=2, unasked=(0,)))
    assert found[:8] == [
        "ask 0 with 0 pending",
        "start 0",
        "ask 1 with 1 pending",
        "start 1",
        "end 0",
        "ask 2 with 1 pending",
        "start 2",
        "ask 3 with 2 pending",
    ]


def test_a_trial_that_is_tried_again_comes_before_those_that_were_asked_for_ahead() -> None:
    found = happened(Scripted((0, 1, 2, 3, 4), ask_ahead=1, fails=(0,)))
    again = found.index("end 0") + 1
    assert found[again] == "start 0"
    assert found.count("start 2") == 1


def test_what_was_asked_for_ahead_and_not_begun_is_trained_first_in_the_next_run(tmp_path: Path) -> None:
    broken = study(Scripted((0, 1), ask_ahead=1, breaks_at=0), trials=4, path=tmp_path)
    with pytest.raises(RuntimeError):
        broken.run()
    pending = [record.trial for record in broken.history.pending]
    assert [trial.id for trial in pending] == [0, 1, 2]
    assert not (tmp_path / "trials/0002/attempts").exists()
    HAPPENED.clear()
    again = Study.open(tmp_path)
    again.spec = dataclasses.replace(again.spec, execution=Scripted((0, 1, 2, 3), ask_ahead=1))
    again.run()
    assert HAPPENED[:3] == ["start 0", "start 1", "end 0"]
    assert [record.trial for record in again.history.records][:3] == pending


@pytest.mark.parametrize("ask_ahead", [0, 1])
def test_asks_follow_from_the_order_of_events(ask_ahead: int) -> None:
    def asked(*order: int) -> list[dict[str, float]]:
        strategy = Bayesian(n_init=3, surrogate=GP(draws=0, restarts=1))
        found = study(Scripted(order, ask_ahead=ask_ahead), trials=6, strategy=strategy)
        found.run()
        return [dict(record.trial.weights) for record in found.history.records]

    first = asked(0, 1, 2, 3, 4, 5)
    assert asked(0, 1, 2, 3, 4, 5) == first
    other = asked(1, 0, 3, 2, 4, 5)
    assert other[:3] == first[:3]
    assert other[4:] != first[4:]


class Gaps(Observer):
    """Counts, at each end, the trials that wait for the slot."""

    def __init__(self) -> None:
        self.waiting: list[int] = []

    def ended(self, study: object, record: Record) -> None:
        assert isinstance(study, object)
        self.waiting.append(len(study.history.pending))  # type: ignore[attr-defined]


def test_processes_of_this_machine_are_asked_for_ahead(tmp_path: Path) -> None:
    found = Study(
        ["code", "web"],
        path=tmp_path,
        evaluator=Ending(seconds=0.3),
        strategy=Sobol(),
        budget=BudgetSpec(6),
        execution=LocalExecution(workers=2, ask_ahead=1),
    )
    found.run(observer=(seen := Gaps()))
    assert seen.waiting[0] == 2  # the other slot's, and the one ahead
    assert seen.waiting[-1] == 0
    assert len(found.history.completed) == 6
