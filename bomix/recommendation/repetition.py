"""What a recommendation repeats, what that is worth, and what it would be without caps by tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bomix.contracts.objective import ObjectiveTraits
from bomix.contracts.repetition import REPETITION_DECAY
from bomix.contracts.traits import traits
from bomix.posterior.predict import Estimate, difference
from bomix.space.weights import SAME_MIXTURE

if TYPE_CHECKING:
    from bomix.contracts.surrogate import Surrogate
    from bomix.posterior.belief import Belief
    from bomix.problem import Problem
    from bomix.space.mixture_space import MixtureSpace
    from bomix.space.polytope import Array
    from bomix.space.weights import Weights


@dataclass(frozen=True)
class Uncapped:
    """The best mixture where domains could be repeated at will, beside a recommendation that caps hold back.

    Attributes:
        weights: The minimiser of the posterior mean within bounds and constraints, caps by tokens left out.
        objective: Belief about the objective there.
        gain: Belief about the objective of the recommendation minus that; what the caps cost. The model expects it, and
            no run beyond the caps tells how far repetition spoils it.
        binding: The domains whose weight is at its cap in the recommendation.
        epochs: Passes over each domain's tokens that the target would make.
    """

    weights: Weights
    objective: Estimate
    gain: Estimate
    binding: tuple[str, ...]
    epochs: Mapping[str, float]


def binding(problem: Problem, weights: Mapping[str, float]) -> tuple[str, ...]:
    """The domains that a cap by tokens holds back: their weight is at the cap, and other bounds allow more."""
    space, free = problem.space, problem.uncapped
    if free is None or problem.pool:
        return ()
    ends = zip(space.domains, space.upper, free.upper, strict=True)
    return tuple(name for name, cap, top in ends if cap < top - SAME_MIXTURE and weights[name] > cap - SAME_MIXTURE)


def uncapped(
    belief: Belief, surrogate: Surrogate, part: MixtureSpace, point: Array, runs: Array, *, seed: int
) -> Uncapped | None:
    """The best mixture without caps; None where none of them binds, or the objective has no single best mixture.

    Args:
        belief: The model of the record.
        surrogate: The surrogate of the belief.
        part: The space without caps, or what was explored of it.
        point: ``d`` weights of the recommendation.
        runs: ``n x d`` mixtures that were run; beliefs far from all of them are stretched.
        seed: Seed of the search.
    """
    from bomix.optimization.multistart import Search
    from bomix.posterior.predict import estimates
    from bomix.posterior.ranges import objective_inside
    from bomix.recommendation.decision import as_tensor, minimiser
    from bomix.recommendation.extrapolation import stretch

    problem = belief.problem
    names = binding(problem, problem.space.to_weights(point))
    if not names or traits(problem.objective, ObjectiveTraits).is_trade_off:
        return None
    search = Search(raw=256, starts=8, iterations=60, polished=2)
    best = minimiser(belief, surrogate, part, seed=seed, search=search)
    limits, unit = problem.objective_range, belief.aggregate.unit
    pair = objective_inside(belief, as_tensor([point, best]))
    far = stretch(runs, best)
    weights = problem.space.to_weights(best)
    return Uncapped(
        weights,
        estimates(pair, limits, unit=unit)[1].stretched(far),
        difference(pair, 0, 1, limits, unit=unit).stretched(max(far, stretch(runs, point))),
        names,
        problem.epochs(weights) or {},
    )


def effective_tokens(problem: Problem, weights: Mapping[str, float]) -> dict[str, float] | None:
    """Tokens of fresh text that those of each domain are worth in the target; None where epochs are unknown."""
    import torch

    from bomix.laws.repetition import effective_passes

    if (epochs := problem.epochs(weights)) is None:
        return None
    decay = [problem.repetition_decay.get(name, REPETITION_DECAY) for name in epochs]
    worth = effective_passes(
        torch.tensor(list(epochs.values()), dtype=torch.float64), torch.tensor(decay, dtype=torch.float64)
    )
    return {name: count * problem.tokens[name] for name, count in zip(epochs, worth.tolist(), strict=True)}
