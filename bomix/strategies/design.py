"""Designs: mixtures that are asked for without looking at any result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bomix.trial import Candidate, Weights, same_mixture

if TYPE_CHECKING:
    from bomix.history import History
    from bomix.problem import Problem

SAME_ANCHOR = 1e-6


@dataclass(frozen=True)
class Sobol:
    """The uniform and the natural mixture, then one scrambled Sobol sequence over the space.

    The sequence is that of the study's seed, read at the number of trials asked so far: parallel asks and restarts
    continue it.

    Attributes:
        anchors: Whether the uniform and the natural mixture come first; one that is in the record already, or
            equals the other, is passed over.
    """

    anchors: bool = True

    def ask(self, problem: Problem, history: History, q: int, *, seed: int) -> list[Candidate]:
        """Propose ``q`` mixtures; see :class:`bomix.protocols.Strategy`."""
        space = problem.space
        missing = iter(_missing_anchors(problem, history) if self.anchors else [])
        candidates = []
        for index in range(history.n_asked, history.n_asked + q):
            if (anchor := next(missing, None)) is not None:
                candidates.append(Candidate(anchor[1], anchor[0]))
            else:
                point = space.snap(space.sobol(1, seed=seed, skip=index)[0])
                candidates.append(Candidate(space.to_weights(point), "sobol"))
        return candidates


def _missing_anchors(problem: Problem, history: History) -> list[tuple[str, Weights]]:
    """The anchors that the record does not hold yet, by name."""
    tried = [record.trial.weights for record in history.records]
    return [
        (origin, weights)
        for origin, weights in problem.anchors().items()
        if not any(same_mixture(weights, other, tolerance=SAME_ANCHOR) for other in tried)
    ]
