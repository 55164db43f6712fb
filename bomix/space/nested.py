"""A space of mixtures in which some nodes of the tree are searched as one domain, the shares inside them fixed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bomix.errors import Fault, FaultsError
from bomix.space.bounds import ROUNDING
from bomix.space.linear import Constraint
from bomix.space.mixture_space import MixtureSpace
from bomix.space.negligible import negligible_weights
from bomix.space.weights import Weights

KEEPS = 0.05
"""Share of a run's tokens that may lie in other domains of its nodes than the fixed shares say, and the run still
counts as one that keeps them: what drawing whole documents and rounding move, and less than a weight that losses show.
"""
_NOTHING = 1e-12
"""Coefficient of a node below which a constraint does not speak of it: sums of shares and coefficients that cancel."""


@dataclass(frozen=True)
class Nested:
    """Mixtures of all domains, and of what is searched: closed nodes, and the domains outside of them.

    Attributes:
        shares: What is searched to the share of each of its domains, which sum to one.
        space: The mixtures of what is searched that are allowed: bounds, caps and constraints hold for every domain.
        uncapped: The same without caps by tokens; None where there are none.
    """

    shares: Mapping[str, Mapping[str, float]]
    space: MixtureSpace
    uncapped: MixtureSpace | None = None

    @cached_property
    def of(self) -> dict[str, str]:
        """Domain to what it is searched as."""
        return {name: node for node, inside in self.shares.items() for name in inside}

    @cached_property
    def closed(self) -> dict[str, Mapping[str, float]]:
        """The nodes among what is searched, with the shares inside."""
        return {node: inside for node, inside in self.shares.items() if node not in inside}

    def sums(self, values: Mapping[str, float]) -> dict[str, float]:
        """Sums over the domains of each of what is searched; of weights, its weight."""
        return {node: math.fsum(values[name] for name in inside) for node, inside in self.shares.items()}

    def means(self, values: Mapping[str, float], usual: float) -> dict[str, float]:
        """Means over the domains of each of what is searched, by their shares; none where no domain has a value.

        Args:
            values: Domain to its value, where it has one.
            usual: The value of the others.
        """
        return {
            node: math.fsum(share * values.get(name, usual) for name, share in inside.items())
            for node, inside in self.shares.items()
            if any(name in values for name in inside)
        }

    def capped(self, node: str, space: MixtureSpace) -> tuple[str, ...]:
        """The domains whose upper bounds keep what is searched to its own.

        Args:
            node: What is searched.
            space: The mixtures of all domains.
        """
        upper = dict(zip(space.domains, space.upper, strict=True))
        most = self.space.upper[self.space.domains.index(node)]
        return tuple(name for name, share in self.shares[node].items() if upper[name] <= share * most + ROUNDING)

    def spread(self, weights: Weights) -> dict[str, float]:
        """A mixture of what is searched as one of all domains, sorted by name."""
        found = {name: weights[node] * share for node, inside in self.shares.items() for name, share in inside.items()}
        return {name: found[name] for name in sorted(found)}

    def departure(self, weights: Weights) -> float:
        """Share of the tokens of a mixture that lies in other domains than the fixed shares say, 0 to 1."""
        kept = self.spread(self.sums(weights))
        return 0.5 * sum(abs(weights[name] - kept[name]) for name in kept)


def nested_space(
    space: MixtureSpace,
    shares: Mapping[str, Mapping[str, float]],
    *,
    natural: Mapping[str, float] | None = None,
    run_tokens: float | None = None,
    most: float,
) -> tuple[MixtureSpace | None, list[Fault]]:
    """The mixtures of what is searched under which every domain keeps what it must.

    Args:
        space: The mixtures of all domains.
        shares: What is searched to the share of each of its domains.
        natural: Natural share of each domain; None where unknown.
        run_tokens: Tokens of the run that is decided about; None where unknown.
        most: Largest weight that is as good as zero, see :func:`bomix.space.negligible.negligible_weights`.

    Returns:
        The space, or None and all that keeps fixed shares from going together with bounds and constraints.
    """
    bounds = {"lower": space.lower, "upper": space.upper, "least": space.at_least}
    ends = {key: dict(zip(space.domains, values, strict=True)) for key, values in bounds.items()}
    found: dict[str, dict[str, float]] = {key: {} for key in ends}
    faults = []
    for node, inside in shares.items():
        of = {key: {name: values[name] / share for name, share in inside.items()} for key, values in ends.items()}
        low, high = max(of["lower"].values()), min(of["upper"].values())
        if low > high + ROUNDING:
            faults.append(_contradiction(node, of, ends))
        found["lower"][node], found["upper"][node] = min(low, high), min(high, 1.0)
        found["least"][node] = max(of["least"].values())
    constraints, unmet = _constraints(space.constraints, shares)
    faults += unmet
    if faults:
        return None, faults
    names = sorted(shares)
    small = negligible_weights(
        np.array([found["upper"][node] for node in names]),
        np.array([found["least"][node] for node in names]),
        natural=None if natural is None else np.array([sum(natural[n] for n in shares[node]) for node in names]),
        run_tokens=run_tokens,
        most=most,
    )
    zero_below = dict(zip(names, small.tolist(), strict=True))
    try:
        return MixtureSpace(names, found["lower"], found["upper"], found["least"], zero_below, constraints), []
    except FaultsError as error:
        what = "with the shares inside of nodes fixed, as 'tree' says: "
        return None, [Fault("tree", f"{what}{fault.what}; or let a node be free") for fault in error.faults]


def _contradiction(node: str, of: Mapping[str, Mapping[str, float]], ends: Mapping[str, Mapping[str, float]]) -> Fault:
    """That bounds of two domains of a node ask for different weights of it."""
    low, high = (max(of["lower"], key=of["lower"].__getitem__), min(of["upper"], key=of["upper"].__getitem__))
    what = (
        f"the shares inside are fixed, so that '{low}', at least {ends['lower'][low]:.4g}, takes '{node}' to "
        f"{of['lower'][low]:.4g}, and '{high}', at most {ends['upper'][high]:.4g}, keeps it to {of['upper'][high]:.4g}"
    )
    return Fault(f"tree.{node}.inside", f"{what}; loosen one of these bounds, or let the node be free")


def _constraints(
    constraints: tuple[Constraint, ...], shares: Mapping[str, Mapping[str, float]]
) -> tuple[list[Constraint], list[Fault]]:
    """Constraints on what is searched; those that the fixed shares decide are left out, or faults."""
    kept, faults = [], []
    for number, each in enumerate(constraints):
        named = dict(each.coefficients)
        sums = {
            node: sum(share * named.get(name, 0.0) for name, share in inside.items()) for node, inside in shares.items()
        }
        sums = {node: value for node, value in sums.items() if abs(value) > _NOTHING}
        if sums:
            kept.append(Constraint(sums, each.at_least, each.at_most, each.name))
        elif not each.at_least <= 0.0 <= each.at_most:
            what = f"{each}: the sum is zero whatever the mixture, as the shares inside of nodes are fixed"
            faults.append(Fault(f"constraints[{number}]", f"{what}; loosen it, or let a node be free"))
    return kept, faults
