"""A belief about the objective by itself, where that is surer than one about every metric.

Where single metrics are mostly noise, nothing can be learnt of each, but noise averages out in their mean, and one
model of it needs no hyperparameters of each. Where they are quiet, each is a simpler function than their mean. Which
holds is told by the runs: by how well both models predict the objective of each run from the others.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from bomix.objectives.weighted import Mean
from bomix.posterior.belief import Belief, believe
from bomix.problem import Metric
from bomix.trial import Result

if TYPE_CHECKING:
    from bomix.contracts.surrogate import Surrogate
    from bomix.history import History
    from bomix.problem import Problem
    from bomix.trial import Record

OBJECTIVE = "objective"
"""Name of the only metric of a record of the objective."""


def of_objective(problem: Problem, history: History) -> tuple[Problem, History]:
    """The problem and the record with the objective as the only metric; lower is better.

    Runs of which it is not known, as a metric is missing, keep their place without it.
    """
    records = tuple(map(_seen_by(problem), history.records))
    alone = replace(problem, metrics=(Metric(OBJECTIVE, unit=""),), objective=Mean())
    return alone, replace(history, records=records)


def surer_belief(problem: Problem, history: History, surrogate: Surrogate, alone: Surrogate, *, seed: int) -> Belief:
    """The belief about every metric, or that about the objective by itself, whichever predicts held-out runs better.

    Args:
        problem: The space, the metrics and the objective.
        history: The record to fit to.
        surrogate: Model of every metric.
        alone: Model of the objective by itself.
        seed: The study's seed.

    Returns:
        The first where the objective is no weighted sum, there is one metric, or either cannot tell what it expects of
        held-out runs.

    Raises:
        StudyError: No trial has come back yet.
        FitError: No surrogate could be fitted, or what the objective compares with is not measured yet.
    """
    each = believe(problem, history, surrogate, seed=seed)
    if each.aggregate.coefficients is None or len(problem.metrics) == 1:
        return each
    whole = believe(*of_objective(each.problem, history), alone, seed=seed)
    of_each, of_whole = _error(each), _error(whole)
    return whole if of_each is not None and of_whole is not None and of_whole < of_each else each


def _seen_by(problem: Problem) -> Callable[[Record], Record]:
    """What takes the metrics of a record for the objective."""

    def seen(record: Record) -> Record:
        if not isinstance(record.outcome, Result):
            return record
        value = problem.value(record.outcome.losses)
        losses = {OBJECTIVE: value} if math.isfinite(value) else {}
        return replace(record, outcome=replace(record.outcome, losses=losses, sems={}, unmeasured=()))

    return seen


def _error(belief: Belief) -> float | None:
    """Mean square of what the objective of held-out runs differs by from what is expected; None if unknown."""
    from bomix.surrogates.models.joint import JointModel

    held_out = belief.model.leave_one_out() if isinstance(belief.model, JointModel) else None
    if held_out is None:
        return None
    left = belief.aggregate(held_out.mean) - belief.aggregate(belief.data.Y)
    known = left[left.isfinite()]
    return float(known.square().mean()) if len(known) else None
