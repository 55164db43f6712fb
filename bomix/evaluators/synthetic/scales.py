"""The same losses at smaller scales: what public runs show of proxies, with the truth known.

From scale to scale each loss has a slope of its own, and what that leaves is partly shared between losses: single
losses transfer nearly unaided, their mean does not. So a loss of a smaller scale is

    l_j(w) = level_j + (L_j(w) - D_j(w)) / (slope_j (1 + u^2)),    D_j = u s_j (sqrt(h) g_0(w) + sqrt(1 - h) g_j(w)),

with ``L_j`` the loss one scale above, ``s_j`` its standard deviation over the simplex, ``h`` the :data:`SHARED` share
and ``g`` smooth random functions of standard deviation one, uncorrelated with the mean of the losses above, so that
``slope_j`` is that of the line from ``l_j`` to ``L_j``. ``u`` is found: it makes the means of the two scales agree in
rank as much as is wanted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bomix.evaluators.synthetic.functions import Losses
from bomix.space.polytope import Array

SLOPES = (0.4, 1.2)
"""Smallest and largest slope of a loss from one scale to the next: what public runs show from 60M to 1B parameters."""
SHARED = 0.35
"""Share of the discrepancy's variance that all losses have in common: the mean correlation of residuals between losses
of those runs."""
STEP = 0.3
"""Nats per token by which the lowest value of a loss is higher than one scale above."""
_OF_SCALES = 2**31 + 1
"""Word that sets the random numbers of smaller scales apart from all others of a seed; 2^31 is that of ``tilt``."""
_SAMPLE = 2**14
"""Mixtures, even over the simplex, over which ranks are compared: their agreement is known to a hundredth."""
_FEATURES = 64
"""Waves that a random function is the sum of: enough that it looks like a Gaussian process."""
_LENGTHSCALE = 1.2
"""Length over which the random functions change, in roots of weights: between the likeliest ones, 1 and 1.5, of what a
line from 1M to 60M parameters leaves of the mean loss of RegMix's 256 runs. A line in the roots explains 54 % of that,
a process 65 %, and a fifth is noise."""
FLOOR = 0.01
"""Weight that is added before roots are taken, so that slopes at zero weight are finite."""
_SPREAD_FROM = 0.25
"""``u`` from which on slopes differ as much as :data:`SLOPES` says: slopes alone make ranks disagree at about 0.95, so
that nearer to one they have to be more alike."""
_MOST = 64.0
"""Largest ``u``: the discrepancy is then all that mixtures change."""
_HALVINGS = 40
"""Halvings of the interval of ``u``: to the last digit that ranks of the sample show."""
_MOVE = 1e-6
"""Change of a weight in the differences that make slopes: between what a larger one loses to curvature and a smaller
one to rounding."""


@dataclass(frozen=True, eq=False)
class SmallerScale:
    """Losses at the next smaller scale, by the formula of the module.

    Attributes:
        above: The losses one scale above.
        level: ``m`` constants; nats per token.
        slope: ``m``, ``slope_j (1 + u^2)``, positive.
        height: ``m``, ``u s_j``: standard deviation of each discrepancy; nats per token.
        waves: ``d x f`` directions and ``f`` phases of the waves.
        phases: See ``waves``.
        factors: ``f x (1 + m)`` factors of the waves in each random function, the shared one first.
        middle: ``1 + m`` means of these over the simplex.
    """

    above: Losses
    level: Array
    slope: Array
    height: Array
    waves: Array
    phases: Array
    factors: Array
    middle: Array

    convex: ClassVar[bool] = False

    def __call__(self, weights: Array) -> Array:
        """Losses ``(...) x m`` of mixtures ``(...) x d``; nats per token."""
        raw = self.above(weights) - self.height * self._discrepancy(weights)
        return np.asarray(self.level + raw / self.slope)

    def gradient(self, weights: Array) -> Array:
        """Slopes ``(...) x d`` of the mean of the losses, each weight moved alone; central differences."""
        moves = _MOVE * np.eye(weights.shape[-1])
        points = weights[..., None, :]
        change = self(points + moves).mean(axis=-1) - self(points - moves).mean(axis=-1)
        return np.asarray(change / (2.0 * _MOVE))

    def _discrepancy(self, weights: Array) -> Array:
        """Discrepancies ``(...) x m`` of standard deviation one over the simplex."""
        found = waves_at(weights, self.waves, self.phases) @ self.factors - self.middle
        return _mixed(found)


def smaller(above: Losses, d: int, *, agreement: float, seed: int, below: int) -> SmallerScale:
    """Losses one scale below some losses.

    Args:
        above: The losses.
        d: Domains.
        agreement: Rank agreement (Spearman) of the means of the losses of both scales over the simplex.
        seed: Seed of the function.
        below: Scales between these losses and those of the target, this one counted, from 1.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, d, _OF_SCALES, below]))
    sample = np.random.default_rng(0).dirichlet(np.ones(d), _SAMPLE)
    losses = above(sample)
    m = losses.shape[-1]
    slopes = rng.uniform(*SLOPES, m)
    waves, phases = rng.standard_normal((d, _FEATURES)) / _LENGTHSCALE, rng.uniform(0.0, 2.0 * np.pi, _FEATURES)
    seen = waves_at(sample, waves, phases)
    factors = rng.standard_normal((_FEATURES, 1 + m))
    along = seen.T @ (losses.mean(axis=-1) - losses.mean()) / _SAMPLE
    factors -= np.outer(along, along @ factors) / (along @ along)
    factors /= (seen @ factors).std(axis=0)
    functions = seen @ factors
    middle, spread = functions.mean(axis=0), losses.std(axis=0)
    discrepancy = spread * _mixed(functions - middle)
    ranks, low, high = _ranks(losses.mean(axis=-1)), 0.0, _MOST

    def at(u: float) -> tuple[Array, Array]:
        """Divisors ``m``, and losses ``n x m`` of the sample but for their levels."""
        even = np.exp(np.log(slopes).mean())
        slope = even * (slopes / even) ** min(1.0, u / _SPREAD_FROM)
        return slope * (1.0 + u**2), (losses - u * discrepancy) / (slope * (1.0 + u**2))

    for _ in range(_HALVINGS):
        u = 0.5 * (low + high)
        if float(np.corrcoef(ranks, _ranks(at(u)[1].mean(axis=-1)))[0, 1]) > agreement:
            low = u
        else:
            high = u
    slope, raw = at(high)
    level = losses.min(axis=0) + STEP - raw.min(axis=0)
    return SmallerScale(above, level, slope, high * spread, waves, phases, factors, middle)


def waves_at(weights: Array, waves: Array, phases: Array) -> Array:
    """Waves ``(...) x f`` at mixtures ``(...) x d``."""
    return np.asarray(np.cos(np.sqrt(weights + FLOOR) @ waves + phases))


def below_target(target: Losses, d: int, *, agreement: float, seed: int, below: int) -> Losses:
    """Losses some scales below those of the target; the target's own for zero.

    Args:
        target: Losses at the target's scale.
        d: Domains.
        agreement: Rank agreement between neighbouring scales.
        seed: Seed of the function.
        below: Scales between.
    """
    found: Losses = target
    for step in range(1, below + 1):
        found = smaller(found, d, agreement=agreement, seed=seed, below=step)
    return found


def _mixed(functions: Array) -> Array:
    """Discrepancies ``(...) x m`` from the shared function and ``m`` own ones, ``(...) x (1 + m)``."""
    return np.asarray(np.sqrt(SHARED) * functions[..., :1] + np.sqrt(1.0 - SHARED) * functions[..., 1:])


def _ranks(values: Array) -> Array:
    """Ranks of ``n`` values, no two of which are taken for equal."""
    ranks = np.empty(len(values))
    ranks[np.argsort(values, kind="stable")] = np.arange(len(values))
    return ranks
