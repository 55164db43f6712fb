"""Intervals by the bootstrap over mixtures: how often each mixture is drawn weighs it, duplicates and all."""

from __future__ import annotations

import numpy as np

from experiments.intervals import Estimate as Interval
from experiments.intervals import ends, said

RESAMPLES = 2000
"""Draws of mixtures; more move no second digit."""


def drawn(n: int, seed: int = 0) -> np.ndarray:
    """``(1 + r) x n`` counts: every mixture once, then draws with replacement."""
    rng = np.random.default_rng(seed)
    return np.vstack([np.ones(n, dtype=int), rng.multinomial(n, np.full(n, 1 / n), RESAMPLES)])


def rank_correlations(one: np.ndarray, other: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Spearman's correlation of two series of ``n`` where each is there so often as ``r x n`` counts say, ``r``.

    Zero where a series is constant: it ranks nothing.
    """
    ranks = [counts @ (_below(series)).T for series in (one, other)]
    total = counts.sum(axis=1, keepdims=True)
    centred = [each - (counts * each).sum(axis=1, keepdims=True) / total for each in ranks]
    squares = [(counts * each**2).sum(axis=1) for each in centred]
    scale = np.sqrt(squares[0] * squares[1])
    together = (counts * centred[0] * centred[1]).sum(axis=1)
    return np.where(scale > 1e-9, together / np.where(scale > 1e-9, scale, 1.0), 0.0)


def _below(series: np.ndarray) -> np.ndarray:
    """``n x n``: 1 where the second is below the first, a half where they are equal."""
    apart = np.asarray(series)[:, None] - np.asarray(series)[None, :]
    # Predictions that differ in the last digits alone are one.
    return np.where(np.abs(apart) < 1e-9, 0.5, (apart > 0).astype(float))


def square_errors(one: np.ndarray, other: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean square difference, weighed by ``r x n`` counts, ``r``."""
    return (counts * np.square(one - other)).sum(axis=1) / counts.sum(axis=1)


def pairwise(right: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Share of pairs that are ordered rightly, ``r``: ``n x n`` booleans, ``r x n`` counts; no pair of one mixture."""
    off = ~np.eye(len(right), dtype=bool)
    asked = np.einsum("ri,rj,ij->r", counts, counts, off.astype(float), optimize=True)
    found = np.einsum("ri,rj,ij->r", counts, counts, (right & off).astype(float), optimize=True)
    return np.asarray(found / asked)


def interval(values: np.ndarray) -> Interval:
    """The first value, with the ends of the middle 95 % of the others."""
    return float(values[0]), *ends(values[1:])


def ranked(one: np.ndarray, other: np.ndarray) -> Interval:
    """Rank correlation with its interval."""
    return interval(rank_correlations(one, other, drawn(len(one))))


def shown(found: Interval, digits: int = 2, *, signed: bool = False) -> str:
    """A value with its interval in words."""
    return said(found, digits, sign=signed)


def table(title: str, head: list[str], rows: list[list[str]]) -> None:
    """Print a Markdown table."""
    print(f"\n{title}\n")
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")
