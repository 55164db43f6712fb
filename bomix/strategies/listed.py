"""Runs that a design lists by name before it draws any: the anchors, repeats of the natural one, deletions.

A deletion is the natural mixture without one domain, the others in proportion: what its loss is above that of the
natural mixture is what the domain gives. Repeats of the natural mixture say how much two runs of one mixture differ,
and laws find their floor from them. Where the natural mixture is unknown the uniform one takes its place.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from bomix.errors import Fault, FaultsError
from bomix.space.weights import Weights, nearest, same_mixture
from bomix.trial import CONFIRM, EXPERT

if TYPE_CHECKING:
    from bomix.history import History
    from bomix.problem import Problem
    from bomix.space.mixture_space import MixtureSpace
    from bomix.space.polytope import Array

DELETION = "deletion"
"""Origin of a mixture without one domain."""

Named = list[tuple[str, Weights]]
"""Origins and mixtures, in order."""


class Listing:
    """What designs that list runs by name share, as a base of the dataclasses that have these fields."""

    replicates: int
    deletions: bool

    def listed(self, problem: Problem) -> int:
        """Runs besides the two anchors that are listed by name."""
        return listed_beyond(problem, replicates=self.replicates, deletions=self.deletions)

    def settled(self, problem: Problem, history: History) -> bool:
        """Always: no result is looked at."""
        return True


def listed_faults(replicates: int) -> list[Fault]:
    """A number of runs that is none."""
    return [] if replicates >= 1 else [Fault("replicates", f"replicates is {replicates}; give at least 1")]


def listed_runs(problem: Problem, *, anchors: bool, replicates: int, deletions: bool) -> Named:
    """All that a design lists, in order, a mixture as often as it is to be run."""
    found = list(problem.anchors().items()) if anchors else []
    if replicates > 1:
        named = _repeated(problem)
        found += [named] * (replicates - sum(same_mixture(weights, named[1]) for _, weights in found))
    return found + (_distinct(deleted(problem), [weights for _, weights in found]) if deletions else [])


def missing_runs(
    problem: Problem, history: History, *, anchors: bool, replicates: int = 1, deletions: bool = False
) -> Named:
    """What a design lists and the record does not hold yet.

    A repeat counts whoever asked for it, the study's own ``replicates`` too, and whatever became of it.
    """
    left = [record.trial.weights for record in history.tried if _counts(record.trial.origin, replicates)]
    found: Named = []
    for origin, weights in listed_runs(problem, anchors=anchors, replicates=replicates, deletions=deletions):
        held = next((place for place, other in enumerate(left) if same_mixture(weights, other)), None)
        if held is None:
            found.append((origin, weights))
        elif replicates > 1:
            del left[held]  # one run of the record stands for one of the list
    return found


def listed_beyond(problem: Problem, *, replicates: int, deletions: bool) -> int:
    """Runs that a design lists besides the two anchors and what the study repeats anyway."""
    repeats = max(0, replicates - max(1, problem.replicates.get(_repeated(problem)[0], 1)))
    return repeats + (len(_distinct(deleted(problem), list(problem.anchors().values()))) if deletions else 0)


def deleted(problem: Problem) -> Named:
    """The natural mixture without each domain, the others in proportion as far as bounds and constraints allow.

    A domain that has a lower bound keeps that much; one that the constraints do not let go has no deletion. Of two
    phases neither has the domain, and both have one mixture.
    """
    phases, problem = problem.phases, problem.whole
    space, pool = problem.space, problem.pool_array
    natural = np.full(space.dimension, 1.0 / space.dimension)
    if problem.natural is not None:
        natural = space.to_array(problem.natural)
    points = _without_each(space, tuple((natural / natural.sum()).tolist()))
    if pool is not None:
        points = tuple(nearest(point, pool) for point in points)
    mixtures = [space.to_weights(point) for point in points]
    return [(DELETION, each if phases is None else phases.tied(each)) for each in mixtures]


@lru_cache(maxsize=64)
def _without_each(space: MixtureSpace, natural: tuple[float, ...]) -> tuple[Array, ...]:
    """Mixtures of a space that are natural but for one domain, ``d`` weights each."""
    shares, found = np.array(natural), []
    for column in range(space.dimension):
        least = space.lower_array[column]
        upper, at_least = space.upper_array, np.array(space.at_least)
        upper[column], at_least[column] = least, 0.0
        try:
            part = space.within(upper=upper, at_least=at_least)
        except FaultsError:
            continue  # the others cannot make up for it
        others = np.delete(shares, column)
        rest = others / others.sum() if others.sum() > 0.0 else np.full(len(others), 1.0 / len(others))
        point = np.insert((1.0 - least) * rest, column, least)
        found.append(part.snap(part.project(point), threshold=0.0))
    return tuple(found)


def _repeated(problem: Problem) -> tuple[str, Weights]:
    """Name and mixture of the anchor that is repeated."""
    anchors = problem.anchors()
    name = "natural" if "natural" in anchors else "uniform"
    return name, anchors[name]


def _distinct(mixtures: Iterable[tuple[str, Weights]], known: list[Weights]) -> Named:
    """Origins and mixtures, each mixture once, without those that are known."""
    seen, found = [*known], list[tuple[str, Weights]]()
    for origin, weights in mixtures:
        if not any(same_mixture(weights, other) for other in seen):
            found.append((origin, weights))
            seen.append(weights)
    return found


def _counts(origin: str, replicates: int) -> bool:
    """Whether a run stands for a listed one: confirming runs and experts are no repeats."""
    return replicates == 1 or origin not in {CONFIRM, EXPERT}
