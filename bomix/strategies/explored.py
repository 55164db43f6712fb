"""Where a model of the losses may be believed: everywhere, or, of many domains, where trials are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bomix.space import MixtureSpace
from bomix.trial import EXPERTS

if TYPE_CHECKING:
    from bomix.history import History
    from bomix.polytope import Array

MANY = 32
"""Domains above which the search, and what is recommended, keep to where the trials are."""

_ROUNDING = 1e-9


def explored(space: MixtureSpace, history: History) -> MixtureSpace:
    """The part of a space in which no weight exceeds the largest that a run of a mixture had.

    That is the space itself up to :data:`MANY` domains, and where no mixture of it is left. Experts of single domains
    tell of no mixture.
    """
    runs = [record.trial.weights for record in history.observations if record.trial.origin not in EXPERTS]
    if space.dimension <= MANY or not runs:
        return space
    names, least = space.domains, np.asarray(space.at_least)
    largest = space.to_arrays(runs).max(axis=0)
    # Where no run had what is the least beside nothing, nothing is what was tried.
    untried = largest < least - _ROUNDING
    largest = np.where(untried, 0.0, np.maximum(largest, least))
    upper: Array = np.clip(largest, space.lower_array, space.upper_array)
    if upper.sum() < 1.0 - _ROUNDING:
        return space
    bounds = (space.lower_array, upper, np.where(untried, 0.0, least))
    return MixtureSpace(names, *(dict(zip(names, values, strict=True)) for values in bounds))
