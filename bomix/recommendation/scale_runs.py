"""What was measured at each scale of a study, mixture by mixture: what comparisons of scales stand on.

Mixtures of all scales have one numbering, so that a row is the same mixture at every scale. Runs of one mixture at one
scale count by their mean. All columns are turned so that less is better; the first is the objective. One that compares
with a reference compares with the runs of that reference at the same scale.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bomix.contracts.objective import ObjectiveTraits
from bomix.contracts.traits import traits
from bomix.errors import StudyError
from bomix.history import History
from bomix.numerics import repeats
from bomix.objectives.reference import measured_at, with_reference
from bomix.space.weights import SAME_MIXTURE
from bomix.trial import EXPERT

if TYPE_CHECKING:
    from bomix.numerics.repeats import Numbers
    from bomix.problem import Problem, StudyScale
    from bomix.scale import Scale
    from bomix.space.polytope import Array
    from bomix.trial import Record

OBJECTIVE = "objective"
"""What the objective is called among the columns, unless a metric has that name."""
_LEAST_FREEDOM = 3
"""Degrees of freedom below which repeats say nothing of the noise: the 95 % interval of a variance of three of them
spans a factor of 43 already, of one of them 5000."""


@dataclass(frozen=True)
class ScaleRuns:
    """What was measured at one scale; ``p`` mixtures, ``c`` columns: the objective, then every metric.

    Attributes:
        scale: The scale, its name and what a run costs.
        runs: ``p`` numbers of runs, zero for a mixture that was not run at the scale.
        values: ``p x c`` means over these, less is better, NaN where nothing was measured.
        noise: ``c`` variances of a run about its mixture, pooled over repeats; NaN where there are too few.
        records: The runs, the one with the smallest id first.
    """

    scale: StudyScale
    runs: Numbers
    values: Array
    noise: Array
    records: tuple[Record, ...]

    @property
    def name(self) -> str:
        """The name of the scale."""
        return self.scale.name

    @property
    def mixtures(self) -> int:
        """Number of different mixtures that were run."""
        return int((self.runs > 0).sum())


def require_scales(problem: Problem, least: int = 1) -> None:
    """Raise StudyError where the study names fewer scales; a study of one may name it for the tokens of its runs."""
    if len(problem.scales) < least:
        raise StudyError(
            "the study has one scale, so that there is nothing to compare; name several in the study file, `scales: "
            "{small: {params: 1M, tokens: 50M}, large: {params: 60M, tokens: 1B}}`, and bring runs of each "
            "(`bomix import STUDY --scale NAME ...`)"
        )


def column_names(problem: Problem) -> tuple[str, ...]:
    """Names of the ``c`` columns."""
    first = OBJECTIVE
    while first in problem.metric_names:
        first = f"study_{first}"
    return (first, *problem.metric_names)


def counted(problem: Problem) -> tuple[str, ...]:
    """The metrics that the objective counts: without one of them it has no value."""
    names = problem.metric_names
    if traits(problem.objective, ObjectiveTraits).compares_with is not None:
        problem = replace(problem, objective=with_reference(problem.objective, dict.fromkeys(names, 1.0)))
    ones = dict.fromkeys(names, 1.0)
    return tuple(name for name in names if math.isnan(problem.value({**ones, name: math.nan})))


def runs_by_scale(problem: Problem, history: History) -> tuple[ScaleRuns, ...]:
    """What was measured at each scale, in the order of ``problem.scales``.

    Completed runs of one mixture count, confirmations and imported ones among them; trials on a domain alone are so far
    from all others that they alone would make an order, and are left out.

    Args:
        problem: The scales, the metrics and the objective.
        history: The record, runs of all scales.

    Raises:
        StudyError: The study has a single scale.
    """
    require_scales(problem)
    of_scale: dict[str, list[Record]] = {each.name: [] for each in problem.scales}
    names = {each.scale: each.name for each in problem.scales}
    for record in history.informative:
        own = history.counted_as(record)
        if own is not None and record.trial.origin != EXPERT:
            of_scale[names[own]].append(record)
    everything = [record for records in of_scale.values() for record in records]
    weights = problem.space.to_arrays([record.trial.weights for record in everything])
    mixture = repeats.number(weights, tolerance=SAME_MIXTURE)
    count, found, at = len(set(mixture.tolist())), [], 0
    for scale in problem.scales:
        records = of_scale[scale.name]
        found.append(_measured(problem, scale, records, mixture[at : at + len(records)], count))
        at += len(records)
    return tuple(found)


def with_own_reference(problem: Problem, scale: Scale | None, records: Sequence[Record]) -> Problem:
    """The problem whose objective compares with the reference as it was measured among some runs; else the same.

    Args:
        problem: The problem, its reference filled in or not.
        scale: The scale of the runs.
        records: The runs of one scale.
    """
    if (anchor := traits(problem.objective, ObjectiveTraits).compares_with) is None:
        return problem
    reported = measured_at(problem, History(tuple(records), scale), anchor)
    signs = dict(zip(problem.metric_names, problem.signs, strict=True))
    losses = {name: signs[name] * reported.get(name, math.nan) for name in problem.metric_names}
    return replace(problem, objective=with_reference(problem.objective, losses))


def _measured(
    problem: Problem, scale: StudyScale, records: Sequence[Record], mixture: Numbers, count: int
) -> ScaleRuns:
    """Means and noise of the runs of one scale.

    Args:
        problem: The metrics and the objective.
        scale: The scale.
        records: Its ``n`` runs.
        mixture: ``n`` numbers of mixtures.
        count: ``p``, how many mixtures there are in all.
    """
    own, names = with_own_reference(problem, scale.scale, records), problem.metric_names
    table = np.full((len(records), 1 + len(names)), np.nan)
    for row, record in enumerate(records):
        losses = record.result.losses
        table[row, 1:] = [losses.get(name, math.nan) for name in names] * np.array(problem.signs)
        table[row, 0] = own.value(losses)
    seen = np.isfinite(table)
    number, total = np.zeros((count, table.shape[1])), np.zeros((count, table.shape[1]))
    np.add.at(number, mixture, seen)
    np.add.at(total, mixture, np.where(seen, table, 0.0))
    means = np.where(number > 0, total / np.maximum(number, 1), np.nan)
    squares = np.where(seen, np.square(table - means[mixture]), 0.0).sum(axis=0)
    freedom = np.maximum(number - 1, 0).sum(axis=0)
    noise = np.where(freedom >= _LEAST_FREEDOM, squares / np.maximum(freedom, 1), np.nan)
    return ScaleRuns(
        scale, np.asarray(np.bincount(mixture, minlength=count), dtype=np.intp), means, noise, tuple(records)
    )
