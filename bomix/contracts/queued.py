"""An execution whose trials wait in a queue of a cluster's own, and go on when the driver ends.

What ``bomix optimize --detach`` and ``--dry-run``, ``bomix cancel`` and ``bomix status`` need of it beside
:class:`~bomix.contracts.executor.Execution`; a kind without these methods is refused by the first three.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from bomix.contracts.executor import Execution

if TYPE_CHECKING:
    from bomix.contracts.executor import Attempt
    from bomix.trial import Trial


class LeavingError(Exception):
    """All that can be submitted is, and nothing has ended that was not told of: a driver may leave."""


@dataclass(frozen=True)
class QueuedJob:
    """A job of the queue.

    Attributes:
        trials: Ids of the trials in it.
        name: What it is called there: its id, or its name where that is not known.
        state: Where it stands, in the words of the queue.
        folder: The folder of its (first) attempt.
        log: What it printed.
        live: Whether it runs or waits; None where the queue does not answer.
    """

    trials: tuple[int, ...]
    name: str
    state: str
    folder: Path
    log: Path
    live: bool | None = None


@runtime_checkable
class QueuedExecution(Execution, Protocol):
    """Trials that go on without a driver."""

    def leaving(self) -> Execution:
        """The same for a driver that does not wait: asked for events, its executor raises :class:`LeavingError`."""
        ...

    def jobs(self, attempts: Sequence[tuple[Trial, Attempt]]) -> Sequence[QueuedJob]:
        """The jobs of pending trials, each trial with its latest attempt; those without a job are left out.

        It is quick, and where the queue does not answer the state says so.
        """
        ...

    def cancel(self, attempts: Sequence[tuple[Trial, Attempt]]) -> Sequence[QueuedJob]:
        """End the jobs of trials, which stay pending unless a driver sees it; what has ended is left out.

        Raises:
            EvaluationError: The queue does not answer, or a job has other trials beside these.
        """
        ...

    def preview(self, attempts: Sequence[tuple[Trial, Attempt]], *, folder: Path) -> Sequence[str]:
        """What would be handed to the cluster to run some trials; nothing is written.

        Args:
            attempts: Trials, each with an attempt whose folder need not be there.
            folder: The study's.
        """
        ...
