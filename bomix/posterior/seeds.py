"""The seeds of one ask: independent numbers, one for each purpose, from the study's seed and its trials so far."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from bomix.history import History


def fitting_seed(history: History, *, seed: int) -> int:
    """The seed of the surrogate's fit at the next ask of a study with this seed."""
    return draw_seeds(seed, history.n_asked, 1)[0]


def recommendation_seed(history: History, *, seed: int) -> int:
    """The seed of the search for the minimiser of the posterior mean; other than that of an ask's search."""
    return draw_seeds(seed, history.n_asked, 4)[3]


class AskSeeds(NamedTuple):
    """Independent seeds of one ask that maximises an acquisition function.

    Attributes:
        fit: Seed of the surrogate's fit, as :func:`fitting_seed` gives it.
        acquisition: Seed of the random numbers inside the acquisition function.
        search: Seed of the starts of its maximisation.
        subspace: Seed of the random part of the space that is searched, where the strategy takes one.
    """

    fit: int
    acquisition: int
    search: int
    subspace: int

    @classmethod
    def of(cls, seed: int, n_asked: int) -> AskSeeds:
        """The seeds of the ask that follows ``n_asked`` trials in a study with this seed."""
        return cls(*draw_seeds(seed, n_asked, 4))


class RegressionSeeds(NamedTuple):
    """Independent seeds of one ask that minimises a prediction.

    Attributes:
        fit: Seed of the surrogate's fit, as :func:`fitting_seed` gives it.
        search: Seed of the search for the minimiser.
        directions: Seed of the directions in which another mixture is sought where the minimiser is not new.
    """

    fit: int
    search: int
    directions: int

    @classmethod
    def of(cls, seed: int, n_asked: int) -> RegressionSeeds:
        """The seeds of the ask that follows ``n_asked`` trials in a study with this seed."""
        return cls(*draw_seeds(seed, n_asked, 3))


def draw_seeds(seed: int, n_asked: int, count: int) -> list[int]:
    """``count`` independent seeds for one ask, decided by the study's seed and the number of trials asked so far.

    The first ones are the same whatever the count.
    """
    return [int(word) for word in np.random.SeedSequence([seed, n_asked]).generate_state(count)]
