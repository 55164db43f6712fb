"""Losses of which half fall with two or three domains, as tasks do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bomix.evaluators.synthetic.functions import Integers, MixingLaw, exponential_power
from bomix.space.polytope import Array

_SOURCES = 3
"""Domains that a task falls with at most."""
_EVENNESS = 2.0
"""Dirichlet parameter of the shares in which a task falls with its domains: seldom one of them alone."""


@dataclass(frozen=True, eq=False)
class Tasks(MixingLaw):
    """``L_j = c_j + k_j exp(t_j . w) + a_j rise_j(w)``: losses that fall with one, two or three domains.

    The rise near zero is that of each of its domains, ``sum_p s_jp (w_jp + floor)^-b_j``, where the task needs all of
    them, or that of their weighted sum, ``(sum_p s_jp w_jp + floor)^-b_j``, where one does for another.

    Attributes:
        sources: ``m x p`` columns of the domains that each metric falls with.
        shares: ``m x p``, sum to one in each row; zero for a place that is not used.
        replaceable: ``m`` booleans, whether one domain does for another.
        floor: Share that keeps the loss finite at zero weight.
    """

    sources: Integers
    shares: Array
    replaceable: Array
    floor: float = 0.01

    def __call__(self, weights: Array) -> Array:
        """Losses ``(...) x m`` by the formula of the class; nats per token."""
        each, together = np.zeros(()), np.zeros(())
        for share, source in zip(self.shares.T, self.sources.T, strict=True):
            each = each + share * (weights[..., source] + self.floor) ** -self.b
            together = together + share * weights[..., source]
        rise = np.where(self.replaceable, (together + self.floor) ** -self.b, each)
        return np.asarray(self.plain(weights) + self.a * rise)

    def gradient(self, weights: Array) -> Array:
        """Slopes ``(...) x d`` of their mean."""
        found = self.plain_slopes(weights)
        sums = sum(share * weights[..., source] for share, source in zip(self.shares.T, self.sources.T, strict=True))
        for share, source in zip(self.shares.T, self.sources.T, strict=True):
            at = np.where(self.replaceable, sums, weights[..., source]) + self.floor
            slopes = -share * self.a * self.b * at ** (-self.b - 1.0)
            found = found + slopes @ np.eye(weights.shape[-1])[source]
        return np.asarray(found / len(self.c))


def tasks(rng: np.random.Generator, d: int, own: Integers) -> Tasks:
    """The family ``exponential_power`` in which every other metric falls with one or two more useful domains.

    A task falls with its own domain and one or two others, in shares that are Dirichlet(2), as steeply on average as
    it would with its own alone; half of the tasks need each of their domains, for the others one does for another.
    """
    base, m = exponential_power(rng, d, own), len(own)
    sources = np.repeat(own[:, None], _SOURCES, axis=1)
    shares = np.zeros((m, _SOURCES))
    shares[:, 0] = 1.0
    t = base.t.copy()
    replaceable = np.zeros(m, dtype=bool)
    for place, metric in enumerate(rng.permutation(m)[: m // 2]):
        others = np.delete(own, metric)
        count = 1 + min(int(rng.integers(1, _SOURCES)), len(others))
        sources[metric, 1:count] = rng.choice(others, count - 1, replace=False)
        shares[metric, :count] = rng.dirichlet(np.full(count, _EVENNESS))
        t[metric, sources[metric, :count]] = base.t[metric, own[metric]] * shares[metric, :count] * count
        replaceable[metric] = place % 2 == 1
    return Tasks(base.c, base.k, t, base.a, base.b, sources, shares, replaceable, base.floor)
