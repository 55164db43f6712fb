"""How flat is the optimum: between which weights a domain may move before the loss is noticeably worse.

The mixtures that are as good as the best one within one standard deviation of the belief form a set; for every domain
its smallest and its largest weight in that set are sought. Points around the best mixture and all over the space give
the starts; an augmented Lagrangian [Nocedal2006]_ with projected gradients moves all ``2 d`` searches in one batch.
Every weight reported is that of a mixture which was found to lie in the set: where a search ends early the range is
too narrow, never too wide; with dozens of domains there are fewer rounds. Without gradients the points alone decide,
drawn again around what they found.

References:
    [Nocedal2006] Numerical Optimization, chapter 17.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from bomix.numerics.constants import TINY
from bomix.optimization import start_points

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from bomix.space.mixture_space import MixtureSpace
    from bomix.space.polytope import Array

    Mean = Callable[[Tensor], Tensor]
    """Maps ``n x d`` mixtures to ``n`` means, differentiable."""

_SAMPLES = 256
"""Mixtures of the whole space that are looked at, and half of those that are around known ones."""
_WIDTHS = (0.01, 0.03, 0.1, 0.3)
"""Widths of the clouds around it: it is not known beforehand how large the set is."""
_ROUNDS = 6
"""Rounds of the augmented Lagrangian, one less for every dozen domains: a search that ends early reports ranges that
are too narrow, and the time of a round grows with the square of the number of domains."""
_STEPS = 12
"""Gradient steps of a round: multipliers move before a round has settled, since no single one has to be exact."""
_REDRAWS = 8
"""Rounds of points around what was found, where there are no gradients."""
_ON_RAYS = 8
"""Points on each line from the best mixture to a corner, every one half as far as the last."""
_STIFF = 1.0
"""First weight of the squared violation, which is in standard deviations: it doubles where the level does not hold."""


@dataclass(frozen=True)
class LevelSet:
    """The mixtures of a space whose loss is no more than a level.

    Attributes:
        mean: The loss, ``n x d`` mixtures to ``n``; lower is better.
        space: The space that the mixtures belong to.
        best: ``d`` array, a mixture of the set.
        level: The largest loss.
        slack: Above zero: how far the level lies above the loss at the best mixture.
    """

    mean: Mean
    space: MixtureSpace
    best: Array
    level: float
    slack: float

    def among(self, points: Array) -> Array:
        """Those of ``n x d`` points that lie in the set, once put to what "zero or at least" allows; ``n`` may be 0."""
        if not len(points):
            return points
        if self._in_pieces:
            points = self.space.snap(points, threshold=0.0)
        with torch.no_grad():
            values = self.mean(torch.as_tensor(points)).numpy()
        return np.asarray(points[values <= self.level])

    def kept(self, points: Array, excess: Array) -> Array:
        """Those of ``b x d`` points that lie in the set where their ``b`` :meth:`violation` is known."""
        inside = points[excess <= 0.0]
        return self.among(inside) if self._in_pieces else inside

    @property
    def _in_pieces(self) -> bool:
        """Whether weights between zero and "at least" are missing from the space."""
        return any(self.space.at_least)

    def violation(self, points: Array) -> tuple[Array, Array]:
        """``b`` values of (loss - level) / slack at ``b x d`` points, and their ``b x d`` gradients."""
        with torch.enable_grad():
            X = torch.tensor(points, requires_grad=True)
            values = (self.mean(X) - self.level) / self.slack
            (gradient,) = torch.autograd.grad(values.sum(), X)
        return values.detach().numpy(), np.nan_to_num(gradient.numpy())


class _Extremes:
    """The outermost mixtures of a set seen so far: a row per domain downwards, then one per domain upwards."""

    def __init__(self, best: Array) -> None:
        d = len(best)
        self.signs = np.concatenate([-np.eye(d), np.eye(d)])
        self.points = np.tile(best, (2 * d, 1))

    def see(self, members: Array) -> None:
        """Take in ``n x d`` mixtures of the set."""
        if len(members):
            reached = self.signs @ members.T
            further = reached.max(axis=1) > (self.signs * self.points).sum(axis=1)
            self.points[further] = members[reached.argmax(axis=1)[further]]


def near_optimal(
    set_: LevelSet, *, seed: int, gradients: bool = True, rounds: int | None = None
) -> tuple[Array, Array]:
    """Smallest and largest weight of every domain among the mixtures of a set.

    Args:
        set_: It holds its best mixture.
        seed: Seed of the points.
        gradients: Whether the loss has any.
        rounds: Rounds of the augmented Lagrangian; None takes as many as the domains allow.

    Returns:
        Two ``d`` arrays; ``lower <= best <= upper``.
    """
    space, best = set_.space, set_.best
    extremes = _Extremes(best)
    if set_.slack > 0.0 and space.dimension > 1:
        rng = np.random.default_rng(seed)
        corners = space.project(np.eye(space.dimension))
        extremes.see(set_.among(np.concatenate([space.sobol(_SAMPLES, seed=seed), corners])))
        extremes.see(set_.among(_around(best[None], space, rng)))
        extremes.see(set_.among(_rays(best, space)))
        if gradients:
            _lagrangian(set_, extremes, rounds or max(2, _ROUNDS - space.dimension // 12))
        else:
            for _ in range(_REDRAWS):
                extremes.see(set_.among(_around(extremes.points, space, rng)))
    return extremes.points.min(axis=0), extremes.points.max(axis=0)


def _around(points: Array, space: MixtureSpace, rng: np.random.Generator) -> Array:
    """Points of the space around given ones, at all distances."""
    count = max(1, 2 * _SAMPLES // (len(points) * len(_WIDTHS)))
    return start_points.around(points, space, np.repeat(_WIDTHS, count), rng)


def _rays(best: Array, space: MixtureSpace) -> Array:
    """Points on the lines from the best mixture towards more and towards less of each domain."""
    towards = np.concatenate([np.eye(len(best)) - best, best - np.eye(len(best))])
    lengths = 0.5 ** np.arange(_ON_RAYS)[:, None, None]
    return space.project((best + lengths * towards).reshape(-1, len(best)))


def _lagrangian(set_: LevelSet, extremes: _Extremes, rounds: int) -> None:
    """Move every extreme outwards until the level holds it."""
    space, best = set_.space, set_.best
    x = extremes.points.copy()
    multiplier, stiffness = np.full(len(x), 0.5), np.full(len(x), _STIFF)
    back = np.linspace(0.0, 1.0, 8)[:, None, None]
    for _ in range(rounds):
        # In units of the way already gone the multiplier is near one half, whatever the shape of the set.
        reached = np.abs(((extremes.points - best) * extremes.signs).sum(axis=1))
        x, excess = _descend(set_, extremes, x, multiplier, stiffness, 1.0 / np.maximum(reached, 1e-3))
        multiplier = np.maximum(0.0, multiplier + stiffness * excess)
        stiffness = np.where(excess > 0.1, 2.0 * stiffness, stiffness)
        # The way back from a point outside crosses the edge of the set.
        extremes.see(set_.among((extremes.points + back * (x - extremes.points)).reshape(-1, space.dimension)))


def _descend(
    set_: LevelSet, extremes: _Extremes, x: Array, multiplier: Array, stiffness: Array, scale: Array
) -> tuple[Array, Array]:
    """Spectral projected gradient on the augmented Lagrangian, all rows at once.

    Returns:
        ``b x d`` points, and their ``b`` violations.
    """
    space, outwards = set_.space, scale[:, None] * extremes.signs
    step = 0.02 / scale**2
    before: tuple[Array, Array] | None = None
    for _ in range(_STEPS):
        excess, slope = set_.violation(x)
        extremes.see(set_.kept(x, excess))
        gradient = np.maximum(0.0, multiplier + stiffness * excess)[:, None] * slope - outwards
        if before is not None:
            moved, changed = x - before[0], gradient - before[1]
            curvature, squared = (moved * changed).sum(axis=1), (moved * moved).sum(axis=1)
            step = np.where(curvature > 1e-12 * squared, squared / np.maximum(curvature, TINY), 2.0 * step)
        # Ten points of percentage at most: far away the loss is another one.
        step = np.minimum(step, 0.1 / np.maximum(np.abs(gradient).max(axis=1), 1e-12))
        before = (x, gradient)
        x = space.project(x - step[:, None] * gradient)
    return x, set_.violation(x)[0]
