"""Intervals as all pages print them: ends of what resamples make of a number, Student's t, the words.

What is resampled is each experiment's own: mixtures by counts or by places, searches and seeds together.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

LEVEL = 0.95
"""Of every interval."""
ENDS = (0.025, 0.975)
"""Quantiles of resamples."""
Estimate = tuple[float, float, float]
"""A number and the ends of its interval."""


def ends(drawn: ArrayLike) -> tuple[float, float]:
    """The ends of an interval by what resamples make of a number; those that have no value are left out."""
    low, high = np.nanquantile(drawn, ENDS)
    return float(low), float(high)


def places(count: int, resamples: int, seed: int = 0) -> NDArray[np.int64]:
    """``resamples x count`` places of so many things, drawn with replacement."""
    return np.random.default_rng(seed).integers(count, size=(resamples, count))


def t_half(error: float, freedom: int) -> float:
    """Half of an interval by Student's t, of a standard error and its degrees of freedom."""
    return float(stats.t.ppf(ENDS[1], freedom)) * error


def half(values: ArrayLike) -> float:
    """Half of the interval of the mean of independent repeats; NaN of a single one."""
    found = np.asarray(values, dtype=float)
    if len(found) < 2:
        return float("nan")
    return t_half(float(found.std(ddof=1)) / len(found) ** 0.5, len(found) - 1)


def mean_and_half(values: ArrayLike, digits: int, *, sign: bool = False) -> str:
    """The mean of repeats and half of its interval, in words."""
    return f"{np.mean(values):{'+' if sign else ''}.{digits}f} ± {half(values):.{digits}f}"


def said(found: Sequence[float], digits: int, *, sign: bool = False) -> str:
    """A number with its interval in words; the number alone where there is no interval, nothing for NaN."""
    if np.isnan(found[0]):
        return ""
    number, *both = (f"{each:{'+' if sign else ''}.{digits}f}" for each in found)
    return number if len(both) < 2 or np.isnan(found[1]) else f"{number} [{both[0]}, {both[1]}]"
