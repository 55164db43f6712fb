"""Losses that fall with the passes over a domain's text and rise again where these become many.

A run of ``T`` tokens makes ``E_i = T w_i / available_i`` passes over domain ``i``. What a domain gives saturates with
the passes over it, and beyond some of them it is learnt by heart. As in laws fitted to public runs, each loss is

    f_j(w) = floor_j + exp(c_j - sum_i alpha_ji b_j(E_i) + sum_i beta_ji h_j(E_i) + u_j g_j(w))

with ``b(E) = 1 - exp(-((rho E + s)^kappa - s^kappa))``, which is the usual benefit but for its slope at zero, made
finite by a small ``s``, and the harm ``h(E) = softplus((E - (e^tau - 1)) / e^tau)``. ``g`` is a smooth random function
of the weights of standard deviation one that no law of epochs has; without it each loss is convex.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from bomix.contracts.preparation import DomainStats, Preparation
from bomix.errors import Fault
from bomix.evaluators.synthetic.functions import Integers
from bomix.evaluators.synthetic.scales import FLOOR, waves_at
from bomix.problem import Metric, Problem
from bomix.scale import Scale
from bomix.space.mixture_space import MixtureSpace
from bomix.space.polytope import Array

EPOCHS = "epochs"
"""The name of the family."""
RUN_TOKENS = 10_000_000_000
"""Tokens of a run: those of a small proxy. Only their ratio to what is available matters."""
MAX_EPOCHS = 64.0
"""Passes that a problem of the family allows: well beyond what helps, so that harm is seen."""
NATURAL_EPOCHS = 0.5
"""Passes of the natural mixture over every domain unless given: the pools hold two runs, as web crawls of a target do,
while the uniform mixture of 39 domains makes from a tenth to thirteen."""
SPREAD = 100.0
"""Tokens of the largest domain over those of the smallest: two orders of magnitude."""

_DOCUMENT, _BYTES = 1000, 4.0
"""Tokens of a document and bytes of a token: those of usual text, and nothing follows from them."""
_SMOOTH = 0.01
"""``s``: share of the epochs' scale by which the slope at zero is made finite."""
_RATES = (0.3, 1.0)
"""``rho`` in units of one pass of the natural mixture: a domain saturates between one and ten times its natural share,
whether or not it is repeated then."""
_POWERS = (0.7, 1.0)
"""``kappa``: not above one, so that the benefit is concave."""
_ONSETS = (1.1, 2.1)
"""``tau``: harm from two to seven passes on; public runs show little of it up to four."""
_TOTALS = (1.2, 1.8)
"""Sum of ``alpha`` of a loss: all domains together take off four fifths of what is above the floor."""
_HARM = 0.3
"""Mean of ``beta`` over the mean of ``alpha``: a domain at three harms' widths has lost what it gave."""
_SMALLER_IS_BETTER = 0.2
"""Power of the size with which ``alpha`` falls: small domains are curated ones, 2.5 times better at a hundredth."""
_OWN = 4.0
"""Factor of ``alpha`` of a loss's own domain."""
_WAVES = 64
"""Waves that ``g`` is the sum of: enough that it looks like a Gaussian process."""
_LENGTHSCALE = 1.2
"""Length over which ``g`` changes, in roots of weights, as between the scales of public runs."""
_SAMPLE = 4096
"""Mixtures over which ``g`` has standard deviation one: known to some per cent."""


