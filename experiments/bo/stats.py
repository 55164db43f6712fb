"""Intervals: by Student's t over repeats, by the noise of runs, and by the bootstrap."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from experiments import intervals
from experiments.intervals import LEVEL, Estimate, ends, half
from experiments.intervals import t_half as t_half

Array = NDArray[np.float64]
RESAMPLES = 2000
"""Of the bootstrap: more moves no second digit."""


def t_interval(values: ArrayLike) -> Estimate:
    """The mean of repeats with its interval; NaN ends for a single one."""
    found = np.asarray(values, dtype=float)
    mean = float(found.mean())
    around = half(found)
    return mean, mean - around, mean + around


def two_way_noise(*groups: Array) -> tuple[float, int]:
    """Standard deviation of what neither the mixture nor the seed explains, and its degrees of freedom.

    Args:
        groups: ``n x s`` each, of n mixtures on the same s seeds; a seed means something else in every group.
    """
    squares, freedom = 0.0, 0
    for losses in groups:
        left = losses - losses.mean(axis=0) - losses.mean(axis=1, keepdims=True) + losses.mean()
        squares += float((left**2).sum())
        freedom += (losses.shape[0] - 1) * (losses.shape[1] - 1)
    return (squares / freedom) ** 0.5, freedom


def bootstrapped(draw: Callable[[np.random.Generator], float], seed: int = 0) -> tuple[float, float]:
    """The ends of an interval by the bootstrap.

    Args:
        draw: Makes the statistic of one resample.
        seed: Of the draws.
    """
    rng = np.random.default_rng(seed)
    return ends([draw(rng) for _ in range(RESAMPLES)])


def resampled(values: Array, rng: np.random.Generator) -> Array:
    """As many rows, drawn with replacement."""
    return values[rng.integers(len(values), size=len(values))]


def correlation(one: ArrayLike, other: ArrayLike) -> Estimate:
    """Pearson's correlation with the interval of Fisher's transform, which needs four points."""
    r = float(np.corrcoef(one, other)[0, 1])
    points = len(np.asarray(one))
    if points < 4:
        return r, -1.0, 1.0
    half = float(stats.norm.ppf((1 + LEVEL) / 2)) / (points - 3) ** 0.5
    return r, float(np.tanh(np.arctanh(r) - half)), float(np.tanh(np.arctanh(r) + half))


def share(count: int, of: int) -> str:
    """A share of independent cases with its exact interval, in words."""
    low, high = stats.binomtest(count, of).proportion_ci(LEVEL)
    return f"{count} of {of} [{low:.0%}, {high:.0%}]"


def said(found: Sequence[float], digits: int = 4, sign: bool = True) -> str:
    """A number with its interval, as the tables here have it."""
    return intervals.said(found, digits, sign=sign)
