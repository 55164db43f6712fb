"""Descent on the polytope itself: spectral projected gradient [Birgin2000]_ from many points at once.

The Euclidean projection keeps every iterate feasible, so that faces and vertices, where optima of mixtures often
lie, are reached exactly.

References:
    [Birgin2000] Nonmonotone spectral projected gradient methods on convex sets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from bomix.numerics.constants import ARMIJO, TINY
from bomix.space.polytope import Array

if TYPE_CHECKING:
    from bomix.space.mixture_space import MixtureSpace

Cost = Callable[[Array], tuple[Array, Array]]
"""Values ``b`` and gradients ``b x d`` at ``b x d`` points."""

_NON_MONOTONE = 5
"""Values of which a step must stay below the largest: spectral steps are long, and pay only if some may go up
[Birgin2000]_, whose ten are more than the few iterations here leave room for."""
_ACROSS = 1.0
"""Change of a weight, before it is projected, that no step under constraints exceeds: a weight can change no more."""
_MAX_TRIES = 20
"""Shorter and shorter steps in a row, each three tenths of the last, after which a start has come to its end."""


def projected_gradient(cost: Cost, space: MixtureSpace, starts: Array, iterations: int) -> tuple[Array, Array]:
    """Move every start downhill on its own path; each evaluation serves all of them.

    Returns:
        ``b x d`` best points and their ``b`` costs.
    """
    x = starts.copy()
    f, g = cost(x)
    best_x, best_f = x.copy(), f.copy()
    recent = np.repeat(f[:, None], _NON_MONOTONE, axis=1)
    spectral = 0.1 / np.maximum(np.abs(g).max(axis=1), 1e-12)
    if space.rows is not None:
        spectral = np.minimum(spectral, _longest(g))
    direction = space.project(x - spectral[:, None] * g) - x
    length, tries = np.ones(len(x)), np.zeros(len(x), dtype=int)
    done = ~np.isfinite(f) | (np.abs(direction).max(axis=1) < 1e-6)
    for _ in range(iterations):
        if done.all():
            break
        trial = x + np.where(done, 0.0, length)[:, None] * direction
        trial_f, trial_g = cost(trial)
        slope = (g * direction).sum(axis=1)
        enough = trial_f <= recent.max(axis=1) + ARMIJO * length * slope
        ok = ~done & np.isfinite(trial_f) & np.isfinite(trial_g).all(axis=1) & enough
        step, change = trial - x, trial_g - g
        curvature = (step * change).sum(axis=1)
        squared = (step * step).sum(axis=1)
        longer = np.where(curvature > 1e-12 * squared, squared / np.maximum(curvature, TINY), 10.0 * spectral)
        spectral = np.where(ok, np.clip(longer, 1e-10, 1e6), spectral)
        x, g, f = np.where(ok[:, None], trial, x), np.where(ok[:, None], trial_g, g), np.where(ok, trial_f, f)
        recent = np.where(ok[:, None], np.concatenate([recent[:, 1:], f[:, None]], axis=1), recent)
        better = ok & (f < best_f)
        best_x, best_f = np.where(better[:, None], x, best_x), np.where(better, f, best_f)
        if space.rows is not None:
            spectral = np.minimum(spectral, _longest(g))
        moved = space.project(x - spectral[:, None] * np.nan_to_num(g)) - x
        direction = np.where(ok[:, None], moved, direction)
        length, tries = np.where(ok, 1.0, 0.3 * length), np.where(ok, 0, tries + 1)
        done |= (ok & (np.abs(direction).max(axis=1) < 1e-7)) | (tries > _MAX_TRIES)
    return best_x, best_f


def _longest(gradient: Array) -> Array:
    """The ``b`` step lengths that reach no further than across the space: projections from far away are dear."""
    size = np.abs(np.nan_to_num(gradient)).max(axis=1)
    return np.asarray(_ACROSS / np.maximum(size, TINY))
