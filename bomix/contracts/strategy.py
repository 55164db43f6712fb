"""What proposes mixtures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from bomix.history import History
    from bomix.problem import Problem
    from bomix.trial import Candidate


@runtime_checkable
class Strategy(Protocol):
    """Proposes mixtures. A pure function of its arguments; it keeps nothing."""

    def ask(self, problem: Problem, history: History, q: int, *, seed: int) -> list[Candidate]:
        """Propose ``q`` mixtures, the pending trials of the history taken into account."""
        ...
