"""Mixtures as mappings from domain names to shares."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from bomix.space.polytope import Array

Weights = Mapping[str, float]
"""A mixture: domain name to share of the training tokens; the shares sum to one."""

SAME_MIXTURE = 1e-6
"""Largest difference of a weight between two records of one mixture.

Six digits are what a table of weights keeps, and less than a millionth of the tokens moves no loss that a training can
measure. It also lies far above what arithmetic leaves: projecting and normalising a mixture moves its weights by 1e-12.
Everything that asks whether two mixtures are one asks with this number: repeats, folds, anchors, confirmations, what is
not to be proposed again.
"""


def same_mixture(first: Weights, second: Weights) -> bool:
    """Whether two mixtures of named domains are one: the same domains, no weight further apart than SAME_MIXTURE."""
    return first.keys() == second.keys() and all(abs(first[name] - second[name]) <= SAME_MIXTURE for name in first)


def is_among(point: Array, others: Array | None) -> bool:
    """Whether a mixture is one of some others, as columns of weights in one order of the domains.

    Args:
        point: ``d`` weights.
        others: ``n x d`` weights; None where there are none.
    """
    return others is not None and bool((np.abs(others - point).max(axis=1, initial=0.0) <= SAME_MIXTURE).any())


def nearest(point: Array, others: Array) -> Array:
    """The row of ``n x d`` mixtures that is nearest to one of ``d`` weights, the first of those that are equally so."""
    return np.asarray(others[int(((others - point) ** 2).sum(axis=1).argmin())])


def normalized(weights: Weights) -> dict[str, float]:
    """A mixture whose rounded shares sum to exactly one."""
    shares = {name: max(0.0, float(weight)) for name, weight in weights.items()}
    total = math.fsum(shares.values())
    return {name: share / total for name, share in shares.items()}
