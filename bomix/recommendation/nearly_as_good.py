"""How far each weight may move without a loss that the model could notice."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from bomix.contracts.surrogate import SurrogateTraits
from bomix.contracts.traits import traits
from bomix.posterior.predict import AT_ONCE, Estimate
from bomix.recommendation.decision import Decision, as_tensor
from bomix.recommendation.extrapolation import MANY_LOSSES

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.contracts.surrogate import Surrogate
    from bomix.posterior.belief import Belief

_FEW_ROUNDS = 2
"""Rounds of the search for near-optimal ranges where losses are many: on RegMix's runs they are 2 % narrower than by
five rounds, which take twice as long."""


def near_optimal_ranges(
    decision: Decision, minimum: Estimate, surrogate: Surrogate, *, seed: int
) -> Mapping[str, tuple[float, float]]:
    """Smallest and largest weight of each domain among mixtures that are nearly as good as what is recommended.

    Args:
        decision: What is recommended, and the model of the record.
        minimum: The belief about the objective at the minimiser over the space.
        surrogate: The surrogate of the belief: it says whether there are gradients.
        seed: The study's seed.
    """
    from bomix.optimization.level_set import LevelSet, near_optimal

    belief, space, about = decision.belief, decision.belief.problem.space, decision.of_space
    mean, sd = minimum.mean / belief.aggregate.unit, minimum.sd / belief.aggregate.unit
    at, variance = (float(each.detach()) for each in belief.aggregate.spread(belief.model, as_tensor([decision.point])))
    if at > mean + sd:
        # The minimum is too vague to be recommended: what is nearly as good as what is recommended counts.
        about, mean, sd = decision.point, at, math.sqrt(variance)
    level = LevelSet(lambda X: _mean(belief, X), space, about, mean + sd, sd)
    if (pool := belief.problem.pool_array) is not None:
        members = np.concatenate([about[None], level.among(pool)])
        lower, upper = members.min(axis=0), members.max(axis=0)
    else:
        gradients = traits(surrogate, SurrogateTraits).differentiable
        rounds = _FEW_ROUNDS if belief.data.Y.numel() > MANY_LOSSES else None
        lower, upper = near_optimal(level, seed=seed, gradients=gradients, rounds=rounds)
    return {name: (low, high) for name, low, high in zip(space.domains, lower.tolist(), upper.tolist(), strict=True)}


def _mean(belief: Belief, X: Tensor) -> Tensor:
    """Posterior mean of the objective at ``n x d`` mixtures, ``n``; differentiable where the model is."""
    from bomix.numerics.chunks import in_chunks
    from bomix.surrogates.models.joint import mean_at

    aggregate, model = belief.aggregate, belief.model
    if aggregate.coefficients is None:
        return in_chunks(lambda part: aggregate.posterior(model, part.unsqueeze(-2)).mean.flatten(), X, rows=AT_ONCE)
    factors = X.new_tensor(aggregate.coefficients)
    return in_chunks(lambda part: mean_at(model, part) @ factors, X, rows=AT_ONCE)
