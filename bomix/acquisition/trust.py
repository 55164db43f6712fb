"""Less trust in standard deviations while trials are few: what is uncertain then is mostly how bad a mixture is.

A loss is known to rise towards zero weight of a domain long before it is known how steeply. The belief about it is
skewed, its lower half narrower than the upper, and a Gaussian of the same variance promises improvements at vertices
that do not come: over the first asks results lay up to three standard deviations above what had been predicted, and
hardly ever half of one below where the standard deviation was large. ``python benchmarks/first_asks.py`` prints them.
"""

from __future__ import annotations

LEAST_TRUST = 0.5
"""Factor of the standard deviation after a design of two trials more than there are domains, the usual one: at 0.7
vertices are asked for as before (docs/decisions/0041-steep-towards-zero-weight.md)."""
_MORE = 2
"""Trials of the usual design beyond the number of domains."""


def trust(n: int, d: int) -> float:
    """Factor of the standard deviation of the objective after ``n`` trials of ``d`` domains, at most one.

    It grows in proportion to the trials, and is one from twice the usual design on.
    """
    return min(1.0, LEAST_TRUST * n / (d + _MORE))
