"""What proposes mixtures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from bomix.history import History
    from bomix.problem import Problem
    from bomix.trial import Candidate


@runtime_checkable
class Strategy(Protocol):
    """Proposes mixtures. A pure function of its arguments; it keeps nothing.

    Example:
        >>> import dataclasses
        >>> @dataclasses.dataclass(frozen=True)
        ... class Random:
        ...     def ask(self, problem, history, q, *, seed):
        ...         import numpy as np
        ...
        ...         points = problem.space.sample(q, np.random.default_rng([seed, history.n_asked]))
        ...         return [bomix.Candidate(problem.space.to_weights(row), "random") for row in points]
        >>> study = bomix.Study(["code", "web"], ["loss"], strategy=Random(), seed=3)
        >>> again = bomix.Study(["code", "web"], ["loss"], strategy=Random(), seed=3)
        >>> study.ask() == again.ask()  # the same record and seed give the same mixture
        True
    """

    def ask(self, problem: Problem, history: History, q: int, *, seed: int) -> list[Candidate]:
        """Propose ``q`` mixtures, the pending trials of the history taken into account."""
        ...
