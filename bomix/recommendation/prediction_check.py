"""Did the last trials turn out as they were predicted to?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bomix.posterior.belief import believe
from bomix.trial import Status

if TYPE_CHECKING:
    from bomix.contracts.surrogate import Surrogate
    from bomix.history import History
    from bomix.problem import Problem

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
    decided or measured afterwards tells the model about them.

    Args:
        problem: The problem whose objective is compared.
        history: The record.
        surrogate: The surrogate that is refitted to the record before them.
        seed: The study's seed.
        last: Number of trials to compare.

    Returns:
        The comparison; None where no trial has come back since, or fewer than :data:`MIN_BEFORE` before.
    """
    import torch

    from bomix.posterior.ranges import objective_inside
    from bomix.surrogates.data.dataset import seen_weights

    ended = [r for r in history.asked if r.status is Status.COMPLETED and r.trial.reweighting is None]
    values = [(record, problem.value(record.result.losses)) for record in ended]
    known = [(record, value) for record, value in values if not math.isnan(value)][-last:] if last else []
    if not known:
        return None
    before = history.until(known[0][0].trial.id)
    if len(before.observations) < MIN_BEFORE:
        return None
    belief = believe(problem, before, surrogate, seed=seed)
    X = torch.as_tensor(problem.space.to_arrays(seen_weights(record) for record, _ in known), dtype=torch.float64)
    with torch.no_grad():
        posterior = objective_inside(belief, X, noise=True)
        unit = belief.aggregate.unit
        predicted = unit * posterior.mean.flatten().numpy()
        sd = unit * math.sqrt(max(float(posterior.distribution.covariance_matrix.mean()), 1e-24))
    # Both compared with the same reference, where the objective has one.
    observed = np.array([belief.problem.value(record.result.losses) for record, _ in known])
    mean = float((observed - predicted).mean())
    return Gap(
        tuple(record.trial.id for record, _ in known),
        tuple(predicted.tolist()),
        tuple(observed.tolist()),
        mean,
        mean / sd,
    )
