"""The cases that methods are compared on: functions with a known optimum, and a budget of trials."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from bomix.contracts.traits import field_values
from bomix.evaluators.synthetic.spec import SKEWED, Synthetic
from bomix.space.polytope import Array

_DESIGN, _NOISE, _METHOD = range(3)
"""What a seed decides besides the function; each has random numbers of its own."""


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
    """

    function: Synthetic
    budget: int
    design: int
    checks: tuple[int, ...] = ()
    anchors: bool = False
    redrawn: bool = True

    def drawn(self, seed: int) -> Synthetic:
        """The function of a seed."""
        return replace(self.function, seed=seed) if self.redrawn else self.function

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
        """Numbers of trials after which methods recommend, ascending."""
        inside = {check for check in self.checks if self.design <= check <= self.budget}
        return tuple(sorted({*inside, self.budget}))


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
    "100-useless": _skewed(100, 150, 60, 60, 90, 120),
    **{f"{domains}-{law}": _plain(law, domains) for law in _LAWS for domains in (2, 3, 5, 7, 20, 50, 100)},
    **{f"{domains}-steep": _plain("steep", domains) for domains in (2, 7, 20)},
    **{f"{domains}-steep-useless": _plain("steep", domains, useless=round(SKEWED * domains)) for domains in (7, 20)},
    **{f"{domains}-basins": _plain("basins", domains) for domains in (2, 5, 7)},
    **{f"{domains}-tokens": _plain("token_experts", domains) for domains in (7, 20)},
    **{f"{domains}-vertex-noise": _plain("exponential_power", domains, vertex_noise=5.0) for domains in (7, 20)},
    "7-tilted": _plain("exponential_power", 7, tilt=0.5),
}
"""Name to case: the main ones, every law of the core, and what else mixtures are known for."""

SMOKE: Mapping[str, Case] = {
    "smoke-3": Case(Synthetic(domains=3, useless=1), 14, 8, (8,)),
    "smoke-7": _skewed(7, 20, 14, 14),
}
"""Cases that take seconds, to see that everything runs."""
