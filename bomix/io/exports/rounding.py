"""Shares as numbers that survive being written: whole counts with a given sum, plain decimals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal

DIGITS = 12
"""Decimals of a written weight: a run of 100T tokens draws a weight that is rounded there to the last sequence."""


def whole(shares: Mapping[str, float], total: int) -> dict[str, int]:
    """Whole counts by the largest remainders, none of them zero.

    Args:
        shares: Name to share, above zero; the sum is one.
        total: The sum of the counts; at least one for each name.
    """
    exact = {name: share * total for name, share in shares.items()}
    counts = {name: max(1, math.floor(value)) for name, value in exact.items()}
    left = total - sum(counts.values())
    by_need = sorted(counts, key=lambda name: counts[name] - exact[name])
    for name in by_need[: max(left, 0)]:
        counts[name] += 1
    while left < 0:  # ones that were raised from zero are taken from the largest
        largest = max(counts, key=lambda name: counts[name])
        counts[largest] -= 1
        left += 1
    return counts


def decimal(value: float) -> str:
    """A positive number without an exponent, ``0.0000125``, that reads back as nearly the same.

    Twelve decimals, or twelve digits behind the zeros of one that would vanish.
    """
    places = max(DIGITS, DIGITS - 1 - math.floor(math.log10(value)))
    return f"{Decimal(value):.{places}f}".rstrip("0").rstrip(".")


def number(value: float) -> int | float:
    """A number with twelve decimals, a whole one as an integer; for JSON and YAML, which read exponents."""
    rounded = float(decimal(value))
    return int(rounded) if rounded.is_integer() else rounded