@dataclass(frozen=True, eq=False)
class EpochsLosses:
    """The losses of the module.

    Attributes:
        passes: ``d`` passes over a domain of a run that is all of it.
        floor: ``m``; nats per token.
        c: ``m``.
        alpha: ``m x d``, not negative.
        beta: ``m x d``, not negative.
        rho: ``m``.
        kappa: ``m``, at most one.
        tau: ``m``.
        waves: ``d x f`` directions of the waves of ``g``.
        phases: ``f``.
        factors: ``f x m`` factors of the waves, ``u_j`` in them; zero where no deviation is wanted.
    """

    passes: Array
    floor: Array
    c: Array
    alpha: Array
    beta: Array
    rho: Array
    kappa: Array
    tau: Array
    waves: Array
    phases: Array
    factors: Array

    @property
    def convex(self) -> bool:
        """Whether the losses are those of a law, which are convex."""
        return not self.factors.any()

    @property
    def natural(self) -> Array:
        """The ``d`` shares of the domains in all available tokens."""
        return np.asarray(1.0 / self.passes / (1.0 / self.passes).sum())

    @property
    def tokens(self) -> list[int]:
        """Tokens available of the ``d`` domains."""
        return [round(RUN_TOKENS / passes) for passes in self.passes.tolist()]

    def __call__(self, weights: Array) -> Array:
        """Losses ``(...) x m`` of mixtures ``(...) x d``; nats per token."""
        return np.asarray(self.floor + np.exp(self.exponents(weights)))

    def exponents(self, weights: Array) -> Array:
        """What the exponential is taken of, ``(...) x m``."""
        epochs = np.asarray(weights)[..., None, :] * self.passes
        total = (
            self.c - (self.alpha * self._benefit(epochs)).sum(axis=-1) + (self.beta * self._harm(epochs)).sum(axis=-1)
        )
        return np.asarray(total if self.convex else total + waves_at(weights, self.waves, self.phases) @ self.factors)

    def gradient(self, weights: Array) -> Array:
        """Slopes ``(...) x d`` of the mean of the losses."""
        epochs = np.asarray(weights)[..., None, :] * self.passes
        base, kappa = np.maximum(self.rho[:, None] * epochs + _SMOOTH, 0.5 * _SMOOTH), self.kappa[:, None]
        of_benefit = (1.0 - self._benefit(epochs)) * kappa * self.rho[:, None] * base ** (kappa - 1.0)
        width = np.exp(self.tau)[:, None]
        of_harm = 0.5 * (1.0 + np.tanh(0.5 * (epochs - (width - 1.0)) / width)) / width
        slopes = (self.beta * of_harm - self.alpha * of_benefit) * self.passes
        if not self.convex:
            roots = np.sqrt(np.asarray(weights) + FLOOR)
            bends = -np.sin(roots @ self.waves + self.phases)
            of_roots = np.einsum("...f,fm,df->...md", bends, self.factors, self.waves, optimize=True)
            slopes = slopes + of_roots / (2.0 * roots[..., None, :])
        return np.asarray((np.exp(self.exponents(weights))[..., None] * slopes).mean(axis=-2))

    def _benefit(self, epochs: Array) -> Array:
        """What passes ``(...) x m x d`` give, from 0 to 1."""
        # Steps of differences leave the simplex by a little: the base stays positive there.
        base, kappa = np.maximum(self.rho[:, None] * epochs + _SMOOTH, 0.5 * _SMOOTH), self.kappa[:, None]
        return np.asarray(-np.expm1(-(base**kappa - _SMOOTH**kappa)))

    def _harm(self, epochs: Array) -> Array:
        """What passes ``(...) x m x d`` harm."""
        width = np.exp(self.tau)[:, None]
        return np.asarray(np.logaddexp(0.0, (epochs - (width - 1.0)) / width))


