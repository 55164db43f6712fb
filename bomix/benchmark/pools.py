"""Cases of which only a few mixtures can be run: how soon the best of them is found.

Each mixture of the pool has one result, noise included, which is revealed by whoever asks for it. There are two best
ones: that of the lowest true objective, and that of the lowest measured one, which is what a table of runs can tell.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bomix.space.polytope import Array
from bomix.space.weights import SAME_MIXTURE

TRUE, MEASURED = "true", "measured"
BEST = (TRUE, MEASURED)
"""What is best: the mean of the losses as the function has them, or with the noise of the one result."""


@dataclass(frozen=True, eq=False)
class Pool:
    """The table that a method looks into row by row.

    Attributes:
        mixtures: ``p x d`` weights.
        losses: ``p x m`` results, with noise.
        values: ``p`` true values of the objective.
    """

    mixtures: Array
    losses: Array
    values: Array

    @property
    def best(self) -> dict[str, int]:
        """The rows of the mixtures that are to be found, by what is best."""
        return {TRUE: int(self.values.argmin()), MEASURED: int(self.losses.mean(axis=1).argmin())}

    def revealed(self, weights: Array, tried: list[int]) -> int:
        """The row that a proposal of ``d`` weights reveals: the nearest of those not tried, so that each costs one."""
        distance = np.abs(self.mixtures - weights).max(axis=1)
        distance[tried] = np.inf
        return int(distance.argmin())

    def regret(self, weights: Array) -> float:
        """How much worse than the truly best of the pool a mixture ``d`` of it is.

        Raises:
            ValueError: It is not of the pool.
        """
        distance = np.abs(self.mixtures - weights).max(axis=1)
        row = int(distance.argmin())
        if distance[row] > SAME_MIXTURE:
            raise ValueError(f"the method recommended {weights!r}, which is not of the pool")
        return float(self.values[row] - self.values.min())


def found_after(pool: Pool, tried: list[int]) -> dict[str, int]:
    """The numbers of trials after which the best ones were found, by what is best; without those that were not."""
    return {name: tried.index(row) + 1 for name, row in pool.best.items() if row in tried}
