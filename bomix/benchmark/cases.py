"""The cases that methods are compared on: functions with a known optimum, and a budget of trials."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from bomix.benchmark.pools import Pool
from bomix.contracts.traits import field_values
from bomix.evaluators.synthetic import worst
from bomix.evaluators.synthetic.emulator_families import EMULATORS, REGMIX
from bomix.evaluators.synthetic.families import SCORES
from bomix.evaluators.synthetic.spec import SKEWED, Synthetic
from bomix.objectives.robust import Excess
from bomix.problem import Problem
from bomix.space.polytope import Array

_DESIGN, _NOISE, _METHOD, _POOL = range(4)
"""What a seed decides besides the function; each has random numbers of its own."""
_SAME = 1e-6
"""Largest difference of a weight from that of the uniform mixture in a run of it: rounding, no other mixture."""


@dataclass(frozen=True)
class Case:
    """A function, and how many trials there are to find its optimum.

    Every method sees the same design and, in the same trial, the same noise.

    Attributes:
        function: The function; its own seed gives way to that of the run.
        budget: Trials, those of the design included.
        design: Trials of the shared Sobol design.
        checks: Trials after which methods recommend a mixture, besides the last.
        anchors: Whether the design begins with the uniform mixture.
        redrawn: Whether each seed has a function of its own, or all have that of the spec.
        judged: What is minimised: the ``mean`` of the metrics, or ``excess``, the largest one of a metric over the
            uniform mixture, which methods know only from noisy runs; the design has to begin with it (``anchors``).
        pool: Mixtures that alone can be run, drawn with the seed, uniform on the simplex; 0 for all of the space.
            There is no shared design then: which of them come first is the method's choice.
    """

    function: Synthetic
    budget: int
    design: int
    checks: tuple[int, ...] = ()
    anchors: bool = False
    redrawn: bool = True
    judged: Literal["mean", "excess"] = "mean"
    pool: int = 0

    def drawn(self, seed: int) -> Synthetic:
        """The function of a seed."""
        return replace(self.function, seed=seed) if self.redrawn else self.function

    def problem(self, seed: int) -> Problem:
        """What a method may know of the function of a seed: space, metrics, objective, budget, pool."""
        problem = self.drawn(seed).problem(budget=self.budget)
        if self.pool:
            problem = replace(problem, pool=tuple(map(tuple, self._mixtures(seed).tolist())))
        return problem if self.judged == "mean" else replace(problem, objective=Excess())

    def regret(self, seed: int, weights: Array) -> float:
        """By how much ``d`` weights are worse than the optimum of the function of a seed; true values."""
        function = self.drawn(seed)
        return float(function.regret(weights) if self.judged == "mean" else worst.regret(function, weights))

    def observed(self, tried: Sequence[Array], losses: Sequence[Array]) -> list[float]:
        """The objective of trials as they came out: of ``n`` mixtures their ``n`` rows of ``m`` losses, with noise.

        An excess is that over the mean of the runs of the uniform mixture among them.
        """
        if self.judged == "mean":
            return [float(row.mean()) for row in losses]
        uniform = 1.0 / len(tried[0])
        reference = [row for point, row in zip(tried, losses, strict=True) if np.abs(point - uniform).max() < _SAME]
        return [float((row - np.mean(reference, axis=0)).max()) for row in losses]

    def table(self, seed: int) -> Pool | None:
        """The pool of a seed with the one result of each of its mixtures; None where all of the space can be run."""
        if not self.pool:
            return None
        mixtures = self._mixtures(seed)
        losses = np.array([self.observe(seed, row, mixture) for row, mixture in enumerate(mixtures)])
        return Pool(mixtures, losses, self.drawn(seed).value(mixtures))

    def _mixtures(self, seed: int) -> Array:
        """The mixtures of the pool, ``pool x d``."""
        d = len(self.function.domain_names)
        return np.random.default_rng(_seed_for(seed, _POOL)).dirichlet(np.ones(d), self.pool)

    def design_points(self, seed: int) -> Array:
        """The shared design, ``design x d``."""
        space = self.drawn(seed).problem().space
        points = space.snap(space.sobol(self.design, seed=_seed_for(seed, _DESIGN)))
        if self.anchors:
            points[0] = space.uniform()
        return points

    def observe(self, seed: int, trial: int, weights: Array) -> Array:
        """The ``m`` losses of a mixture tried in a trial; the noise is that of the trial, whoever proposed it."""
        return self.drawn(seed).observe(weights, entropy=[seed, _NOISE, trial])

    def method_seed(self, seed: int) -> int:
        """The seed that a method starts with."""
        return _seed_for(seed, _METHOD)

    def recommending(self) -> tuple[int, ...]:
        """Numbers of trials after which methods recommend, ascending; not that at which all of a pool is known."""
        inside = {check for check in self.checks if self.design <= check <= self.budget}
        return tuple(sorted(inside if self.pool else {*inside, self.budget}))


def _seed_for(seed: int, purpose: int) -> int:
    """A seed for one purpose, below 2^32."""
    return int(np.random.SeedSequence([seed, purpose]).generate_state(1)[0])


def fingerprint(case: Case) -> str:
    """A checksum of a case, which changes with every field that is not at its default."""
    return f"{zlib.crc32(repr(_non_defaults(case)).encode()):08x}"


def _non_defaults(spec: object) -> object:
    """The fields of a spec that differ from their defaults: a new field with a default leaves old results valid."""
    if not dataclasses.is_dataclass(spec):
        return spec
    pairs = zip(dataclasses.fields(spec), field_values(spec).values(), strict=True)
    return [(field.name, _non_defaults(value)) for field, value in pairs if value != field.default]


def _skewed(domains: int, budget: int, design: int, *checks: int) -> Case:
    return Case(Synthetic(domains=domains, useless=round(SKEWED * domains)), budget, design, checks)


def _worst(domains: int, budget: int, design: int, *checks: int) -> Case:
    """A skewed case of which the largest excess over the uniform mixture is judged."""
    return replace(_skewed(domains, budget, design, *checks), anchors=True, judged="excess")


GOALS: Mapping[str, Case] = {
    "7-useless": _skewed(7, 40, 14, 14, 20, 26, 32),
    "17-regmix": Case(Synthetic(family="regmix"), 64, 32, (32, 40, 48, 56), redrawn=False),
    "20-useless": _skewed(20, 56, 32, 32, 40, 48),
    "50-useless": _skewed(50, 72, 36, 36, 48, 60),
    "100": Case(Synthetic(domains=100), 150, 60, (60, 90, 120)),
    "7-dolma": Case(Synthetic(family="dolma"), 112, 32, (32, 42, 52, 72, 92)),
}
"""The main cases; ``7-dolma`` stands in for the hard case of [Lindenau]_."""

_LAWS = ("exponential", "own_exponential", "bimix", "log_linear", "effective_power", "additive", "autoscale")


def _plain(family: str, domains: int, *, useless: int = 0, vertex_noise: float = 1.0, tilt: float = 0.0) -> Case:
    """A case with a design of two more trials than domains, at least 8, and as many trials again, at least 20."""
    design = max(8, domains + 2)
    function = Synthetic(family=family, domains=domains, useless=useless, vertex_noise=vertex_noise, tilt=tilt)
    return Case(function, design + max(20, design), design, (design, design + 10))


def _scores(noise_share: float) -> Case:
    """A pool of the shape of a published table: 76 mixtures of 19 domains, 17 scores."""
    function = Synthetic(family=SCORES, domains=19, useless=2, noise_share=noise_share)
    return Case(function, 76, 0, (20,), pool=76)


POOLS: Mapping[str, Case] = {
    "19-noisy-pool": _scores(0.7),
    "19-noisier-pool": _scores(0.85),
    "20-quiet-pool": Case(Synthetic(domains=20, useless=8), 60, 0, (10,), pool=60),
    "7-quiet-pool": Case(Synthetic(domains=7, useless=3), 60, 0, (10,), pool=60),
}
"""Tables of runs of which one is revealed with each trial; in the first two single metrics are mostly noise."""


def _seen_otherwise(name: str, **changes: object) -> Case:
    """A main case of which less is known: its metrics are not named after domains, or only means of them are seen."""
    return replace(GOALS[name], function=replace(GOALS[name].function, **changes))  # type: ignore[arg-type]


UNNAMED: Mapping[str, Case] = {
    "50-useless-unnamed": _seen_otherwise("50-useless", named=False),
    "50-tasks-named": _seen_otherwise("50-useless", family="tasks"),
    "50-tasks": _seen_otherwise("50-useless", family="tasks", named=False),
    "50-groups": _seen_otherwise("50-useless", groups=5),
    "50-mean": _seen_otherwise("50-useless", groups=1),
    "100-unnamed": _seen_otherwise("100", named=False),
    "100-tasks-named": _seen_otherwise("100", family="tasks"),
    "100-tasks": _seen_otherwise("100", family="tasks", named=False),
    "7-useless-unnamed": _seen_otherwise("7-useless", named=False),
    "20-useless-unnamed": _seen_otherwise("20-useless", named=False),
    "20-groups": _seen_otherwise("20-useless", groups=4),
    "20-mean": _seen_otherwise("20-useless", groups=1),
}
"""The main cases once more, to be read beside them: the same functions, budgets and noise, and less to go by."""

CASES: Mapping[str, Case] = {
    **GOALS,
    **UNNAMED,
    **{
        f"17-{family.replace('_', '-')}": Case(Synthetic(family=family), 64, 32, redrawn=False)
        for family in EMULATORS
        if family != REGMIX
    },
    **POOLS,
    "100-useless": _skewed(100, 150, 60, 60, 90, 120),
    **{f"{domains}-{law}": _plain(law, domains) for law in _LAWS for domains in (2, 3, 5, 7, 20, 50, 100)},
    **{f"{domains}-steep": _plain("steep", domains) for domains in (2, 7, 20)},
    **{f"{domains}-steep-useless": _plain("steep", domains, useless=round(SKEWED * domains)) for domains in (7, 20)},
    **{f"{domains}-basins": _plain("basins", domains) for domains in (2, 5, 7)},
    **{f"{domains}-tokens": _plain("token_experts", domains) for domains in (7, 20)},
    **{f"{domains}-vertex-noise": _plain("exponential_power", domains, vertex_noise=5.0) for domains in (7, 20)},
    "7-tilted": _plain("exponential_power", 7, tilt=0.5),
    "7-worst": _worst(7, 40, 14, 14, 20, 26, 32),
    "20-worst": _worst(20, 56, 32, 32, 40, 48),
}
"""Name to case: the main ones, every law of the core, and what else mixtures are known for."""

SMOKE: Mapping[str, Case] = {
    "smoke-3": Case(Synthetic(domains=3, useless=1), 14, 8, (8,)),
    "smoke-7": _skewed(7, 20, 14, 14),
}
"""Cases that take seconds, to see that everything runs."""
