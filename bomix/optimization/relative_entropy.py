"""A penalty towards a prior: the relative entropy of a mixture, and the mixture that it and a slope together choose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bomix.space import constrained

if TYPE_CHECKING:
    from bomix.space.linear import Rows
    from bomix.space.polytope import Array

_STEPS = 200
"""Newton steps at most on the multipliers of constraints: exponentials take more of them than a projection."""
_LARGEST = 600.0
"""Largest exponent, whose power is still a number."""


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

    def nearest(self, slope: Array, lower: Array, upper: Array, rows: Rows | None = None) -> Array:
        """Minimiser of ``slope . v`` and the term over the polytope: ``clip(prior exp(t - slope / strength))``."""
        if rows is not None:
            return self._nearest_constrained(slope, lower, upper, rows)
        free = self.prior > 0.0
        best = lower.copy()
        tilted = np.log(self.prior[free]) - (slope[free] - slope[free].min()) / self.strength
        best[free] = _entropic(tilted, lower[free], upper[free], 1.0 - float(lower[~free].sum()))
        # What rounding leaves off a sum of one goes where it is least: a projection would move all, off their bounds.
        room = np.minimum(best - lower, upper - best)
        if room.max() > 0.0:
            best[room.argmax()] += 1.0 - best.sum()
        return best

    def _nearest_constrained(self, slope: Array, lower: Array, upper: Array, rows: Rows) -> Array:
        """The same under constraints, each of which adds its multiplier to the exponent."""
        free = self.prior > 0.0
        with np.errstate(divide="ignore"):
            tilted = (
                np.where(free, np.log(self.prior), 0.0) - np.where(free, slope - slope[free].min(), 0.0) / self.strength
            )
        start = self.nearest(slope, lower, upper)
        dual = _Entropic.of_rows(tilted[None], lower[None], np.where(free, upper, lower)[None], rows)
        y = np.zeros((1, len(dual.values)))
        inside = free & (start > lower) & (start < upper)
        if inside.any():
            y[0, 0] = float((tilted[inside] - np.log(start[inside])).mean())
        found = constrained.ascent(dual, y, steps=_STEPS)[0][0]
        return np.asarray(constrained.project(found, lower, upper, rows))


class _Entropic(constrained.Dual):
    """The dual of ``sum_i w_i log w_i - w_i - v_i w_i``: each constraint scales weights instead of shifting them."""

    def at(self, y: Array) -> tuple[Array, Array]:
        """The clipped points and the slopes; see :meth:`constrained.Dual.at`."""
        w = np.clip(np.exp(np.minimum(self.v - y @ self.matrix, _LARGEST)), self.lower, self.upper)
        return w, w @ self.matrix.T - self.values

    def height(self, y: Array, w: Array, slope: Array) -> Array:
        """The duals."""
        logs = np.log(np.where(w > 0.0, w, 1.0))
        return np.asarray((w * (logs - 1.0 - self.v)).sum(axis=1) + (y * slope).sum(axis=1))

    def give(self, w: Array) -> Array:
        """Weights give way in proportion to themselves."""
        return np.where((w > self.lower) & (w < self.upper), w, 0.0)


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
