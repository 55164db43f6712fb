"""How early in a run its end is decided: whether losses along the way order mixtures as those at the end do.

What is compared are the curves of runs of one scale. A learning rate that decays makes a loss in mid-run that of
another recipe than a run which ends there, so that this is no more than a hint of what shorter runs would say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bomix.recommendation.scale_runs import with_own_reference
from bomix.surrogates.cross_validation.rank_correlation import LEAST, Correlation, Ordered, correlation, ordered

if TYPE_CHECKING:
    from bomix.problem import Problem
    from bomix.recommendation.scale_runs import ScaleRuns
    from bomix.space.polytope import Array
    from bomix.trial import Curve, Record

_MOST = 8
"""Points of a curve that are compared with its end: rank correlations of neighbouring ones are alike."""


@dataclass(frozen=True)
class Checkpoint:
    """A point of the runs of a scale against their ends.

    Attributes:
        scale: Name of the scale.
        step: Optimizer steps at that point.
        share: The same as a share of the steps of the whole run.
        rank: Rank correlation of the objective there with that at the end.
        pairs: Share of pairs of mixtures in the same order.
    """

    scale: str
    step: int
    share: float
    rank: Correlation
    pairs: Ordered


def over_training(problem: Problem, runs: ScaleRuns) -> tuple[Checkpoint, ...]:
    """Compare points of the curves of a scale with their ends, the earliest first.

    Of every mixture its first run with a curve counts. Points that all these share are compared; none where they are
    curves of fewer than four mixtures.

    Args:
        problem: The metrics and the objective.
        runs: The runs of the scale.
    """
    curves = _curves(runs)
    if len(curves) < LEAST:
        return ()
    shared = sorted(set.intersection(*(set(curve.steps.tolist()) for curve in curves)))
    if len(shared) < 2:
        return ()
    *before, last = shared
    picked = sorted({before[int(at)] for at in np.linspace(0, len(before) - 1, min(len(before), _MOST)).round()})
    own = with_own_reference(problem, runs.scale.scale, runs.records)
    end = _objective(own, curves, last)
    found = []
    for step in picked:
        there = _objective(own, curves, step)
        found.append(Checkpoint(runs.name, step, step / last, correlation(there, end), ordered(there, end)))
    return tuple(found)


def _curves(runs: ScaleRuns) -> list[Curve]:
    """The first curve of each mixture."""
    first: dict[tuple[tuple[str, float], ...], Record] = {}
    for record in runs.records:
        if record.result.curve is not None:
            first.setdefault(tuple(sorted(record.trial.weights.items())), record)
    return [record.result.curve for record in first.values() if record.result.curve is not None]


def _objective(problem: Problem, curves: list[Curve], step: int) -> Array:
    """The objective of ``n`` runs at a step, less is better; NaN where a metric that counts is not in the curve."""
    values = []
    for curve in curves:
        at = int(np.searchsorted(curve.steps, step))
        values.append(problem.value({name: float(losses[at]) for name, losses in curve.losses.items()}))
    return np.array(values)
