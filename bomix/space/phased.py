"""The space of the mixtures of two phases, a polytope of twice as many weights as there are domains.

Bounds, "zero or at least" and constraints that a study states hold in each phase; what the tokens allow, the passes
over a domain, holds for the whole run: a small domain may fill a short phase that it could not fill a run with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bomix.space.linear import Constraint
from bomix.space.mixture_space import MixtureSpace
from bomix.space.phases import Phases

if TYPE_CHECKING:
    from bomix.space.polytope import Array

_CAPS = 1e-12
"""How far a cap must lie below a stated bound to be one of its own; the rest is rounding."""
_STREAM = 0x5EED
"""Parts the seed of the last phase's mixtures from that of the aggregates, which are those of a study of one phase."""
_STEPS = 40
"""Halvings after which the way from an aggregate to a contrast is known to the last digit."""


class PhasedSpace(MixtureSpace):
    """Points ``anneal:web`` of two phases, see :class:`bomix.space.phases.Phases`.

    Attributes:
        phases: Names, shares and domains.
        single: The space of mixtures of the whole run, with the caps of the tokens.
        stated: The space of the mixtures of a phase, without caps.
        ties: Whether only tied points are in the space.
    """

    phases: Phases
    single: MixtureSpace
    stated: MixtureSpace
    ties: bool

    def __init__(
        self,
        phases: Sequence[tuple[str, float]],
        single: MixtureSpace,
        upper: Mapping[str, float],
        *,
        ties: bool = False,
    ) -> None:
        """Derive bounds and constraints of the phases.

        Args:
            phases: Name and share of each, in the order of the training.
            single: The space of one mixture for the whole run, not empty.
            upper: Largest shares that are stated, before any cap of the tokens.
            ties: Whether both phases must have one mixture.
        """
        names, shares = zip(*phases, strict=True)
        found = Phases(tuple(names), tuple(shares), single.domains)
        least, small = (dict(zip(single.domains, each, strict=True)) for each in (single.at_least, single.negligible))
        low = dict(zip(single.domains, single.lower, strict=True))
        top = {name: upper.get(name, 1.0) for name in single.domains}
        stated = MixtureSpace(single.domains, low, top, least, small, single.constraints)
        rules = [*_shares(found), *_constraints(found, single)]
        rules += _ties(found) if ties else _caps(found, single, stated)
        highest = stated_upper(single if ties else stated)  # caps are bounds of tied points
        super().__init__(
            found.columns, found.tied(low), found.tied(highest), found.tied(least), found.tied(small), rules
        )
        for name, value in (("phases", found), ("single", single), ("stated", stated), ("ties", ties)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "_given", (tuple(phases), dict(top)))

    @property
    def tied(self) -> PhasedSpace:
        """The part of the space in which both phases have one mixture."""
        phases, upper = vars(self)["_given"]
        return self if self.ties else PhasedSpace(phases, self.single, upper, ties=True)

    def sobol(self, n: int, *, seed: int, skip: int = 0) -> Array:
        """Points of which the aggregates are the Sobol sequence of one phase, each with a contrast of its own.

        The last phase goes as far from the aggregate as the first one allows, towards the points of another sequence:
        the space of aggregates is covered as well as if there were one phase. Arguments as of
        :meth:`MixtureSpace.sobol`; the result is ``n x 2 d``.
        """
        aggregates = self.single.sobol(n, seed=seed, skip=skip)
        if self.ties:
            return np.asarray(aggregates @ self.phases.spread)
        return self._contrasted(aggregates, self.stated.sobol(n, seed=seed ^ _STREAM, skip=skip))

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """``n x 2 d`` independent points, of which the aggregates are uniform, see :meth:`sobol`."""
        aggregates = self.single.sample(n, rng)
        if self.ties:
            return np.asarray(aggregates @ self.phases.spread)
        return self._contrasted(aggregates, self.stated.sample(n, rng))

    def uniform(self) -> Array:
        """Equal shares in both phases, as near as the space of the whole run allows; ``2 d`` array."""
        return np.asarray(self.single.uniform() @ self.phases.spread)

    def _contrasted(self, aggregates: Array, last: Array) -> Array:
        """``n x 2 d`` points with the aggregates, their last phases as near to ``n x d`` mixtures as can be."""
        middle = aggregates @ self.phases.spread
        first, ending = self.phases.names
        share = self.phases.share
        sides = share[ending] * self.phases.part(ending) - share[first] * self.phases.part(first)
        way = share[ending] * (last - aggregates) @ sides.T  # what one phase gains the other loses
        low, high = np.zeros(len(aggregates)), np.ones(len(aggregates))
        for _ in range(_STEPS):
            at = 0.5 * (low + high)
            inside = self._convex(middle + at[:, None] * way)
            low, high = np.where(inside, at, low), np.where(inside, high, at)
        whole = self._convex(middle + way)
        return np.asarray(middle + np.where(whole, 1.0, low)[:, None] * way)

    def _convex(self, points: Array) -> np.ndarray:
        """Which of ``n x 2 d`` points lie in the polytope, "zero or at least" aside."""
        bounded = (points >= self.lower_array).all(axis=1) & (points <= self.upper_array).all(axis=1)
        return np.asarray(bounded if self.rows is None else bounded & self.rows.hold(points))


def stated_upper(space: MixtureSpace) -> dict[str, float]:
    """Domain to its upper bound."""
    return dict(zip(space.domains, space.upper, strict=True))


def phases_of(space: MixtureSpace) -> Phases | None:
    """The phases of a space; None for one of a single mixture."""
    return space.phases if isinstance(space, PhasedSpace) else None


def _shares(phases: Phases) -> list[Constraint]:
    """The weights of the last phase sum to its share; so do those of the first, as all sum to one."""
    last = phases.names[-1]
    weights = {phases.column(last, domain): 1.0 for domain in phases.domains}
    return [Constraint(weights, phases.share[last], phases.share[last], name=f"phase {last}")]


def _constraints(phases: Phases, single: MixtureSpace) -> list[Constraint]:
    """The constraints of the study in each phase."""
    return [
        Constraint(
            {phases.column(phase, domain): value for domain, value in each.coefficients},
            share * each.at_least,
            share * each.at_most,
            name=f"{each.name or each.total} in {phase}",
        )
        for each in single.constraints
        for phase, share in phases.share.items()
    ]


def _caps(phases: Phases, single: MixtureSpace, stated: MixtureSpace) -> list[Constraint]:
    """What the tokens allow of a domain in the whole run, where that is less than its stated bound."""
    return [
        Constraint({phases.column(phase, name): 1.0 for phase in phases.names}, at_most=cap, name=f"passes over {name}")
        for name, cap, bound in zip(single.domains, single.upper, stated.upper, strict=True)
        if cap < bound - _CAPS
    ]


def _ties(phases: Phases) -> list[Constraint]:
    """Each domain but the last has one share in both phases; so has the last, as those of a phase sum to one."""
    first, last = phases.names
    return [
        Constraint(
            {phases.column(first, domain): phases.share[last], phases.column(last, domain): -phases.share[first]},
            0.0,
            0.0,
            name=f"one share of {domain}",
        )
        for domain in phases.domains[:-1]
    ]
