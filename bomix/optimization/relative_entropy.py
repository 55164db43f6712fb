"""A penalty towards a prior: the relative entropy of a mixture, and the mixture that it and a slope together choose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from bomix.space.polytope import Array


@dataclass(frozen=True)
class KLPenalty:
    """``strength * sum_i w_i log(w_i / prior_i)``, towards a prior.

    Attributes:
        prior: ``d`` shares; a weight whose share is zero must be fixed by its bounds, and does not count.
        strength: Above zero, in the unit of the loss.
    """

    prior: Array
    strength: float

    def value(self, point: Array) -> float:
        """The term at ``d`` weights."""
        used = (self.prior > 0.0) & (point > 0.0)
        return float(self.strength * (point[used] * np.log(point[used] / self.prior[used])).sum())

    def nearest(self, slope: Array, lower: Array, upper: Array) -> Array:
        """Minimiser of ``slope . v`` and the term over the polytope: ``clip(prior exp(t - slope / strength))``."""
        free = self.prior > 0.0
        best = lower.copy()
        tilted = np.log(self.prior[free]) - (slope[free] - slope[free].min()) / self.strength
        best[free] = _entropic(tilted, lower[free], upper[free], 1.0 - float(lower[~free].sum()))
        # What rounding leaves off a sum of one goes where it is least: a projection would move all, off their bounds.
        room = np.minimum(best - lower, upper - best)
        if room.max() > 0.0:
            best[room.argmax()] += 1.0 - best.sum()
        return best


def _entropic(tilted: Array, lower: Array, upper: Array, total: float) -> Array:
    """``clip(exp(tilted + t), lower, upper)`` with the ``t`` that makes it sum to ``total``."""
    with np.errstate(divide="ignore", over="ignore"):
        enters, leaves = np.log(lower) - tilted, np.log(upper) - tilted
        knots = np.sort(np.concatenate([enters, leaves]))
        knots = knots[np.isfinite(knots)]
        sums = np.clip(np.exp(tilted + knots[:, None]), lower, upper).sum(axis=1)
        piece = int(np.searchsorted(sums, total, side="right")) - 1
        at = knots[piece] if piece >= 0 else -np.inf
        free = (enters <= at) & (leaves > at)
        if not free.any():
            return np.clip(np.exp(tilted + at), lower, upper)
        rest = total - float(np.where(leaves <= at, upper, lower)[~free].sum())
        top = tilted[free].max()
        shift = np.log(max(rest, 0.0)) - top - np.log(np.exp(tilted[free] - top).sum())
        return np.asarray(np.clip(np.exp(tilted + shift), lower, upper))
