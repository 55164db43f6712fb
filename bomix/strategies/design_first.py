"""A design first, then a choice by the record: the order in which every strategy that learns proposes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bomix.contracts.strategy import StrategyTraits
from bomix.contracts.traits import traits
from bomix.errors import FitError, StudyError
from bomix.objectives.reference import missing_reference, resolved
from bomix.space.phased import PhasedSpace
from bomix.space.weights import is_among, nearest, same_mixture
from bomix.strategies.replicates import repeated
from bomix.trial import CONFIRM, EXPERT, Candidate, Status

if TYPE_CHECKING:
    from bomix.contracts.strategy import Strategy
    from bomix.history import History
    from bomix.problem import Problem
    from bomix.trial import Record

    Choose = Callable[[Problem, History], Candidate]

_ATTEMPTS = 3
"""Runs of the mixture that the objective compares with, after which another one is not expected to fare better."""
MIN_COMPLETED = 2
"""Completed trials before anything is fitted."""

logger = logging.getLogger(__name__)


def design_size(n_init: int | None, problem: Problem, design: Strategy | None = None) -> int:
    """Trials of the design unless given: two more than there are domains, at least 5 and at most 32.

    Where experts of all domains come first, two: the uniform and the natural mixture, which experts cannot replace.
    What a design lists by name besides these comes on top. A pool has no more than its mixtures.

    Args:
        n_init: Trials as they are stated; None where they are not.
        problem: The space, the metrics and the objective.
        design: Strategy that proposes them; None for one that lists nothing.
    """
    usual = 2 if problem.experts else min(max(5, problem.domain_count + 2), 32)
    usual += 0 if design is None else traits(design, StrategyTraits).listed(problem)
    size = usual if n_init is None else n_init
    return min(size, max(MIN_COMPLETED, len(problem.pool))) if problem.pool else size


def in_design(problem: Problem, history: History, size: int, *, across: bool = False) -> bool:
    """Whether the next trial is one of the design: imported runs count, confirming ones and experts do not.

    Runs of an anchor beyond its first, which the study asks for, are no part of the design.

    Trials of another scale than the study's do not count while they are pending, and once they have come back only
    where what is fitted learns across scales.

    Args:
        problem: The space, the metrics and the objective.
        history: The record.
        size: Trials of the design, imported runs counted.
        across: Whether what is fitted learns from the runs of all scales of the study.
    """
    asked = [record.trial.origin for record in history.tried if record.status is Status.PENDING]
    pending = sum(origin not in {EXPERT, CONFIRM} for origin in asked)
    if len(_searched(history, across=across)) < MIN_COMPLETED:
        return True
    return designed(history, across=across) + pending < size + repeated(problem, history)


def design_goes_on(problem: Problem, history: History, *, design: Strategy, size: int, across: bool = False) -> bool:
    """Whether the next trial is one of the design even if all that are pending come back, so that its ask is settled.

    Args:
        problem: The space, the metrics and the objective.
        history: The record.
        design: Strategy that proposes the first trials.
        size: Trials of the design, imported runs counted.
        across: Whether what is fitted learns from the runs of all scales of the study.
    """
    back = [record.trial.origin for record in history.tried if record.status is Status.PENDING]
    searched = len(_searched(history, across=across)) + sum(origin != CONFIRM for origin in back)
    trials = designed(history, across=across) + sum(origin not in {EXPERT, CONFIRM} for origin in back)
    more = searched < MIN_COMPLETED or trials < size + repeated(problem, history)
    return more and traits(design, StrategyTraits).settled(problem, history)


def designed(history: History, *, across: bool = False) -> int:
    """Completed trials that count towards a design: of all scales where what is fitted learns across them."""
    return sum(record.trial.origin != EXPERT for record in _searched(history, across=across))


def too_few(problem: Problem, history: History, size: int, *, across: bool = False) -> bool:
    """Whether a design is not over yet, those that are pending not counted; see :func:`in_design`."""
    if len(_searched(history, across=across)) < MIN_COMPLETED:
        return True
    return designed(history, across=across) < size + repeated(problem, history)


def _searched(history: History, *, across: bool) -> list[Record]:
    """Completed trials that a fit is given, confirming ones left out."""
    return [record for record in history.learnt_from(across=across) if record.trial.origin != CONFIRM]


def take(
    problem: Problem,
    history: History,
    q: int,
    *,
    design: Strategy,
    size: int,
    choose: Choose,
    seed: int,
    across: bool = False,
) -> list[Candidate]:
    """Propose ``q`` mixtures, one after the other, the earlier ones pending.

    Args:
        problem: The space, the metrics and the objective.
        history: The record.
        q: Number of mixtures to propose.
        design: Strategy that proposes the first trials, and goes on where no surrogate can be fitted.
        size: Trials of the design, imported runs counted.
        choose: Function that proposes the next candidate once the design is over.
        seed: The study's seed.
        across: Whether what is fitted learns from the runs of all scales of the study.

    Raises:
        StudyError: The runs of the mixture that the objective compares with keep failing.
    """
    from bomix.numerics.determinism import deterministic

    candidates: list[Candidate] = []
    problem = resolved(problem, history)
    for _ in range(q):
        candidate = _reference(problem, history)
        if candidate is None and not in_design(problem, history, size, across=across):
            try:
                with deterministic():
                    candidate = choose(_tied_in_turn(problem, history), history)
            except FitError as error:
                logger.warning("%s; going on with the design", error)
        candidate = candidate or _designed(problem, history, design, seed)
        history = history.with_pending([candidate])
        candidates.append(candidate)
    return candidates


def _tied_in_turn(problem: Problem, history: History) -> Problem:
    """Of two phases, every other time the problem of one mixture for both: what order gains is gained over that."""
    if not isinstance(problem.space, PhasedSpace) or history.n_asked % 2:
        return problem
    return replace(problem, space=problem.space.tied)


def _designed(problem: Problem, history: History, design: Strategy, seed: int) -> Candidate:
    """What a design proposes next; of a pool, the nearest of its mixtures that was not asked for before.

    Once all of them were, the nearest that is not pending, else the nearest.
    """
    candidate = design.ask(problem, history, 1, seed=seed)[0]
    pool, space = problem.pool_array, problem.space
    if pool is None:
        return candidate
    point = space.to_array(candidate.weights)
    for records in (history.tried, history.pending):
        asked = space.to_arrays(record.trial.weights for record in records)
        if (left := np.array([row for row in pool if not is_among(row, asked)])).size:
            return replace(candidate, weights=space.to_weights(nearest(point, left)))
    return replace(candidate, weights=space.to_weights(nearest(point, pool)))


def _reference(problem: Problem, history: History) -> Candidate | None:
    """The mixture that the objective compares with, where no run of it has come back whole or is pending."""
    anchor = missing_reference(problem)
    if anchor is None:
        return None
    anchors = problem.anchors()
    origin = anchor if anchor in anchors else "uniform"
    weights = anchors[origin]
    runs = [r for r in history.tried if same_mixture(r.trial.weights, weights)]
    if any(record.status is Status.PENDING for record in runs):
        return None
    if len(runs) >= _ATTEMPTS:
        raise StudyError(
            f"the objective compares with the {anchor} mixture, and {len(runs)} runs of it failed or lack a metric "
            "that counts; mend the training and withdraw one of them (`bomix withdraw`), import a run, or give the "
            "losses by hand (objective.reference)"
        )
    return Candidate(weights, origin)
