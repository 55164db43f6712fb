"""Scores of tasks: error rates that move little with the mixture, none of them named after a domain.

What benchmarks of tasks look like beside validation losses: every score lies between 0 and 1, depends on a few domains
that its name does not tell, shares a part with the others, and some hardly depend on the mixture at all. Their noise,
from a few hundred questions and from training, is as a rule larger than what mixtures change.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bomix.space.polytope import Array

Integers = np.ndarray

FLOOR = 0.02
"""Weight that is added before logarithms are taken, so that slopes at zero weight are finite."""
SHARED = 0.25
"""Share of the domains that all scores depend on."""
OWN = 3
"""Domains at most that a score depends on by itself."""


@dataclass(frozen=True, eq=False)
class Scores:
    """``e_j = top_j - span_j / (1 + exp(-b_j - a_j . l))`` with ``l = log((w + floor) / (1/d + floor))``.

    Attributes:
        top: ``m`` error rates of guessing.
        span: ``m``, what a perfect model takes off.
        b: ``m``, how easy the tasks are at the uniform mixture.
        a: ``m x d`` slopes.
    """

    top: Array
    span: Array
    b: Array
    a: Array

    convex = False

    def __call__(self, weights: Array) -> Array:
        """Error rates ``(...) x m`` of mixtures ``(...) x d``, from 0 to 1."""
        return np.asarray(self.top - self.span * self._skill(weights))

    def gradient(self, weights: Array) -> Array:
        """Slopes ``(...) x d`` of the mean of the error rates."""
        skill = self._skill(weights)
        return np.asarray(-(self.span * skill * (1.0 - skill)) @ self.a / (len(self.b) * (weights + FLOOR)))

    def _skill(self, weights: Array) -> Array:
        """Logistic function of the slopes, ``(...) x m``, from 0 to 1."""
        logs = np.log((weights + FLOOR) / (1.0 / weights.shape[-1] + FLOOR))
        return np.asarray(0.5 + 0.5 * np.tanh(0.5 * (logs @ self.a.T + self.b)))


def scores(rng: np.random.Generator, d: int, own: Integers) -> Scores:
    """Guessing fails in 50-90 %; slopes of a quarter of the domains that all share, and of one to three of its own.

    Shared slopes are N(0, 1), each score takes U(0, 1) of them; its own are N(0, 1/2). All are then times 0.15, so
    that mixtures change scores by some hundredths.
    """
    m = len(own)
    shared = np.where(np.arange(d) < max(1, round(SHARED * d)), rng.standard_normal(d), 0.0)
    a = rng.uniform(0.0, 1.0, (m, 1)) * rng.permutation(shared)
    for row in a:
        few = rng.permutation(d)[: rng.integers(1, OWN + 1)]
        row[few] += 0.5 * rng.standard_normal(len(few))
    top = rng.uniform(0.5, 0.9, m)
    return Scores(top, top * rng.uniform(0.6, 1.0, m), rng.uniform(-1.0, 1.0, m), 0.15 * a)
