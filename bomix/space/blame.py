"""Which constraints and bounds leave no mixture, or a single one: the few that do it together, found by leaving out.

Each is left out in turn; where what is left still does it, it stays out. What remains is a set of which none could be
missing, an irreducible infeasible subset [Chinneck1991]_.

References:
    [Chinneck1991] Locating minimal infeasible constraint sets in linear programs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from bomix.space.linear import Constraint, Rows
from bomix.space.programme import feasible, interior

if TYPE_CHECKING:
    from bomix.space.polytope import Array

Side = Literal["lower bound", "upper bound", "at least", "at most"]


@dataclass(frozen=True)
class Blamed:
    """One side of a constraint or of the bounds of a domain.

    Attributes:
        side: Which bound of the domain, or which end of the constraint.
        index: Number of the domain, or of the constraint.
    """

    side: Side
    index: int

    @property
    def of_domain(self) -> bool:
        """Whether it is a bound of a domain."""
        return self.side in ("lower bound", "upper bound")


def why_empty(low: Array, high: Array, domains: Sequence[str], constraints: Sequence[Constraint]) -> list[Blamed]:
    """What leaves no mixture: sides of constraints and bounds that do so together, none of which could be missing."""

    def still(lower: Array, upper: Array, rows: Rows | None) -> bool:
        return feasible(lower, upper, rows) is None

    return _filtered(low, high, domains, constraints, still)


def why_single(low: Array, high: Array, domains: Sequence[str], constraints: Sequence[Constraint]) -> list[Blamed]:
    """What leaves a single mixture of a space that holds one."""

    def still(lower: Array, upper: Array, rows: Rows | None) -> bool:
        if rows is None:
            return False
        found = interior(tuple(lower.tolist()), tuple(upper.tolist()), rows)
        return found is not None and found.dimension(rows) == 0

    return _filtered(low, high, domains, constraints, still)


def said(
    blamed: Sequence[Blamed], low: Array, high: Array, domains: Sequence[str], constraints: Sequence[Constraint]
) -> str:
    """The blamed in words, constraints first."""
    parts = []
    for number in sorted({each.index for each in blamed if not each.of_domain}):
        sides = [each.side for each in blamed if each.index == number and not each.of_domain]
        whole = constraints[number]
        at_least = whole.at_least if "at least" in sides else None
        at_most = whole.at_most if "at most" in sides else None
        parts.append(str(Constraint(dict(whole.coefficients), at_least, at_most, whole.name)))
    for each in blamed:
        if each.of_domain:
            share = (low if each.side == "lower bound" else high)[each.index]
            parts.append(f"the {each.side} {share:.6g} of '{domains[each.index]}'")
    return "; ".join(parts)


def _filtered(
    low: Array,
    high: Array,
    domains: Sequence[str],
    constraints: Sequence[Constraint],
    still: Callable[[Array, Array, Rows | None], bool],
) -> list[Blamed]:
    """The sides without which it would not be so; bounds are left out first, so that they are blamed last."""
    bounds = [Blamed("upper bound", j) for j in np.flatnonzero(high < 1.0).tolist()]
    bounds += [Blamed("lower bound", j) for j in np.flatnonzero(low > 0.0).tolist()]
    sides = [Blamed("at most", i) for i, each in enumerate(constraints) if np.isfinite(each.at_most)]
    sides += [Blamed("at least", i) for i, each in enumerate(constraints) if np.isfinite(each.at_least)]

    def holds(kept: Sequence[Blamed]) -> bool:
        chosen = set(kept)
        upper = np.array([x if Blamed("upper bound", j) in chosen else 1.0 for j, x in enumerate(high.tolist())])
        lower = np.array([x if Blamed("lower bound", j) in chosen else 0.0 for j, x in enumerate(low.tolist())])
        left = []
        for i, each in enumerate(constraints):
            at_least = each.at_least if Blamed("at least", i) in chosen else None
            at_most = each.at_most if Blamed("at most", i) in chosen else None
            if at_least is not None or at_most is not None:
                left.append(Constraint(dict(each.coefficients), at_least, at_most))
        return still(lower, upper, Rows.of(left, domains))

    kept = [*bounds, *sides]
    if holds(sides):
        kept = sides
    for each in list(kept):
        without = [other for other in kept if other != each]
        if holds(without):
            kept = without
    return kept
