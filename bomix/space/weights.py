"""Mixtures as mappings from domain names to shares."""

from __future__ import annotations

import math
from collections.abc import Mapping

Weights = Mapping[str, float]
"""A mixture: domain name to share of the training tokens; the shares sum to one."""


def same_mixture(first: Weights, second: Weights, *, tolerance: float = 1e-9) -> bool:
    """Whether two mixtures are one, up to rounding."""
    return first.keys() == second.keys() and all(abs(first[name] - second[name]) <= tolerance for name in first)


def normalized(weights: Weights) -> dict[str, float]:
    """A mixture whose rounded shares sum to exactly one."""
    shares = {name: max(0.0, float(weight)) for name, weight in weights.items()}
    total = math.fsum(shares.values())
    return {name: share / total for name, share in shares.items()}
