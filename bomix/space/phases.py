"""Two phases of a training: names of their weights, and what leads from mixtures of each to those of the whole run.

A run of two phases reads one mixture first and another one last. It is a point of twice as many weights as there are
domains, called ``anneal:web``: shares of all tokens of the run, so that they sum to one and those of a phase to its
share. A run whose mixtures are the same in both phases is *tied*; its aggregate, the mixture of the whole run, says
all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from bomix.space.weights import SAME_MIXTURE, Weights

if TYPE_CHECKING:
    from bomix.space.polytope import Array

BETWEEN = ":"
"""What stands between the name of a phase, which has none, and that of a domain."""
WHOLE = "whole"
"""What the mixture of the whole run is asked for by, where a trainer is to read one; no phase is called so."""


@dataclass(frozen=True)
class Phases:
    """Two phases and the domains that both are mixtures of.

    Example:
        >>> phases = Phases(("pretrain", "anneal"), (0.8, 0.2), ("code", "web"))
        >>> weights = phases.joint({"pretrain": {"code": 0.25, "web": 0.75}, "anneal": {"code": 1.0, "web": 0.0}})
        >>> weights["pretrain:web"], weights["anneal:code"]  # shares of all tokens
        (0.6, 0.2)
        >>> {name: round(share, 9) for name, share in phases.aggregate(weights).items()}
        {'code': 0.4, 'web': 0.6}
        >>> phases.is_tied(weights), phases.is_tied(phases.tied({"code": 0.4, "web": 0.6}))
        (False, True)

    Attributes:
        names: What the two are called, in the order of the training.
        shares: Share of the run's tokens that each has; they sum to one.
        domains: ``d`` names, sorted.
    """

    names: tuple[str, ...]
    shares: tuple[float, ...]
    domains: tuple[str, ...]

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the ``2 d`` weights, sorted."""
        return tuple(sorted(self.column(phase, domain) for phase in self.names for domain in self.domains))

    @staticmethod
    def column(phase: str, domain: str) -> str:
        """What the weight of a domain in a phase is called."""
        return f"{phase}{BETWEEN}{domain}"

    @cached_property
    def share(self) -> dict[str, float]:
        """Phase to its share of the tokens."""
        return dict(zip(self.names, self.shares, strict=True))

    @cached_property
    def sums(self) -> Array:
        """``2 d x d`` matrix that adds the weights of a domain in both phases: ``points @ sums`` are aggregates."""
        at = {self.column(phase, domain): i for phase in self.names for i, domain in enumerate(self.domains)}
        found = np.zeros((len(self.columns), len(self.domains)))
        found[np.arange(len(self.columns)), [at[name] for name in self.columns]] = 1.0
        return found

    def part(self, phase: str) -> Array:
        """The ``2 d x d`` matrix by which points are multiplied to have their mixtures of a phase."""
        chosen = np.array([name.startswith(phase + BETWEEN) for name in self.columns])
        return np.asarray(self.sums * chosen[:, None] / self.share[phase])

    @cached_property
    def spread(self) -> Array:
        """``d x 2 d`` matrix: ``points @ spread`` are the tied points of ``n x d`` aggregates."""
        shares = np.array([self.share[name.partition(BETWEEN)[0]] for name in self.columns])
        return np.asarray((self.sums * shares[:, None]).T)

    def split(self, weights: Weights) -> dict[str, dict[str, float]]:
        """Phase to its mixture, the first phase first."""
        return {
            phase: {domain: weights[self.column(phase, domain)] / share for domain in self.domains}
            for phase, share in self.share.items()
        }

    def aggregate(self, weights: Weights) -> dict[str, float]:
        """The mixture of the whole run; of other amounts by phase and domain, passes say, their sums."""
        return {
            domain: math.fsum(weights[name] for phase in self.names if (name := self.column(phase, domain)) in weights)
            for domain in self.domains
        }

    def joint(self, mixtures: Mapping[str, Weights]) -> dict[str, float]:
        """The weights of a run from the mixture of each phase."""
        found = {
            self.column(phase, domain): self.share[phase] * mixtures[phase][domain]
            for phase in self.names
            for domain in self.domains
        }
        return {name: found[name] for name in self.columns}

    def tied(self, weights: Weights) -> dict[str, float]:
        """The weights of a run that reads one mixture in both phases."""
        return self.joint(dict.fromkeys(self.names, weights))

    def is_tied(self, weights: Weights) -> bool:
        """Whether both phases have one mixture."""
        first, last = self.split(weights).values()
        return all(abs(first[name] - last[name]) <= SAME_MIXTURE for name in self.domains)

    def are_columns(self, names: Sequence[str]) -> bool:
        """Whether names are those of weights by phase, not those of domains."""
        return any(name in self.columns for name in names)
