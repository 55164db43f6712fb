"""What the order of two phases is worth: the best pair of mixtures against the best mixture for the whole run.

The null hypothesis is that order does not matter once the mixture of the whole run is right: what is recommended is one
mixture for both phases, unless the gain of the best pair over it is credible.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bomix.posterior.predict import Estimate, difference
from bomix.recommendation.extrapolation import stretch
from bomix.space.phased import PhasedSpace
from bomix.space.weights import is_among

if TYPE_CHECKING:
    from bomix.posterior.belief import Belief
    from bomix.space.phases import Phases
    from bomix.space.polytope import Array
    from bomix.space.weights import Weights


@dataclass(frozen=True)
class Order:
    """The best tied mixture, the best pair, and what the second gains.

    Attributes:
        phases: Names and shares.
        tied: What would be recommended if both phases had one mixture: domain to share.
        pair: What would be recommended if nothing spoke against a pair: phase to its mixture.
        gain: Belief about the objective at the tied mixture minus that at the pair; above zero the pair is better.
    """

    phases: Phases
    tied: Weights
    pair: dict[str, dict[str, float]]
    gain: Estimate

    def by_phase(self, weights: Weights, values: Mapping[str, float]) -> dict[str, float]:
        """Values of domains, passes say, shared out to the phases in proportion to a domain's weight in each.

        Args:
            weights: A mixture by phase and domain.
            values: Domain to its value in the whole run.
        """
        whole, found = self.phases.aggregate(weights), {}
        for phase in self.phases.names:
            for name in self.phases.domains:
                column = self.phases.column(phase, name)
                found[column] = weights[column] / whole[name] * values[name] if whole[name] > 0.0 else 0.0
        return found

    @property
    def credible(self) -> bool:
        """Whether the whole 95 % interval of the gain is above zero."""
        return self.gain.interval[0] > 0.0


def order_of(belief: Belief, tied: Array, pair: Array, tried: Array) -> Order:
    """What the order of two phases is worth.

    Args:
        belief: The model of the record.
        tied: ``2 d`` weights, what is recommended of tied points.
        pair: ``2 d`` weights, what is recommended of all.
        tried: ``n x 2 d`` points of the runs: of a pair far from all of them the gain is less sure.
    """
    import torch

    from bomix.posterior.ranges import objective_inside

    space = belief.problem.space
    assert isinstance(space, PhasedSpace), "the caller looked"
    gain = Estimate(0.0, 0.0)
    if not is_among(tied, pair[None]):
        points = torch.as_tensor(np.stack([tied, pair]), dtype=torch.float64)
        limits, unit = belief.problem.objective_range, belief.aggregate.unit
        with torch.no_grad():
            gain = difference(objective_inside(belief, points), 0, 1, limits, unit=unit)
        gain = gain.stretched(stretch(tried, pair))
    whole, by_phase = (space.to_weights(point) for point in (tied, pair))
    return Order(space.phases, space.phases.aggregate(whole), space.phases.split(by_phase), gain)