def epochs_losses(
    rng: np.random.Generator, d: int, own: Integers, *, natural_epochs: float = NATURAL_EPOCHS, misfit: float = 0.0
) -> EpochsLosses:
    """Draw losses; the tokens of the domains are spread evenly over :data:`SPREAD` in their logarithm.

    Args:
        rng: Source of all that is drawn. What a domain gives does not depend on the other arguments.
        d: Domains.
        own: ``m`` columns of the domains that have a metric.
        natural_epochs: Passes of the natural mixture over every domain; far below one, nothing is ever harmed.
        misfit: Share of the variance of the exponents, over mixtures about the natural one, that no law of epochs has.
    """
    m = len(own)
    sizes = SPREAD ** rng.permutation(np.linspace(0.0, 1.0, d) if d > 1 else np.ones(1))
    natural = sizes / sizes.sum()
    quality = rng.gamma(2.0, 0.5, d) * natural**-_SMALLER_IS_BETTER * rng.exponential(1.0, (m, d))
    quality[np.arange(m), own] *= _OWN
    alpha = rng.uniform(*_TOTALS, (m, 1)) * quality / quality.sum(axis=1, keepdims=True)
    beta = _HARM * alpha.mean(axis=1, keepdims=True) * rng.exponential(1.0, (m, d))
    floor, c = rng.uniform(1.5, 2.5, m), rng.uniform(0.6, 1.2, m)
    rho, kappa, tau = rng.uniform(*_RATES, m) / natural_epochs, rng.uniform(*_POWERS, m), rng.uniform(*_ONSETS, m)
    waves, phases = rng.standard_normal((d, _WAVES)) / _LENGTHSCALE, rng.uniform(0.0, 2.0 * np.pi, _WAVES)
    factors, sample = rng.standard_normal((_WAVES, m)), rng.dirichlet(natural * d, _SAMPLE)
    plain = EpochsLosses(
        natural_epochs / natural, floor, c, alpha, beta, rho, kappa, tau, waves, phases, np.zeros((_WAVES, m))
    )
    if not misfit:
        return plain
    heights = plain.exponents(sample).std(axis=0) * np.sqrt(misfit / (1.0 - misfit))
    factors *= heights / (waves_at(sample, waves, phases) @ factors).std(axis=0)
    return EpochsLosses(plain.passes, floor, c, alpha, beta, rho, kappa, tau, waves, phases, factors)


def tokens_known(problem: Problem, tokens: Mapping[str, int]) -> Problem:
    """A problem whose domains have so many tokens: what is natural, how often a run reads a domain, and caps of it."""
    total = sum(tokens.values())
    return replace(
        problem,
        space=MixtureSpace.from_tokens(tokens, budget=RUN_TOKENS, max_epochs=MAX_EPOCHS),
        natural={name: count / total for name, count in tokens.items()},
        scale=Scale(tokens=RUN_TOKENS),
        tokens=tokens,
        run_tokens=RUN_TOKENS,
        passes={name: RUN_TOKENS / count for name, count in tokens.items()},
    )


def preparation(metrics: tuple[Metric, ...], tokens: Mapping[str, int]) -> Preparation:
    """What an evaluator of these metrics says of its domains: their tokens, and those of a run, where there are any."""
    if not tokens:
        return Preparation(metrics)
    stats = {name: DomainStats(count, count // _DOCUMENT + 1, _BYTES) for name, count in tokens.items()}
    return Preparation(metrics, stats, Scale(tokens=RUN_TOKENS))


def epochs_faults(family: str, natural_epochs: float, misfit: float, *, several: bool) -> list[Fault]:
    """What is wrong with the keys of the family, or that they are given to another one.

    Args:
        family: The name of the family.
        natural_epochs: Passes of the natural mixture.
        misfit: Share of the variance that no law has.
        several: Whether the study has several scales.
    """
    found = []
    if not (math.isfinite(natural_epochs) and natural_epochs > 0.0):
        found.append(Fault("natural_epochs", f"natural_epochs is {natural_epochs:g}; give a number above 0"))
    if not 0.0 <= misfit < 1.0:
        found.append(Fault("misfit", f"misfit is {misfit:g}; give a share from 0, below 1"))
    if family != EPOCHS:
        given = {"natural_epochs": natural_epochs != NATURAL_EPOCHS, "misfit": misfit != 0.0}
        text = f"the family '{family}' knows no passes over its text; leave it out, or take '{EPOCHS}'"
        found += [Fault(name, text) for name, is_given in given.items() if is_given]
    elif several:
        found.append(Fault("family", "its passes are those of runs of one length; take another, or one scale"))
    return found
