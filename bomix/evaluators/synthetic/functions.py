"""Losses as functions of the mixture, drawn with a seed: what synthetic benchmarks are made of.

Each family is a function that draws a :class:`Losses`: the losses themselves and their exact slopes. Whatever is
random comes from the generator that it is given.

References:
    [Lindenau] Bayesian optimization for mixture optimization in large language models.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

import numpy as np

from bomix.io.artifacts.scored_tokens import ScoredTokens, hash_of_tokens
from bomix.space.polytope import Array

Integers = np.ndarray

TOKENS = 2**14
"""Validation tokens of a set that has tokens, in sequences of :data:`SEQUENCE`."""
SEQUENCE = 64
"""Tokens of a sequence: examples are scored by sequence, and so short ones give many from few tokens."""


class Losses(Protocol):
    """``m`` losses as functions of ``d`` weights.

    Attributes:
        convex: Whether every loss is convex, so that a local optimum of their mean is the optimum.
    """

    @property
    def convex(self) -> bool:
        """Whether every loss is convex."""
        ...

    def __call__(self, weights: Array) -> Array:
        """Losses ``(...) x m`` of mixtures ``(...) x d``; nats per token."""
        ...

    def gradient(self, weights: Array) -> Array:
        """Slopes ``(...) x d`` of the mean of the losses, each weight moved alone."""
        ...


Family = Callable[[np.random.Generator, int, Integers], Losses]
"""Draws losses from ``(generator, d, columns of the m domains that have a metric)``."""


@dataclass(frozen=True, eq=False)
class MixingLaw:
    """``c_j + k_j exp(t_j . w)``, which further terms are added to.

    Attributes:
        c: ``m``.
        k: ``m``, not negative.
        t: ``m x d``.
        a: ``m`` factors of a rise near zero weight, not negative.
        b: ``m`` powers of that rise, positive.
    """

    c: Array
    k: Array
    t: Array
    a: Array
    b: Array

    convex: ClassVar[bool] = True

    def plain(self, weights: Array) -> Array:
        """Losses ``(...) x m`` of mixtures ``(...) x d`` without the rise; nats per token."""
        return np.asarray(self.c + self.k * np.exp(weights @ self.t.T))

    def plain_slopes(self, weights: Array) -> Array:
        """Slopes ``(...) x d`` of the sum of these."""
        return np.asarray((self.k * np.exp(weights @ self.t.T)) @ self.t)


@dataclass(frozen=True, eq=False)
class ExponentialPower(MixingLaw):
    """``L_j = c_j + k_j exp(t_j . w) + a_j (w_j + floor)^-b_j``: a mixing law with a steep rise near zero weight.

    Attributes:
        own: ``m`` columns, each metric's own domain.
        floor: Share that keeps the loss finite at zero weight.
    """

    own: Integers
    floor: float = 0.01

    def __call__(self, weights: Array) -> Array:
        """Losses ``(...) x m`` by the formula of the class; nats per token."""
        return np.asarray(self.plain(weights) + self.a * (weights[..., self.own] + self.floor) ** -self.b)

    def gradient(self, weights: Array) -> Array:
        """Slopes ``(...) x d`` of their mean: those of the exponentials, and at each own domain that of the rise."""
        found = self.plain_slopes(weights)
        found[..., self.own] -= self.a * self.b * (weights[..., self.own] + self.floor) ** (-self.b - 1.0)
        return np.asarray(found / len(self.own))


def exponential_power(rng: np.random.Generator, d: int, own: Integers) -> ExponentialPower:
    """The family by which strategies are judged.

    ``c`` in U(1.5, 3), ``k`` in U(0.5, 2.5); ``t`` of the own domain in -U(2, 12) s, of a fifth of the others (each by
    its own coin) in N(0, 1) s, else 0, with ``s = max(1, sqrt(d / 7))``; ``a`` log-uniform in 0.004-0.03, ``b`` in
    U(0.6, 1).
    """
    m = len(own)
    s = max(1.0, np.sqrt(d / 7.0))
    c, k = rng.uniform(1.5, 3.0, m), rng.uniform(0.5, 2.5, m)
    t = np.where(rng.random((m, d)) < 0.2, rng.standard_normal((m, d)) * s, 0.0)
    t[np.arange(m), own] = -rng.uniform(2.0, 12.0, m) * s
    a = np.exp(rng.uniform(np.log(0.004), np.log(0.03), m))
    return ExponentialPower(c, k, t, a, rng.uniform(0.6, 1.0, m), own)


@dataclass(frozen=True, eq=False)
class Steep:
    """``L_j = c_j + k_j exp(-t_j w_j) + h_j exp(-w_j / tau_j)``: log-linear in the own weight above a few per cent.

    Below, the loss rises steeply, as [Lindenau]_ found for two domains: between the two rises lies a
    wide, nearly flat valley.

    Attributes:
        c: ``m``.
        k: ``m``, positive.
        t: ``m``, positive.
        h: ``m``, positive.
        tau: ``m``, the weight over which the steep rise fades.
        own: ``m`` columns.
    """

    c: Array
    k: Array
    t: Array
    h: Array
    tau: Array
    own: Integers

    convex = True

    def __call__(self, weights: Array) -> Array:
        """Losses ``(...) x m`` by the formula of the class; nats per token."""
        own = weights[..., self.own]
        return np.asarray(self.c + self.k * np.exp(-self.t * own) + self.h * np.exp(-own / self.tau))

    def gradient(self, weights: Array) -> Array:
        """Slopes ``(...) x d`` of their mean; zero for domains without a metric."""
        own, found = weights[..., self.own], np.zeros(weights.shape)
        slopes = -self.k * self.t * np.exp(-self.t * own) - self.h / self.tau * np.exp(-own / self.tau)
        found[..., self.own] = slopes / len(self.own)
        return found


def steep(rng: np.random.Generator, d: int, own: Integers) -> Steep:
    """Two-domain curves of [Lindenau]_, for any number: ``t`` in U(1, 5), ``tau`` log-uniform in 0.005-0.03."""
    m = len(own)
    c, k, t = rng.uniform(2.0, 3.5, m), rng.uniform(1.0, 2.0, m), rng.uniform(1.0, 5.0, m)
    return Steep(c, k, t, rng.uniform(0.3, 1.5, m), np.exp(rng.uniform(np.log(0.005), np.log(0.03), m)), own)


DOLMA = ("books", "c4", "cc", "pes2o", "reddit", "stack", "wiki")
"""The seven domains of [Lindenau]_."""

_DOLMA_K = (1.3, 1.6, 2.05, 1.45, 0.55, 2.3, 1.4)  # nats per token that its own domain takes off
_DOLMA_T = (8.4, 4.5, 2.85, 3.65, 3.45, 5.05, 5.0)  # how fast it falls with its own weight
_DOLMA_H = (1.05, 0.45, 0.3, 0.5, 0.55, 0.7, 0.6)  # nats per token by which it rises near a weight of zero
_DOLMA_TAU = 0.0145  # the weight over which that rise fades
"""Parameters of :class:`Steep`, in the order of :data:`DOLMA`; :func:`dolma` says what they are fitted to."""


def dolma(rng: np.random.Generator, d: int, own: Integers) -> Steep:
    """A stand-in for the losses of seven domains of Dolma at 25M parameters in [Lindenau]_.

    The paper prints neither a formula nor a table of them. For five domains ``k``, ``t``, ``h`` and ``tau`` are fitted
    to the average log-perplexities of its seven mixtures in Tables I and III (within 0.034) and to how far the best of
    64 Sobol mixtures is from the optimum (0.025; the paper has 0.04-0.05, which no such curve reaches); c4 and wiki,
    which it does not print, have middling values. A seed moves the logarithms of all by N(0, 0.15).
    """
    if d != len(DOLMA) or len(own) != d:
        raise ValueError(f"the family 'dolma' has {len(DOLMA)} domains, all with a metric, not {d} and {len(own)}")
    k, t, h, tau = (
        np.array(values) * np.exp(0.15 * rng.standard_normal(d))
        for values in (_DOLMA_K, _DOLMA_T, _DOLMA_H, (_DOLMA_TAU,) * d)
    )
    return Steep(np.full(d, 3.75), k, t, h, tau, own)


@dataclass(frozen=True, eq=False)
class Basins:
    """Convex losses less Gaussian wells at a few mixtures: several optima, one of them the best.

    Attributes:
        base: The convex part.
        centres: ``p x d`` mixtures.
        depths: ``p x m``.
        width: Standard deviation of the wells, in weights.
    """

    base: Losses
    centres: Array
    depths: Array
    width: float

    convex = False

    def __call__(self, weights: Array) -> Array:
        """Losses ``(...) x m``: those of the convex part less the wells; nats per token."""
        return np.asarray(self.base(weights) - self._wells(weights) @ self.depths)

    def gradient(self, weights: Array) -> Array:
        """Slopes ``(...) x d`` of their mean; a well makes them rise away from its centre."""
        # Each well adds its strength times the way from its centre.
        strength = self._wells(weights) * self.depths.mean(axis=1) / self.width**2
        of_wells = weights * strength.sum(axis=-1, keepdims=True) - strength @ self.centres
        return np.asarray(self.base.gradient(weights) + of_wells)

    def _wells(self, weights: Array) -> Array:
        """How near each well is, ``(...) x p``: one at its centre, falling to zero."""
        squares = ((weights[..., None, :] - self.centres) ** 2).sum(axis=-1)
        return np.asarray(np.exp(-0.5 * squares / self.width**2))


def basins(rng: np.random.Generator, d: int, own: Integers) -> Basins:
    """Five wells at Dirichlet(0.4) mixtures, 0.3-0.9 deep, on a tenth of the slopes of :func:`exponential_power`."""
    base = exponential_power(rng, d, own)
    base = replace(base, k=0.3 * base.k, a=0.1 * base.a)
    centres = rng.dirichlet(np.full(d, 0.4), 5)
    depths = rng.uniform(0.3, 0.9, (5, 1)) * rng.uniform(0.7, 1.3, (5, len(own)))
    return Basins(base, centres, depths, 0.12)


@dataclass(frozen=True, eq=False)
class TokenExperts:
    """Cross entropies of the mixture of the domains' token distributions; nats per token.

    Each domain is a categorical source over ``v`` tokens, and a perfect expert of a domain gives a validation token its
    probability in that source. The loss of the mixture of experts, ``- sum_v q_jv log sum_i w_i p_iv``, is then the
    true one: what is estimated from experts can be compared with the truth.

    Attributes:
        sources: ``d x v`` probabilities ``p`` of the domains.
        validation: ``m x v`` probabilities ``q`` of the validation sets.
    """

    sources: Array
    validation: Array

    convex = True

    def __call__(self, weights: Array) -> Array:
        """Cross entropies ``(...) x m`` under the weighted mean of the sources; nats per token."""
        return np.asarray(-np.log(weights @ self.sources) @ self.validation.T)

    def gradient(self, weights: Array) -> Array:
        """Slopes ``(...) x d`` of their mean, never positive: more of any domain only adds probability."""
        return np.asarray(-(self.validation.mean(axis=0) / (weights @ self.sources)) @ self.sources.T)

    def scored(self, weights: Array) -> list[ScoredTokens]:
        """What the model of ``d`` weights makes of :data:`TOKENS` tokens of each validation set, in ``m`` sets.

        A token occurs as often as its probability says, rounded, so that a set's mean is the loss to about 1e-3.
        """
        log_probabilities = np.log(weights @ self.sources)
        starts = np.arange(0, TOKENS + 1, SEQUENCE)
        found = []
        for number, probabilities in enumerate(self.validation):
            ends = np.rint(np.cumsum(probabilities) * TOKENS).astype(np.int64)
            ids = np.repeat(np.arange(len(ends)), np.diff(np.minimum(ends, TOKENS), prepend=0))
            ids = np.random.default_rng(number).permutation(ids)
            scores = log_probabilities[ids].astype(np.float32)
            found.append(ScoredTokens(scores, starts, hash_of_tokens(ids, starts)))
        return found


def token_experts(rng: np.random.Generator, d: int, own: Integers) -> TokenExperts:
    """Sources that are Dirichlet(0.3) over 64 tokens, 1 % of them uniform; validation 80 % own, 20 % general."""
    v = 64
    sources = 0.99 * rng.dirichlet(np.full(v, 0.3), d) + 0.01 / v
    general = rng.dirichlet(np.full(v, 2.0))
    return TokenExperts(sources, 0.8 * sources[own] + 0.2 * general)


def tilted(weights: Array, tilts: Array) -> Array:
    """Mixtures ``(...) x d`` whose weights count ``tilts`` times, as mixtures."""
    scaled = weights * tilts
    return np.asarray(scaled / scaled.sum(axis=-1, keepdims=True)) if (tilts != 1.0).any() else weights


FAMILIES: Mapping[str, Family] = {
    "exponential_power": exponential_power,
    "steep": steep,
    "dolma": dolma,
    "basins": basins,
    "token_experts": token_experts,
}
"""Name of a family to what draws it."""
