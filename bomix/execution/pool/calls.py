"""What a pool of workers is to the executor that hands it calls, and what it says of one that brought nothing back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Gone:
    """A call that came back with nothing.

    Attributes:
        message: Why.
        lost: Whether that says nothing of the trial; else it failed.
        last: Whether the pool runs nothing any more.
    """

    message: str
    lost: bool = True
    last: bool = False


class Pool(Protocol):
    """What takes calls of :func:`bomix.execution.pool.worker.run`."""

    def submit(self, number: int, job: Mapping[str, Any]) -> None:
        """Have a worker run a job, now or later.

        Raises:
            EvaluationError: None can be run.
        """
        ...

    def wait(self, timeout: float) -> Iterable[tuple[int, Mapping[str, Any] | Gone]]:
        """The jobs that are over, and what came back; within ``timeout`` seconds, all of which pass where none is.

        Raises:
            EvaluationError: Nothing can be run any more, and no job says so.
        """
        ...

    def stop(self, number: int) -> None:
        """End a job that has not begun, or whose worker does not end it; :meth:`wait` then tells of it, if it can."""
        ...

    def unseen(self, where: str) -> bool:
        """Leave out a node that does not see the folders of attempts; whether there is another one."""
        ...

    def close(self) -> bool:
        """Let go of it, none of its jobs is needed any more; whether that ends those that still run."""
        ...
