"""Features of mixtures that a design is to tell apart: what the model that it is for is linear in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np

from bomix.space.polytope import Array

FeatureMap = Literal["linear", "quadratic", "log", "epochs"]
"""``linear`` the weights; ``quadratic`` also the products of every two; ``log`` their logarithms; ``epochs`` what
passes over a domain give and harm."""

_FLOOR = 0.003
"""Weight that is added before logarithms are taken: below it a domain is as good as left out."""
_RATE = 1.0
"""Passes over a domain at which it has given two thirds of what it can: about what fitted laws say."""
_ONSET, _WIDTH = 4.0, 4.0
"""Passes from which on repeating harms, and over which it sets in: up to four, public runs show next to none."""
LEVEL_PRECISION = 1e-6
"""Prior precision of the constant: the level of a loss is not known beforehand."""
EFFECT_PRECISION = 0.1
"""Prior precision of each other coefficient: over the space an effect has a standard deviation of three noises."""


def _quadratic(weights: Array, passes: Array) -> Array:
    """The weights and the products of every two of them."""
    first, second = np.triu_indices(weights.shape[1], 1)
    return np.concatenate([weights, weights[:, first] * weights[:, second]], axis=1)


def _epochs(weights: Array, passes: Array) -> Array:
    """Benefit and harm of the passes over each domain."""
    epochs = weights * passes
    harm = np.logaddexp(0.0, (epochs - _ONSET) / _WIDTH)
    return np.concatenate([-np.expm1(-_RATE * epochs), harm], axis=1)


_MAPS: Mapping[FeatureMap, Callable[[Array, Array], Array]] = {
    "linear": lambda weights, passes: weights,
    "quadratic": _quadratic,
    "log": lambda weights, passes: np.log(weights + _FLOOR),
    "epochs": _epochs,
}
"""Name of a map to what makes ``n x p`` features of ``n x d`` weights and ``d`` passes."""


class Features:
    """A map whose columns have mean zero and variance one over some mixtures, and a constant before them.

    Args:
        name: The map.
        sample: ``s x d`` mixtures that are to be predicted.
        passes: ``d`` passes over a domain of a run that is all of it; of the map ``epochs`` alone.
    """

    def __init__(self, name: FeatureMap, sample: Array, passes: Array) -> None:
        self._map, self._passes = _MAPS[name], passes
        raw = self._map(sample, passes)
        spread = raw.std(axis=0)
        self._centre, self._scale = raw.mean(axis=0), np.where(spread > 0.0, spread, 1.0)
        features = self(sample)
        self.moments: Array = features.T @ features / len(sample)
        """``p x p`` mean of ``f' f`` over the mixtures."""
        self.precision: Array = np.full(len(self.moments), EFFECT_PRECISION)
        """``p`` prior precisions of the coefficients."""
        self.precision[0] = LEVEL_PRECISION

    def __call__(self, weights: Array) -> Array:
        """Features ``n x p`` of mixtures ``n x d``."""
        scaled = (self._map(weights, self._passes) - self._centre) / self._scale
        return np.concatenate([np.ones((len(weights), 1)), scaled], axis=1)
