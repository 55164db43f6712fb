"""Designs: mixtures that are asked for without looking at any result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bomix.trial import Candidate

if TYPE_CHECKING:
    from bomix.history import History
    from bomix.polytope import Array
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
        known = space.to_arrays([record.trial.weights for record in history.records])
        missing = iter(list(_missing_anchors(problem, known))[: q if self.anchors else 0])
        candidates = []
        for index in range(history.n_asked, history.n_asked + q):
            origin, point = next(missing, None) or ("sobol", space.snap(space.sobol(1, seed=seed, skip=index)[0]))
            candidates.append(Candidate(space.to_weights(point), origin))
        return candidates


def anchors(problem: Problem) -> dict[str, Array]:
    """The mixtures that every study should hold: ``uniform`` and, where the tokens are known, ``natural``.

    Both are projected where a bound forbids them; a natural mixture that equals the uniform one is left out.
    """
    space = problem.space
    found = {"uniform": space.snap(space.uniform())}
    if problem.natural is not None:
        natural = space.snap(space.natural(problem.natural))
        if np.abs(natural - found["uniform"]).max() > SAME_ANCHOR:
            found["natural"] = natural
    return found


def _missing_anchors(problem: Problem, known: Array) -> Iterator[tuple[str, Array]]:
    for origin, point in anchors(problem).items():
        if not len(known) or np.abs(known - point).max(axis=1).min() > SAME_ANCHOR:
            yield origin, point
