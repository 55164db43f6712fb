"""Checks of linear constraints: every fault at once, each with its place and its cure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bomix.errors import Fault
from bomix.space.blame import said, why_empty
from bomix.space.bounds import ROUNDING, number, unknown_name
from bomix.space.choices import nearest_choice
from bomix.space.linear import Constraint, Rows
from bomix.space.programme import feasible

if TYPE_CHECKING:
    from bomix.space.polytope import Array


def constraint_faults(
    domains: Sequence[str], constraints: Sequence[Constraint], low: Array, high: Array, at_least: Array
) -> list[Fault]:
    """What keeps constraints from leaving a mixture.

    Args:
        domains: Names, sorted.
        constraints: The constraints.
        low: ``d`` lower bounds, which leave a mixture together with the upper ones.
        high: ``d`` upper bounds, token caps included.
        at_least: ``d`` smallest shares other than zero.
    """
    faults = [fault for i, each in enumerate(constraints) for fault in _own_faults(domains, i, each)]
    faults = faults or [
        fault for i, each in enumerate(constraints) for fault in _out_of_range(i, each, domains, low, high)
    ]
    if faults or not constraints:
        return faults
    rows = Rows.of(constraints, domains)
    assert rows is not None, "there are constraints"
    if feasible(low, high, rows) is None:
        blamed = why_empty(low, high, domains, constraints)
        places = sorted({each.index for each in blamed if not each.of_domain}) or [0]
        where = ", ".join(f"constraints[{place}]" for place in places)
        which = said(blamed, low, high, domains, constraints)
        return [Fault(where, f"no mixture keeps all of these: {which}; loosen one of them")]
    if at_least.any():
        optional, floor = low <= 0.0, np.maximum(low, at_least)
        if nearest_choice(floor <= low, np.zeros(len(low)), floor, high, optional, rows) is None:
            what = "no choice of zeros that fits 'zero or at least' keeps the constraints"
            return [Fault("constraints", f"{what}; lower some 'at_least', or loosen a constraint")]
    return []


def broken(constraints: Sequence[Constraint], weights: Mapping[str, float], *, tolerance: float) -> list[Fault]:
    """The constraints that a mixture, finite shares of all domains, does not keep."""
    faults = []
    for each in constraints:
        total, size = each.sum_of(weights), max(abs(value) for _, value in each.coefficients)
        if total < each.at_least - tolerance * size or total > each.at_most + tolerance * size:
            faults.append(Fault("weights", f"the constraint {each} does not hold: the sum is {total:.6g}"))
    return faults


def _own_faults(domains: Sequence[str], index: int, constraint: Constraint) -> list[Fault]:
    """What is wrong with a constraint by itself."""
    where = f"constraints[{index}]"
    faults = []
    for name, value in constraint.coefficients:
        if name not in domains:
            faults.append(Fault(where, unknown_name("domain", name, domains)))
        elif number(value) is None:
            faults.append(Fault(where, f"the coefficient of domain '{name}' is {value!r}, not a finite number"))
    if not faults and not any(value for _, value in constraint.coefficients):
        faults.append(Fault(where, "every coefficient is zero, so that it says nothing; leave the constraint out"))
    low, high = constraint.at_least, constraint.at_most
    if math.isnan(low) or math.isnan(high) or low == math.inf or high == -math.inf:
        faults.append(Fault(where, f"expected finite numbers as ends, found {low!r} and {high!r}"))
    elif math.isinf(low) and math.isinf(high):
        faults.append(Fault(where, "it has no end; give 'at_least', 'at_most' or both"))
    elif low > high:
        faults.append(
            Fault(where, f"'at_least' is {low:g}, above 'at_most', {high:g}; lower the one or raise the other")
        )
    return faults


def _out_of_range(index: int, constraint: Constraint, domains: Sequence[str], low: Array, high: Array) -> list[Fault]:
    """A constraint that contradicts the bounds of its domains, token caps included."""
    named = dict(constraint.coefficients)
    row = np.array([named.get(name, 0.0) for name in domains])
    size = float(np.abs(row).max())
    least, most = float(row @ _vertex(row, low, high)), float(row @ _vertex(-row, low, high))
    cure = "loosen it, or the bounds and token caps of its domains"
    if constraint.at_least > most + ROUNDING * size:
        text = f"{constraint}: the bounds of the domains allow at most {most:.6g}; {cure}"
        return [Fault(f"constraints[{index}]", text)]
    if constraint.at_most < least - ROUNDING * size:
        text = f"{constraint}: the bounds of the domains allow no less than {least:.6g}; {cure}"
        return [Fault(f"constraints[{index}]", text)]
    return []


def _vertex(cost: Array, low: Array, high: Array) -> Array:
    """The mixture within bounds of least cost: the cheapest weights are filled first."""
    order = np.argsort(cost, kind="stable")
    room = np.clip(1.0 - low.sum() - np.cumsum(np.append(0.0, (high - low)[order][:-1])), 0.0, None)
    point = low.copy()
    point[order] += np.minimum(room, (high - low)[order])
    return point
