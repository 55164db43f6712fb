"""Functions on the simplex whose optimum is known: benchmarks, and studies that end before the coffee is ready."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from bomix.config.build import FILLED
from bomix.contracts.preparation import Preparation
from bomix.errors import ConfigError, Fault, did_you_mean, raise_faults
from bomix.evaluators.synthetic.emulator_families import EMULATORS, load
from bomix.evaluators.synthetic.epochs import (
    EPOCHS,
    NATURAL_EPOCHS,
    EpochsLosses,
    epochs_faults,
    epochs_losses,
    preparation,
    tokens_known,
)
from bomix.evaluators.synthetic.families import FAMILIES, MOST_DOMAINS, SCORES, fixed_domains
from bomix.evaluators.synthetic.functions import Losses, TokenExperts, tilted
from bomix.evaluators.synthetic.laws import LAW_FAMILIES
from bomix.evaluators.synthetic.observed import group_means, numbered
from bomix.evaluators.synthetic.optimum import FEW_STARTS, STARTS, best_known, minimum
from bomix.evaluators.synthetic.scales import below_target
from bomix.io.artifacts import scored_tokens
from bomix.objectives.weighted import Mean
from bomix.problem import Metric, Problem
from bomix.scale import Scale
from bomix.space.mixture_space import MixtureSpace
from bomix.space.polytope import Array
from bomix.trial import EXPERT, SCORED_TOKENS, Result, Trial

SKEWED = 0.4
"""Share of the domains that is useless in the skewed form of a family: 3 of 7, 8 of 20, 20 of 50."""

_DOMAINS = 7
"""Domains where their number is not given: as in the tables of published studies with few domains."""
_OF_SCALE = 2**31
"""Word that sets the random numbers of the scale apart from all others of a seed: larger than any count of domains."""
_VARIED = 4096
"""Mixtures, even over the simplex, from which the variance of the losses is taken: it is known to some per cent."""
_GRID = 1e9
"""Mixtures that agree to this many parts are one for the noise."""


@dataclass(frozen=True)
class Synthetic:
    """Losses from a formula, with noise; one metric for each useful domain, of the same name (not of ``scores``).

    The objective that :meth:`optimum` minimises is the mean of the metrics.

    Attributes:
        family: Key of :data:`~bomix.evaluators.synthetic.families.FAMILIES`, or an emulator of RegMix's runs, of
            :data:`~bomix.evaluators.synthetic.emulator_families.EMULATORS`.
        domains: Names, or how many: ``d0``, ``d1``, ...; None for 7, or those that the family has.
        useless: Domains without a metric of their own, which domains is drawn.
        seed: Seed of the drawn function; another seed is another function.
        noise: Standard deviation of the mean of the metrics at the uniform mixture, nats per token.
        common: Share of that variance that moves all metrics together; the rest is each metric's own.
        vertex_noise: Standard deviation at a vertex, in units of that at the uniform mixture.
        tilt: How far from the target's scale this one is. At 0 it is the target's; at another a token of domain
            ``i`` does the work of ``exp(tilt z_i)`` tokens, ``z_i`` in N(0, 1), and losses are higher, so that the
            optimum is another mixture with the same domains, and known.
        noise_share: Share of the noise in the variance of the metrics over the simplex, all of them taken together,
            which have the same noise: from 0, below 1. It takes the place of ``noise``.
        named: Whether metrics have the names of their domains; else they are ``m0``, ``m1``, ... of the same function.
        groups: Where above 0, all that is observed are the means of so many groups of metrics of equal size, ``g0``,
            ``g1``, ...; 1 for the mean alone.
        agreement: Rank agreement (Spearman) of the mean of the metrics between neighbouring scales of a study that has
            several; at the target it is the function of the seed, see :mod:`bomix.evaluators.synthetic.scales`.
        below: How many scales below the target this function is; above 0 its optimum is another mixture, and known.
        natural_epochs: Passes of the natural mixture over every domain, where the family is ``epochs``, in a run of
            :data:`~bomix.evaluators.synthetic.epochs.RUN_TOKENS`; far below one, 0.005 say, no domain is ever repeated.
        misfit: Share of the variance of the logarithm above the floor that no law of epochs explains, where the
            family is ``epochs``: from 0, where the losses are such a law, below 1.
        scales: The scales of the study up to the target, the cheapest first: a trial of one is measured at its own.
    """

    family: str = "exponential_power"
    domains: int | tuple[str, ...] | None = None
    useless: int = 0
    seed: int = 0
    noise: float = 0.01
    common: float = 0.5
    vertex_noise: float = 1.0
    tilt: float = 0.0
    noise_share: float | None = None
    named: bool = True
    groups: int = 0
    agreement: float = 0.8
    below: int = 0
    natural_epochs: float = NATURAL_EPOCHS
    misfit: float = 0.0
    scales: tuple[Scale, ...] = field(default=(), metadata={FILLED: "scales"})

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        found = []
        known = (*FAMILIES, *EMULATORS)
        if self.family not in known:
            text = f"unknown family '{self.family}'{did_you_mean(self.family, known)}"
            return [Fault("family", f"{text} (known: {', '.join(known)})")]
        if isinstance(self.domains, int) and self.domains > MOST_DOMAINS:
            return [Fault("domains", f"expected at most {MOST_DOMAINS:,} domains, found {self.domains:,}")]
        fixed = fixed_domains(self.family)
        count = len(self.domain_names)
        if fixed is not None and (self.useless or self.domain_names != fixed):
            text = f"family '{self.family}' has its own {len(fixed)} domains; leave 'domains' and 'useless' out"
            found.append(Fault("domains", text))
        if count < 1:
            found.append(Fault("domains", "there is no domain; name at least one"))
        if isinstance(self.domains, tuple) and len(set(self.domains)) < count:
            found.append(Fault("domains", "a domain is named more than once; name it once"))
        if not 0 <= self.useless < max(count, 1):
            found.append(Fault("useless", f"useless is {self.useless} of {count} domains; leave one with a metric"))
        if self.seed < 0:
            found.append(Fault("seed", f"seed is {self.seed}; give 0 or more"))
        if self.noise < 0.0:
            found.append(Fault("noise", f"noise is {self.noise:g}; a standard deviation is not negative"))
        if self.noise_share is not None and not 0.0 <= self.noise_share < 1.0:
            found.append(Fault("noise_share", f"noise_share is {self.noise_share:g}; give a share from 0, below 1"))
        if not 0.0 <= self.common <= 1.0:
            found.append(Fault("common", f"common is {self.common:g}; it is a share of the variance, from 0 to 1"))
        if self.vertex_noise < 0.0:
            found.append(Fault("vertex_noise", f"vertex_noise is {self.vertex_noise:g}; give 0 or more"))
        metrics = len(load(self.family).metrics) if self.family in EMULATORS else count - self.useless
        if self.groups < 0 or (self.groups and metrics % self.groups):
            found.append(Fault("groups", f"groups is {self.groups}; give a divisor of the {metrics} metrics, or 0"))
        if self.groups and self.scores_tokens:
            found.append(Fault("groups", "experts score the tokens of single metrics; take another family, or 0"))
        found += epochs_faults(self.family, self.natural_epochs, self.misfit, several=bool(self.scales))
        return found + self._scale_faults()

    def _scale_faults(self) -> list[Fault]:
        """What is wrong with the keys that speak of several scales."""
        found = []
        if not 0.0 < self.agreement < 1.0:
            found.append(
                Fault("agreement", f"agreement is {self.agreement:g}; give a rank correlation between 0 and 1")
            )
        if self.below < 0:
            found.append(Fault("below", f"below is {self.below}; give 0 for the target, 1 for the scale below it, ..."))
        if (self.below or self.scales) and (self.tilt or self.family == "token_experts"):
            what = "its experts score tokens of one scale" if not self.tilt else "'tilt' speaks of another scale, too"
            found.append(Fault("family" if not self.tilt else "tilt", f"{what}; leave it out, or the study's scales"))
        return found

    def at(self, scale: Scale | None) -> Synthetic:
        """The function at one of the study's scales; this one where the study has no other.

        Raises:
            ConfigError: The study has several scales, and this is none of them.
        """
        if not self.scales or scale is None:
            return self
        if scale not in self.scales:
            known = ", ".join(map(str, self.scales))
            raise ConfigError(f"the function is not known at {scale}; the study's scales are {known}")
        return replace(self, below=len(self.scales) - 1 - self.scales.index(scale), scales=())

    @property
    def domain_names(self) -> tuple[str, ...]:
        """``d`` names, sorted, the columns of every array."""
        if isinstance(self.domains, tuple):
            return tuple(sorted(self.domains))
        if self.domains is None and (fixed := fixed_domains(self.family)) is not None:
            return fixed
        return numbered("d", _DOMAINS if self.domains is None else self.domains)

    @property
    def metrics(self) -> tuple[str, ...]:
        """``m`` names: those of the useful domains, the emulator's, or names that are no domain's."""
        names = _drawn(self).metrics
        if self.groups:
            return numbered("g", self.groups)
        return names if self.named else numbered("m", len(names))

    @property
    def tokens(self) -> dict[str, int]:
        """Tokens available of each domain, whole; empty but of the family ``epochs``."""
        if self.family != EPOCHS:
            return {}
        losses = _drawn(replace(self, below=0)).losses
        assert isinstance(losses, EpochsLosses)
        return dict(zip(self.domain_names, losses.tokens, strict=True))

    @property
    def convex(self) -> bool:
        """Whether the optimum is proven; elsewhere it is the best known, from many starts."""
        return _drawn(self).losses.convex

    @property
    def sources(self) -> tuple[Array, Array]:
        """Token probabilities of the domains, ``d x v``, and of the validation sets, ``m x v``.

        Raises:
            ConfigError: The family is not ``token_experts``.
        """
        losses = _drawn(self).losses
        if not isinstance(losses, TokenExperts):
            raise ConfigError(f"family '{self.family}' has no tokens; take 'token_experts' (family)")
        return losses.sources, losses.validation

    def losses(self, weights: Array) -> Array:
        """True losses ``(...) x m`` of mixtures ``(...) x d``, those that are observed; nats per token."""
        return group_means(self._every_loss(weights), self.groups)

    def value(self, weights: Array) -> Array:
        """True objective ``(...)`` of mixtures ``(...) x d``: the mean of the losses."""
        return np.asarray(self._every_loss(weights).mean(axis=-1))

    def gradient(self, weights: Array) -> Array:
        """Slopes ``(...) x d`` of :meth:`value`."""
        drawn, array = _drawn(self), np.asarray(weights, dtype=float)
        if not self.tilt:
            return drawn.losses.gradient(array)
        scaled = array * drawn.tilts
        total = scaled.sum(axis=-1, keepdims=True)
        inner = drawn.losses.gradient(scaled / total)
        return np.asarray(drawn.tilts / total * (inner - (inner * scaled).sum(axis=-1, keepdims=True) / total))

    def optimum(self) -> tuple[Array, float]:
        """The best mixture, ``d`` weights, and its value.

        Within 1e-8 of the minimum for convex families; the best known for the others.
        """
        drawn = _drawn(self)
        plain = replace(self, tilt=0.0, noise=0.0, noise_share=None, named=True, groups=0, scales=())
        weights, value = _optimum(plain if self.below else replace(plain, agreement=Synthetic.agreement))
        return tilted(weights, 1.0 / drawn.tilts), value + drawn.offset

    def regret(self, weights: Array) -> Array:
        """How much worse than the optimum mixtures ``(...) x d`` are, ``(...)``; true values."""
        return np.asarray(self.value(weights) - self.optimum()[1])

    def noise_sds(self, weights: Array) -> tuple[Array, Array]:
        """Standard deviations ``(...)`` of the common noise and of each metric's own.

        The mean of the metrics then has ``common * noise^2`` from the first and, as the own noises of ``m`` metrics
        average, ``(1 - common) * noise^2`` from ``m`` times that variance in each.
        """
        array = np.asarray(weights, dtype=float)
        d, m = array.shape[-1], len(_drawn(self).metrics)
        concentration = ((array**2).sum(axis=-1) - 1.0 / d) / max(1.0 - 1.0 / d, 1e-12)
        noise = self.noise if self.noise_share is None else _noise_of_share(self)
        sd = noise * (1.0 + (self.vertex_noise - 1.0) * concentration)
        return np.asarray(math.sqrt(self.common) * sd), np.asarray(math.sqrt((1.0 - self.common) * m) * sd)

    def observe(self, weights: Array, *, entropy: Sequence[int]) -> Array:
        """Losses ``m`` of one mixture ``d`` with noise that ``entropy``, integers from 0, decides."""
        count = len(_drawn(self).metrics)
        draws = np.random.default_rng(np.random.SeedSequence([*entropy])).standard_normal(1 + count)
        common, own = self.noise_sds(weights)
        return group_means(self._every_loss(weights) + common * draws[0] + own * draws[1:], self.groups)

    def problem(self, *, budget: int | None = None) -> Problem:
        """What a strategy may know: the space, the metrics, their mean; tokens and passes where there are any."""
        problem = Problem(MixtureSpace(self.domain_names), tuple(map(Metric, self.metrics)), Mean(), budget=budget)
        return tokens_known(problem, self.tokens) if self.tokens else problem

    def prepare(self, domains: Sequence[str]) -> Preparation:
        """See :class:`bomix.contracts.evaluator.PreparingEvaluator`.

        Raises:
            FaultsError: The study has other domains.
        """
        if tuple(sorted(domains)) != self.domain_names:
            text = f"the study's domains are not {', '.join(self.domain_names)}; name them here"
            raise_faults([Fault("evaluator.domains", text)])
        return preparation(tuple(map(Metric, self.metrics)), self.tokens)

    def evaluate(self, trial: Trial, workdir: Path) -> Result:
        """See :class:`bomix.contracts.evaluator.Evaluator`.

        The noise is decided by the function's seed, the trial's and the mixture: the same trial comes back with the
        same losses, another seed or another mixture with noise of its own.
        """
        weights = np.array([trial.weights[name] for name in self.domain_names], dtype=float)
        parts = np.rint(weights * _GRID).astype(np.int64).tolist()
        function = self.at(trial.scale)
        # At the target the noise is what it is without other scales; below, a run has noise of its own.
        entropy = [self.seed, trial.seed, *(max(part, 0) for part in parts), *([function.below] * (function.below > 0))]
        observed = function.observe(weights, entropy=entropy)
        artifacts = {}
        if trial.origin == EXPERT and self.scores_tokens:
            artifacts[SCORED_TOKENS] = SCORED_TOKENS
            losses = _drawn(self).losses
            assert isinstance(losses, TokenExperts)
            sets = dict(zip(self.metrics, losses.scored(weights), strict=True))
            scored_tokens.write(workdir / SCORED_TOKENS, sets, tokenizer=f"{self.family} {self.seed}")
        return Result(dict(zip(self.metrics, observed.tolist(), strict=True)), artifacts=artifacts)

    def _every_loss(self, weights: Array) -> Array:
        """True losses of all metrics, those that are observed only in their groups' means included."""
        drawn = _drawn(self)
        return np.asarray(drawn.losses(tilted(np.asarray(weights, dtype=float), drawn.tilts)) + drawn.offset)

    @property
    def preload(self) -> tuple[str, ...]:
        """What a law is computed with is imported once, before the processes of trials are forked."""
        return ("bomix.laws.formulas",) if self.family in LAW_FAMILIES else ()

    @property
    def scores_tokens(self) -> bool:
        """Whether experts leave behind what they make of every token: only where there are tokens."""
        return self.family == "token_experts"


