"""Whether runs of smaller scales help to predict those of the target, or mislead: told by left-out runs of the target.

A model across scales predicts each run of the target from the others and from the smaller scales; a model of the target
alone from the others. Where the second is the better one, the smaller scales say nothing that can be relied on.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from bomix.contracts.surrogate import ModelTraits
from bomix.contracts.traits import traits
from bomix.errors import FitError
from bomix.posterior.belief import believe
from bomix.surrogates.data.quarantine import learnt

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from bomix.contracts.surrogate import Surrogate
    from bomix.history import History
    from bomix.posterior.belief import Belief
    from bomix.problem import Problem


def better_alone(belief: Belief, history: History, alone: Surrogate, *, least: int, seed: int) -> bool:
    """Whether left-out runs of the target are predicted better from its own runs alone.

    Args:
        belief: The belief across scales.
        history: The record of all scales.
        alone: Surrogate of the target by itself.
        least: Runs of the target below which the answer is no.
        seed: The study's seed.
    """
    across = _log_density(belief, at_target(belief.problem, history))
    if across is None or len(across) < least:
        return False
    try:
        own = believe(_of_one_scale(belief.problem), history.of_scale(history.scale), alone, seed=seed)
    except FitError:
        return False
    by_itself = _log_density(own)
    if by_itself is None or len(by_itself) != len(across):
        return False
    return bool(by_itself.sum() > across.sum())


def at_target(problem: Problem, history: History) -> list[int]:
    """Rows of the target's runs among those that a surrogate across scales learns from."""
    rows = learnt(problem, history).informative
    return [row for row, record in enumerate(rows) if history.counted_as(record) == history.scale]


def _of_one_scale(problem: Problem) -> Problem:
    """The problem as that of a study of the target's scale alone."""
    return replace(problem, scales=())


def _log_density(belief: Belief, rows: list[int] | None = None) -> Tensor | None:
    """Log density of the objective of left-out runs, those of which it is known; None where the model cannot tell.

    An objective that is no weighted sum is judged by its metrics, each by itself.

    Args:
        belief: A belief.
        rows: The runs that are looked at; None for all.
    """
    held_out = traits(belief.model, ModelTraits).leave_one_out()
    if held_out is None:
        return None
    mean, covariance, Y = (part if rows is None else part[rows] for part in (*held_out, belief.data.Y))
    aggregate = belief.aggregate
    if aggregate.coefficients is None:
        found = _gaussian(Y - mean, covariance.diagonal(dim1=-2, dim2=-1)) - aggregate.units_of_metrics.log()
        return found.nanmean(dim=-1)
    c = Y.new_tensor(aggregate.coefficients)
    found = _gaussian((Y - mean) @ c, ((covariance @ c) @ c)) - math.log(aggregate.unit)
    known: torch.Tensor = found[found.isfinite()]
    return known


def _gaussian(error: Tensor, variance: Tensor) -> Tensor:
    """Log densities of errors of a Gaussian of mean zero."""
    variance = variance.clamp_min(1e-300)
    return -0.5 * (error.square() / variance + variance.log() + math.log(2.0 * math.pi))
