"""Which sequence each step reads: every domain's exact quota, evenly spread, no repetition inside an epoch.

The order in which a domain's own sequences come depends on the seed and the domain's name alone, never on the
mixture. Two runs of the same seed see the same sequences of a domain in the same order, only more or fewer of them:
that pairs the runs and lowers the noise of their difference.

Inside a domain the order is spread evenly over its text. A short run reads a small part of a domain, and documents
differ: with independent draws, which of them it happened to read was nearly all of the noise between seeds.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bomix.errors import EvaluationError

_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
"""Steps of the golden ratio spread any number of points most evenly over a circle."""


@dataclass(frozen=True)
class Plan:
    """All that a run reads.

    Attributes:
        domains: ``d`` names, sorted.
        domain: ``steps x batch`` positions in ``domains``.
        sequence: ``steps x batch`` numbers of a sequence of that domain.
        realized: Domain name to share of the sequences.
        epochs: Domain name to passes over its sequences.
    """

    domains: tuple[str, ...]
    domain: np.ndarray
    sequence: np.ndarray
    realized: Mapping[str, float]
    epochs: Mapping[str, float]


def quotas(weights: Mapping[str, float], sequences: int) -> dict[str, int]:
    """Share out sequences by largest remainder; equal remainders go by name.

    Args:
        weights: Domain name to share, non-negative; normalised here.
        sequences: Number of sequences to share out.

    Returns:
        Domain name to count, in order of name; the counts sum to ``sequences``.

    Raises:
        EvaluationError: Weights that are no mixture.
    """
    names = sorted(weights)
    total = math.fsum(weights.values())
    if not (all(weights[name] >= 0 for name in names) and 0 < total < math.inf):
        raise EvaluationError(f"weights {dict(weights)} are no mixture; give shares of at least 0 with a positive sum")
    # Rounded, so that remainders that are equal on paper are equal here and the name decides.
    ideal = [round(weights[name] / total * sequences, 9) for name in names]
    counts = [math.floor(value) for value in ideal]
    by_remainder = sorted(range(len(names)), key=lambda i: (round(counts[i] - ideal[i], 9), names[i]))
    for i in by_remainder[: sequences - sum(counts)]:
        counts[i] += 1
    return dict(zip(names, counts, strict=True))


def order(domain: str, count: int, *, available: int, seed: int) -> np.ndarray:
    """The first ``count`` sequences of a domain, epoch after epoch, each spread evenly over the domain's text.

    Args:
        domain: Name of the domain.
        count: Number of sequences.
        available: Sequences in one epoch.
        seed: Seed of the data order.

    Returns:
        ``count`` sequence numbers; each run of ``available`` is a permutation.

    Raises:
        EvaluationError: A domain without a sequence.
    """
    if count == 0:
        return np.empty(0, dtype=np.int64)
    if available < 1:
        raise EvaluationError(f"domain '{domain}' has no whole sequence; give it more text or shorten sequence_length")
    name = int.from_bytes(hashlib.sha256(domain.encode()).digest()[:8], "big")
    epochs = [
        _spread(available, np.random.default_rng(np.random.SeedSequence([seed, name, epoch])).random())
        for epoch in range(math.ceil(count / available))
    ]
    return np.concatenate(epochs)[:count]


def _spread(available: int, start: float) -> np.ndarray:
    """A permutation of which every stretch is an even sample: the ranks of ``start + k * golden ratio`` modulo 1."""
    places = (start + np.arange(available) * _GOLDEN) % 1.0
    ranks = np.empty(available, dtype=np.int64)
    ranks[np.argsort(places, kind="stable")] = np.arange(available)
    return ranks


def plan(weights: Mapping[str, float], available: Mapping[str, int], *, steps: int, batch: int, seed: int) -> Plan:
    """Lay out a run.

    The ``k``-th of a domain's ``q`` sequences stands at ``(k + 1/2) / q`` of the run, ties in order of name. After any
    number of sequences a domain is within ``1/2 + d w / 2`` sequences of its share ``w``, with ``d`` domains.

    Args:
        weights: Domain name to share.
        available: Domain name to sequences in one epoch.
        steps: Optimizer steps.
        batch: Sequences per step.
        seed: Seed of the data order.

    Raises:
        EvaluationError: No mixture, or a domain that is unknown or has no sequence.
    """
    if unknown := sorted(set(weights) - set(available)):
        raise EvaluationError(f"no tokens of domain '{unknown[0]}' (known: {', '.join(sorted(available))})")
    counts = quotas(weights, steps * batch)
    names = tuple(counts)
    read = {x: order(x, counts[x], available=available[x], seed=seed) for x in names}
    domain, sequence = laid_out(counts, read)
    return Plan(
        domains=names,
        domain=domain.reshape(steps, batch),
        sequence=sequence.reshape(steps, batch),
        realized={x: counts[x] / (steps * batch) for x in names},
        epochs={x: counts[x] / available[x] if counts[x] else 0.0 for x in names},
    )


def laid_out(counts: Mapping[str, int], read: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Spread the sequences of each domain evenly, ties in order of name.

    Args:
        counts: Domain name to number of sequences, in order of name; one of them is above zero.
        read: Domain name to as many sequence numbers, in the order in which they are read.

    Returns:
        For each sequence of all the position of its domain, and its number in that domain.
    """
    n = np.array(list(counts.values()), dtype=np.int64)
    domain = np.repeat(np.arange(len(n)), n)
    sequence = np.concatenate([read[name] for name in counts])
    place = np.concatenate([(2 * np.arange(q) + 1) / (2 * q) for q in n if q])
    by_place = np.lexsort((domain, place))
    return domain[by_place], sequence[by_place]
