"""What a trainer makes of an export: small data sets of known domains, and counts of what is drawn."""

from __future__ import annotations

import math
import sys
import types
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from bomix.contracts.exporter import Export, ExportDomain, TargetMixture
from bomix.io.exports.writing import exporter_of

WEIGHTS = {"code": 0.6, "web": 0.3, "books": 0.1}
"""Shares of the tokens."""
LENGTHS = {"code": 20, "web": 10, "books": 40}
"""Tokens of each document, words in these tests."""
SEQUENCE = 16
"""Tokens of a sequence."""


def mixture(paths: Mapping[str, str], tokens: float = 16_000, weights: Mapping[str, float] = WEIGHTS) -> TargetMixture:
    """A mixture of these domains in a run of so many tokens, a batch of ten sequences."""
    domains = tuple(
        ExportDomain(name, weight, {paths[name]: 1.0} if name in paths else {}, 8000, LENGTHS.get(name, 10))
        for name, weight in weights.items()
    )
    return TargetMixture(domains, tokens, SEQUENCE, 10, seed=3)


def export(kind: str, given: TargetMixture, **options: Any) -> Export:
    """What an exporter of bomix writes."""
    return exporter_of(kind, options).export(given)


def module(written: Export) -> dict[str, Any]:
    """The names of an exported Python file, run."""
    made = types.ModuleType("exported_mixture")
    sys.modules[made.__name__] = made  # dataclasses look their module up
    exec(compile(written.text, written.file, "exec"), vars(made))
    return vars(made)


def shares(drawn: Iterable[str], lengths: Mapping[str, float] | None = None) -> dict[str, float]:
    """Domain to its share of the tokens of the items that were drawn, each given as its domain."""
    counts = Counter(drawn)
    tokens = {name: count * (1.0 if lengths is None else lengths[name]) for name, count in counts.items()}
    total = math.fsum(tokens.values())
    return {name: count / total for name, count in tokens.items()}


def close(found: Mapping[str, float], wanted: Mapping[str, float] = WEIGHTS, *, draws: int | None = None) -> bool:
    """Whether shares are those wanted: within four standard deviations of so many draws, else within 1 %."""
    if found.keys() != wanted.keys():
        return False
    for name, share in wanted.items():
        # A share of tokens spreads at most by the longest document over the mean one, about three here.
        room = 0.01 * share if draws is None else 4.0 * 3.0 * math.sqrt(share * (1.0 - share) / draws)
        if abs(found[name] - share) > room:
            return False
    return True
