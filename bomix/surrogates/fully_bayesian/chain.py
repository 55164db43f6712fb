"""How posterior draws are made: the part that all specifications of this package share, without Pyro."""

from __future__ import annotations

from dataclasses import dataclass

from bomix.errors import Fault

LEAST_WARMUP = 20
"""Steps that the sampler needs to find a step size at all."""

LEAST_DRAWS = 4
"""Draws of a chain that Pyro's split diagnostics need: each half must have a variance."""


@dataclass(frozen=True)
class ChainSettings:
    """Draws of a No-U-Turn sampler.

    Attributes:
        warmup: Steps of each chain that adapt the sampler and are thrown away.
        samples: Draws that are kept, all chains together.
        thinning: One draw of so many is kept.
        chains: Independent chains, side by side.
        max_tree_depth: A step evaluates the density at most ``2^max_tree_depth`` times.
        target_accept: Acceptance that the step size aims at; higher means smaller steps.
    """

    warmup: int
    samples: int
    thinning: int
    chains: int
    max_tree_depth: int
    target_accept: float

    @property
    def draws_per_chain(self) -> int:
        """Steps after warm-up that give the samples asked for."""
        return -(-self.samples * self.thinning // self.chains)

    def faults(self) -> list[Fault]:
        """What is wrong with the fields, which are keys of the specification that they come from."""
        found = []
        if self.warmup < LEAST_WARMUP:
            what = f"warmup is {self.warmup}; the sampler needs at least {LEAST_WARMUP} to adapt"
            found.append(Fault("warmup", what))
        if self.samples < 2:
            found.append(Fault("samples", f"samples is {self.samples}: a spread needs at least 2"))
        counts = {"thinning": self.thinning, "chains": self.chains, "max_tree_depth": self.max_tree_depth}
        found += [Fault(name, f"{name} is {value}; give at least 1") for name, value in counts.items() if value < 1]
        if not found and self.draws_per_chain < LEAST_DRAWS:
            what = f"{self.samples} samples of {self.chains} chains are {self.draws_per_chain} draws of each"
            found.append(Fault("samples", f"{what}; at least {LEAST_DRAWS} tell whether chains agree, so raise it"))
        if not 0.0 < self.target_accept < 1.0:
            what = f"target_accept is {self.target_accept}; give a number between 0 and 1"
            found.append(Fault("target_accept", what))
        return found


@dataclass(frozen=True)
class VariationalSettings:
    """Draws from the best Gaussian of independent components instead of chains.

    Attributes:
        steps: Steps of the search for the Gaussian.
        samples: Draws from it.
    """

    steps: int
    samples: int
