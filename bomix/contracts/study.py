"""What those who run, or watch, a study need of it. The study itself is :class:`bomix.study.study.Study`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from bomix.contracts.evaluator import Evaluator
    from bomix.contracts.executor import Attempt, Execution
    from bomix.history import History
    from bomix.problem import Problem, StudyScale
    from bomix.trial import Outcome, Record, Trial


class Budget(Protocol):
    """When a search ends."""

    @property
    def trials(self) -> int | None:
        """Completed trials, those that do not count left out; None where other limits alone end the search."""
        ...

    @property
    def improvement(self) -> float | None:
        """Expected improvement of the objective below which nothing more is tried; None where it does not matter."""
        ...

    def spent(self, asked: Sequence[Record], scales: Sequence[StudyScale] = ()) -> str | None:
        """Which limit the trials that count have reached, in words; None where there is some left."""
        ...

    def asked_for(self, asked: Sequence[Record], scales: Sequence[StudyScale] = ()) -> str | None:
        """Which limit they reach once the pending ones come back and none fails; None where there is some left."""
        ...

    def holds(self, asked: Sequence[Record], scales: Sequence[StudyScale] = ()) -> bool:
        """Whether some is left once the pending trials have come back, none dearer than the dearest before them."""
        ...


class Plan(Protocol):
    """What a study file says of a run."""

    @property
    def budget(self) -> Budget:
        """When the search ends."""
        ...

    @property
    def execution(self) -> Execution:
        """How trials are run."""
        ...

    @property
    def evaluator(self) -> Evaluator | None:
        """What trains, as the file has it; None where results are told from outside."""
        ...

    @property
    def confirm(self) -> int:
        """Fresh seeds on which the recommendation is trained again."""
        ...

    def counts(self, origin: str) -> bool:
        """Whether trials of an origin cost budget."""
        ...

    def counted(self, history: History) -> tuple[Record, ...]:
        """The trials that cost budget."""
        ...


class WatchedStudy(Protocol):
    """What an observer sees of a study."""

    @property
    def spec(self) -> Plan:
        """The study file."""
        ...

    @property
    def problem(self) -> Problem:
        """Space, metrics, objective."""
        ...

    @property
    def history(self) -> History:
        """The record as it is now."""
        ...

    @property
    def folder(self) -> Path | None:
        """The study folder; None in memory."""
        ...


class Experts(NamedTuple):
    """Domains whose expert has not come back; both are empty where no experts are wanted.

    Attributes:
        missing: Those whose expert is not pending either, so that it is still to be asked for.
        pending: Those whose expert is pending.
    """

    missing: Sequence[str] = ()
    pending: Sequence[str] = ()


class RunnableStudy(WatchedStudy, Protocol):
    """What a driver needs of a study: it decides, the study knows and records."""

    def look(self) -> History:
        """The record as it is now in all its parts.

        ``history`` has what became of pending trials and which ones are new; what others revise or withdraw of trials
        that have ended it may have a little later, so that it takes as long however many have ended.
        """
        ...

    def prepare(self) -> None:
        """Have the evaluator build and measure its inputs, and clear away what killed writers left; under the lock.

        Raises:
            FaultsError: Everything that is wrong with the inputs.
            StoreError: The inputs changed since the first trial.
        """
        ...

    def ready_evaluator(self) -> Evaluator | None:
        """The evaluator with everything filled in that it takes from the study."""
        ...

    def ask(self, *, expert: bool = False) -> Trial:
        """Propose the next mixture and record it as pending.

        Args:
            expert: Whether it is to be an expert where one is missing, though no part of the study needs them.
        """
        ...

    def tell(self, trial: Trial, outcome: Outcome) -> Record:
        """Make the end of a trial durable.

        Raises:
            StoreError: Somebody told its outcome before.
            FaultsError: The outcome is none of this study.
        """
        ...

    def experts(self, history: History, *, wanted: bool = False) -> Experts:
        """Which experts have not come back.

        Args:
            history: What was tried.
            wanted: Whether experts are wanted though no part of the study needs them.
        """
        ...

    def exhausted(self, history: History) -> str | None:
        """Why there is no mixture left to ask for, in a space that holds a handful; None where there is."""
        ...

    def why_stop(self, history: History) -> str | None:
        """Why no further trial is worth it, by the budget's ``improvement``; None where one is."""
        ...

    def settled(self, history: History) -> bool:
        """Whether the next ask is the same whatever comes back of the pending trials, and worth it in any case."""
        ...

    def confirmations(self) -> Sequence[Trial]:
        """The confirming trials still to run, recorded as pending; at least one trial has completed."""
        ...

    def handed(self, trial: Trial) -> Trial:
        """A recorded trial as its evaluator gets it, with what it reads of earlier trials.

        Raises:
            StudyError: That is not there any more.
        """
        ...

    def new_attempt(self, trial: Trial) -> Attempt:
        """Make the folder of a trial's next attempt."""
        ...

    def last_attempt(self, trial: Trial) -> Attempt | None:
        """The latest attempt at a trial; None where there was none."""
        ...

    def save_results(self) -> None:
        """Write what is derived from the record."""
        ...