@dataclass(frozen=True, eq=False)
class _Drawn:
    """What a spec stands for: the losses, the metrics' names, how the scale differs from the target's."""

    losses: Losses
    metrics: tuple[str, ...]
    tilts: Array
    offset: float


@lru_cache(maxsize=256)
def _drawn(spec: Synthetic) -> _Drawn:
    raise_faults(spec.faults(), "this synthetic function cannot be drawn")
    d = len(spec.domain_names)
    of_scale = np.random.default_rng(np.random.SeedSequence([spec.seed, d, _OF_SCALE])).standard_normal(d)
    tilts, offset = np.exp(spec.tilt * of_scale), 0.5 * abs(spec.tilt)

    def drawn(target: Losses, metrics: tuple[str, ...]) -> _Drawn:
        losses = below_target(target, d, agreement=spec.agreement, seed=spec.seed, below=spec.below)
        return _Drawn(losses, metrics, tilts, offset)

    if spec.family in EMULATORS:
        found = load(spec.family)
        return drawn(found, found.metrics)
    place = list(FAMILIES).index(spec.family)  # new families are appended: what was drawn stays what it was
    rng = np.random.default_rng(np.random.SeedSequence([spec.seed, d, spec.useless, place]))
    own = np.sort(rng.permutation(d)[: d - spec.useless])
    names = tuple(spec.domain_names[column] for column in own)
    if spec.family == SCORES:
        names = tuple(f"score_{number:02d}" for number in range(len(own)))
    if spec.family == EPOCHS:
        return drawn(epochs_losses(rng, d, own, natural_epochs=spec.natural_epochs, misfit=spec.misfit), names)
    return drawn(FAMILIES[spec.family](rng, d, own), names)


@lru_cache(maxsize=256)
def _optimum(spec: Synthetic) -> tuple[Array, float]:
    """The best mixture, ``d`` weights, and its value, of a function without tilt."""

    def function(points: Array) -> tuple[Array, Array]:
        return spec.value(points), spec.gradient(points)

    d = len(spec.domain_names)
    if spec.convex:
        return minimum(function, np.full(d, 1.0 / d))
    if spec.family in EMULATORS and not spec.below:
        return minimum(function, load(spec.family).best, local=True)
    few = bool(spec.below) or spec.family == EPOCHS
    return best_known(function, d, starts=FEW_STARTS if few else STARTS)


@lru_cache(maxsize=256)
def _noise_of_share(spec: Synthetic) -> float:
    """The standard deviation of the mean's noise of which each metric's is the stated share of the variance."""
    d, m = len(spec.domain_names), len(spec.metrics)
    varied = spec.losses(np.random.default_rng(0).dirichlet(np.ones(d), _VARIED)).var(axis=0).mean()
    assert spec.noise_share is not None
    of_each = varied * spec.noise_share / (1.0 - spec.noise_share)
    return math.sqrt(of_each / (spec.common + (1.0 - spec.common) * m))
