"""The reference run that an objective compares with, taken from the record."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from bomix.contracts.objective import ObjectiveTraits
from bomix.contracts.traits import traits
from bomix.errors import ConfigError, FitError
from bomix.space.weights import same_mixture
from bomix.trial import CONFIRM

if TYPE_CHECKING:
    from bomix.contracts.objective import Objective
    from bomix.history import History
    from bomix.problem import Problem
    from bomix.space.weights import Weights


def missing_reference(problem: Problem) -> str | None:
    """The mixture whose runs the objective still needs, ``uniform`` or ``natural``; None where it needs none."""
    needed = _needed(problem)
    return needed if isinstance(needed, str) else None


def require_reference(problem: Problem) -> None:
    """Raise FitError where the objective cannot be computed yet."""
    if (anchor := missing_reference(problem)) is not None:
        raise FitError(
            f"the objective compares with the {anchor} mixture, and no run of it has come back with all metrics yet; "
            "a design begins with it, or add such a run"
        )


def wants_reference(problem: Problem) -> bool:
    """Whether :func:`resolved` has anything to fill in."""
    return _needed(problem) is not None


def resolved(problem: Problem, history: History) -> Problem:
    """The problem with the reference of its objective filled in, as far as it has been measured.

    Args:
        problem: The problem whose objective may compare with a reference.
        history: The record with the runs at the anchor; repeats are averaged, confirmations do not count.

    Returns:
        The same problem where there is nothing to fill in, or its runs lack a metric that counts.

    Raises:
        ConfigError: The reference is the natural mixture, which is not known.
    """
    needed, objective = _needed(problem), problem.objective
    if needed is None:
        return problem
    reported = measured_at(problem, history, needed) if isinstance(needed, str) else needed
    signs = dict(zip(problem.metric_names, problem.signs, strict=True))
    losses = {name: signs[name] * float(value) for name, value in reported.items() if name in signs}
    filled = dataclasses.replace(problem, objective=with_reference(objective, losses))
    return problem if isinstance(needed, str) and math.isnan(filled.value(reported)) else filled


def with_reference(objective: Objective, losses: Mapping[str, float]) -> Objective:
    """An objective that needs a reference, compared with metric to value of that run, turned so that less is better."""
    filled = traits(objective, ObjectiveTraits).with_reference
    if filled is None:
        raise ConfigError(f"{type(objective).__name__} has 'needs_reference' and no 'with_reference'; give it both")
    return filled(losses)


def measured_at(problem: Problem, history: History, anchor: str) -> dict[str, float]:
    """Mean of each metric over the runs at an anchor, as reported; metrics that none of them has are left out.

    The runs are those of the study's own scale.
    """
    weights = anchor_weights(problem, anchor)
    found = [
        record.result.losses
        for record in history.observations
        if record.trial.origin != CONFIRM and same_mixture(record.trial.weights, weights)
    ]
    means = {}
    for name in problem.metric_names:
        values = [losses[name] for losses in found if not math.isnan(losses.get(name, math.nan))]
        if values:
            means[name] = float(np.mean(values))
    return means


def anchor_weights(problem: Problem, anchor: str) -> Weights:
    """The mixture that an anchor is in this problem.

    Raises:
        ConfigError: It is the natural mixture, which is not known.
    """
    if anchor == "natural" and problem.natural is None:
        raise ConfigError(
            "objective.reference: the natural mixture is unknown, since not every domain has 'tokens' or a source; "
            "give them, or use 'uniform' or a mapping from metrics to losses"
        )
    anchors = problem.anchors()
    return anchors.get(anchor, anchors["uniform"])  # a natural mixture that is uniform is listed once


def compared_with(problem: Problem) -> Weights | None:
    """The mixture whose runs the objective compares with, whether or not they were measured; None where there is none.

    Raises:
        ConfigError: It is the natural mixture, which is not known.
    """
    anchor = traits(problem.objective, ObjectiveTraits).compares_with
    return None if anchor is None else anchor_weights(problem, anchor)


def _needed(problem: Problem) -> str | Mapping[str, float] | None:
    needs = traits(problem.objective, ObjectiveTraits).needs_reference
    return None if needs is None else needs()
