"""The part of the space that trials explored, in which a model of the losses can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bomix.errors import FaultsError
from bomix.space.bounds import ROUNDING
from bomix.trial import EXPERT

if TYPE_CHECKING:
    from bomix.history import History
    from bomix.space.mixture_space import MixtureSpace
    from bomix.space.polytope import Array

MANY = 32
"""Number of domains above which the default search, the recommendation and the expected improvement keep to the part
of the space that trials explored."""


def tried(space: MixtureSpace, history: History, *, across: bool = False) -> Array:
    """The ``n x d`` mixtures that runs had, the realised ones where they are known; experts are left out.

    Args:
        space: The domains.
        history: The record.
        across: Whether the runs of every scale of the study count, as they do for a model that learns from them.
    """
    from bomix.surrogates.data.dataset import seen_weights

    runs = [record for record in history.learnt_from(across=across) if record.trial.origin != EXPERT]
    return space.to_arrays([seen_weights(record) for record in runs])


def explored(space: MixtureSpace, history: History, *, across: bool = False) -> MixtureSpace:
    """The part of a space in which no weight exceeds the largest that was tried; arguments as of :func:`tried`.

    That is the space itself up to :data:`MANY` domains, and where no mixture of it is left.
    """
    if space.dimension <= MANY or not len(points := tried(space, history, across=across)):
        return space
    least = np.asarray(space.at_least)
    largest = points.max(axis=0)
    # Where no run had at least the smallest share other than zero, zero is all that was tried.
    untried = largest < least - ROUNDING
    largest = np.where(untried, 0.0, np.maximum(largest, least))
    upper = np.clip(largest, space.lower_array, space.upper_array)
    try:
        return space.within(upper=upper, at_least=np.where(untried, 0.0, least))
    except FaultsError:
        return space
