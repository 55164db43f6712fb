"""Where noise, not knowledge, is the limit: one more run of a leader may be worth more than a new mixture.

Worth is the knowledge gradient [Frazier2009]_ over the leaders and the new mixture: by how much one more run is
expected to lower the smallest posterior mean among them. It is in closed form, since that run moves all their means
along one line.

References:
    [Frazier2009] The knowledge-gradient policy for correlated normal beliefs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bomix.numerics.expected_fall import expected_fall
from bomix.numerics.repeats import distinct
from bomix.space.weights import SAME_MIXTURE, is_among

if TYPE_CHECKING:
    from bomix.history import History
    from bomix.posterior.belief import Belief
    from bomix.space.polytope import Array

LEADERS = 8
"""Mixtures tried, those with the lowest posterior mean, that may be run again."""

_TINY = 1e-12
"""By how much, in the objective's unit, another run must be worth more than a new mixture: more than rounding, so that
of two that are worth nothing the new one is taken."""


def leader_to_repeat(belief: Belief, candidate: Array, *, history: History, leaders: int = LEADERS) -> Array | None:
    """The leader of which one more run is worth more than a run of a new mixture.

    Args:
        belief: The model of the record.
        candidate: ``d`` weights, the new mixture.
        history: The record, for the mixtures as they were asked for: their repeats take another seed.
        leaders: Number of mixtures that are compared.

    Returns:
        The ``d`` weights as they were asked for; None where the new mixture is worth more. Leaders that are pending,
        failed once, break the bounds or are not of the pool are passed over.
    """
    import torch

    space, pool = belief.problem.space, belief.problem.pool_array
    tried = [record.trial.weights for record in history.observations if not space.faults_of(record.trial.weights)]
    passed = np.concatenate([belief.busy, candidate[None]])
    mixtures = distinct(space.to_arrays(tried), tolerance=SAME_MIXTURE)
    free = [point for point in mixtures if not is_among(point, passed) and (pool is None or is_among(point, pool))]
    if not free:
        return None
    order = belief.mean(torch.as_tensor(np.array(free))).argsort(stable=True)[:leaders].tolist()
    field = np.array([*(free[index] for index in order), candidate])
    worth = knowledge_gradients(belief, field)
    best = int(worth[:-1].argmax())
    return np.asarray(field[best]) if worth[best] > worth[-1] + _TINY else None


def knowledge_gradients(belief: Belief, points: Array) -> Array:
    """By how much one run at each of ``n x d`` mixtures is expected to lower the smallest posterior mean, ``n``."""
    import torch

    X = torch.as_tensor(points, dtype=torch.float64)
    with torch.no_grad():
        latent: Any = belief.aggregate.posterior(belief.model, X)
        run: Any = belief.aggregate.posterior(belief.model, X.unsqueeze(-2), noise=True)
    mean, covariance = latent.mean.flatten().numpy(), latent.distribution.covariance_matrix.numpy()
    variance = np.maximum(run.variance.flatten().numpy(), np.diagonal(covariance))
    shifts = covariance / np.sqrt(np.maximum(variance, _TINY**2))  # column i: how a run at i shifts all means
    return np.array([expected_fall(mean, shift) for shift in shifts.T])
