"""Clusters of the mixtures that were tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from bomix.space.polytope import Array

_MOST = 5
"""Clusters that a figure can tell apart by colour."""
_FEW = 12
"""Mixtures below which groups of them say nothing."""
_CLEAR = 0.15
"""Mean silhouette from which groups are more than a cut through one cloud."""


@dataclass(frozen=True)
class Clusters:
    """Groups of mixtures that are like each other.

    Attributes:
        of: The group of each of ``n`` mixtures, from 0.
        centres: Mean weights of each group, ``k x d``.
    """

    of: Array
    centres: Array

    @property
    def count(self) -> int:
        """How many groups there are."""
        return len(self.centres)

    def names(self, domains: Sequence[str]) -> list[str]:
        """Each group by its two largest weights."""
        from bomix.report.figures.style import label

        found = []
        for centre in self.centres:
            first, second = np.argsort(-centre, kind="stable")[:2] if len(centre) > 1 else (0, 0)
            text = f"{label(domains[first], 18)} {centre[first]:.0%}"
            found.append(text if first == second else f"{text}, {label(domains[second], 18)} {centre[second]:.0%}")
        return found


def clusters(weights: Array) -> Clusters:
    """Group mixtures by the square roots of their weights; one group where they make no clear ones.

    Args:
        weights: ``n x d``.
    """
    n = len(weights)
    whole = Clusters(np.zeros(n, dtype=int), weights.mean(axis=0, keepdims=True) if n else np.empty((1, 0)))
    if n < _FEW:
        return whole
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    roots = np.sqrt(weights.clip(min=0.0))
    distinct = len(np.unique(roots.round(6), axis=0))
    best, score = whole, _CLEAR
    for count in range(2, min(_MOST, distinct - 1) + 1):
        of = KMeans(count, n_init=4, random_state=0).fit_predict(roots)
        found = float(silhouette_score(roots, of))
        if found > score:
            order = np.argsort([-(of == group).sum() for group in range(count)], kind="stable")
            place = np.argsort(order)
            centres = np.stack([weights[of == group].mean(axis=0) for group in order])
            best, score = Clusters(place[of], centres), found
    return best
