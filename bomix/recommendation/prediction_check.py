"""Did the last trials turn out as they were predicted to?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bomix.posterior.belief import Belief, believe, learns_across
from bomix.trial import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bomix.contracts.surrogate import Surrogate
    from bomix.history import History
    from bomix.problem import Problem
    from bomix.scale import Scale
    from bomix.space.polytope import Array
    from bomix.trial import Record

MIN_BEFORE = 2
"""Least number of trials for the model without the last ones."""


@dataclass(frozen=True)
class Gap:
    """Predictions of a model that was not fitted to some trials, and the results of these.

    Attributes:
        trials: Their ids.
        predicted: Posterior mean of the objective at each, by the model without them.
        observed: The objective of each.
        mean: Mean of observed minus predicted; above zero the model promised too much.
        z: The same in standard deviations of what the model expected of it, noise and correlation counted. Beyond 2
            in size the model was wrong about them by more than it thought possible.
    """

    trials: tuple[int, ...]
    predicted: tuple[float, ...]
    observed: tuple[float, ...]
    mean: float
    z: float


def predicted_against_observed(
    problem: Problem, history: History, surrogate: Surrogate, *, seed: int, last: int
) -> Gap | None:
    """Compare the last trials of the search with what the record before them predicted; one refit.

    The record before them is all that was recorded before the first of them, whatever it was: nothing that was
    decided or measured afterwards tells the model about them. In a study of several scales each is predicted at its
    own, by a surrogate across them; another one is compared with those of the study's own scale alone.

    Args:
        problem: The problem whose objective is compared.
        history: The record.
        surrogate: The surrogate that is refitted to the record before them.
        seed: The study's seed.
        last: Number of trials to compare.

    Returns:
        The comparison; None where no trial has come back since, or fewer than :data:`MIN_BEFORE` before.
    """
    ended = [r for r in history.asked if r.status is Status.COMPLETED and r.trial.reweighting is None]
    if history.scales:
        there = {record.trial.id for record in history.learnt_from(across=learns_across(surrogate, history))}
        ended = [record for record in ended if record.trial.id in there]
    known = [r for r in ended if not math.isnan(problem.value(r.result.losses))][-last:] if last else []
    if not known:
        return None
    before = history.until(known[0].trial.id)
    across = learns_across(surrogate, history)
    if len(before.learnt_from(across=across)) < MIN_BEFORE:
        return None
    belief = believe(problem, before, surrogate, seed=seed)
    compared = [
        _compared(belief if scale is None else belief.at(scale), some)
        for scale, some in _by_scale(history, known, across=across)
    ]
    observed, predicted = (np.concatenate([each[place] for each in compared]) for place in (0, 1))
    # Of several scales the errors are taken to go together entirely: their sum is then never less sure than it is.
    sd = compared[0][2]
    if len(compared) > 1:
        sd = sum(len(each[0]) * each[2] for each in compared) / len(observed)
    mean = float((observed - predicted).mean())
    records = [record for _, some in _by_scale(history, known, across=across) for record in some]
    return Gap(
        tuple(record.trial.id for record in records),
        tuple(predicted.tolist()),
        tuple(observed.tolist()),
        mean,
        mean / sd,
    )


def _by_scale(history: History, records: Sequence[Record], *, across: bool) -> list[tuple[Scale | None, list[Record]]]:
    """Trials by the scale that they are predicted at; all at the study's own without a model across scales."""
    found: dict[Scale | None, list[Record]] = {}
    for record in records:
        found.setdefault(history.counted_as(record) if across else history.scale, []).append(record)
    return list(found.items())


def _compared(belief: Belief, records: Sequence[Record]) -> tuple[Array, Array, float]:
    """Objective of each trial as observed and as predicted, and the standard deviation of the mean difference."""
    import torch

    from bomix.posterior.ranges import objective_inside
    from bomix.surrogates.data.dataset import seen_weights

    space, unit = belief.problem.space, belief.aggregate.unit
    X = torch.as_tensor(space.to_arrays(seen_weights(record) for record in records), dtype=torch.float64)
    with torch.no_grad():
        posterior = objective_inside(belief, X, noise=True)
        predicted = unit * posterior.mean.flatten().numpy()
        sd = unit * math.sqrt(max(float(posterior.distribution.covariance_matrix.mean()), 1e-24))
    # Both compared with the same reference, where the objective has one.
    return np.array([belief.problem.value(record.result.losses) for record in records]), predicted, sd
