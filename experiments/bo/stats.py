"""Intervals: by Student's t over repeats, by the noise of runs, and by the bootstrap."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Array = NDArray[np.float64]
Estimate = tuple[float, float, float]
"""A number and the ends of its 95 % interval."""
LEVEL = 0.95
"""Of all intervals."""
RESAMPLES = 2000
"""Of the bootstrap: more moves no second digit."""


def t_interval(values: ArrayLike) -> Estimate:
    """The mean of repeats with its interval; NaN ends for a single one."""
    found = np.asarray(values, dtype=float)
    mean = float(found.mean())
    if len(found) < 2:
        return mean, np.nan, np.nan
    half = t_half(float(found.std(ddof=1)) / len(found) ** 0.5, len(found) - 1)
    return mean, mean - half, mean + half


def t_half(error: float, freedom: int) -> float:
    """Half of an interval of a standard error."""
    return float(stats.t.ppf((1 + LEVEL) / 2, freedom)) * error


def two_way_noise(losses: Array) -> tuple[float, int]:
    """Standard deviation of what neither the mixture nor the seed explains, and its degrees of freedom.

    Args:
        losses: ``n x s`` of n mixtures on the same s seeds.
    """
    left = losses - losses.mean(axis=0) - losses.mean(axis=1, keepdims=True) + losses.mean()
    freedom = (losses.shape[0] - 1) * (losses.shape[1] - 1)
    return float(np.sqrt((left**2).sum() / freedom)), freedom


def bootstrapped(draw: Callable[[np.random.Generator], float], seed: int = 0) -> tuple[float, float]:
    """The ends of an interval by the bootstrap.

    Args:
        draw: Makes the statistic of one resample.
        seed: Of the draws.
    """
    rng = np.random.default_rng(seed)
    low, high = np.nanquantile([draw(rng) for _ in range(RESAMPLES)], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


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
    """A number with its interval, as tables have it; the number alone where there is no interval, nothing for NaN."""
    if np.isnan(found[0]):
        return ""
    shape = f"{'+' if sign else ''}.{digits}f"
    number = format(found[0], shape)
    if len(found) < 3 or np.isnan(found[1]):
        return number
    return f"{number} [{format(found[1], shape)}, {format(found[2], shape)}]"
