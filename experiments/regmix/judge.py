"""How well predictions rank mixtures: rank correlations and errors, with intervals by the bootstrap over mixtures."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

from experiments import intervals

RESAMPLES = 2000
"""Of mixtures: more moves no second digit of an interval."""


class Found(NamedTuple):
    """A number and its interval."""

    value: float
    low: float
    high: float

    def told(self, digits: int = 2, sign: str = "") -> str:
        """As the tables show it."""
        return intervals.said(self, digits, sign=sign == "+")


def places(count: int, seed: int = 0) -> np.ndarray:
    """Resamples of so many mixtures, ``RESAMPLES x count``."""
    return intervals.places(count, RESAMPLES, seed)


def interval(value: float, drawn: np.ndarray) -> Found:
    """A number with the quantiles of what resamples make of it; those that have no value are left out."""
    return Found(float(value), *intervals.ends(drawn))


def correlations(one: np.ndarray, other: np.ndarray, *, ranks: bool = True) -> np.ndarray:
    """Correlations of ``... x n`` rows, of their ranks or of themselves; NaN where a row is one value alone."""
    both = [rankdata(values, axis=-1) if ranks else values for values in (one, other)]
    centred = [values - values.mean(axis=-1, keepdims=True) for values in both]
    scale = np.sqrt((centred[0] ** 2).sum(axis=-1) * (centred[1] ** 2).sum(axis=-1))
    found: np.ndarray = np.where(
        scale > 1e-12, (centred[0] * centred[1]).sum(axis=-1) / np.maximum(scale, 1e-12), np.nan
    )
    return found


def correlation(one: np.ndarray, other: np.ndarray, *, ranks: bool = True) -> Found:
    """Correlation of two ``n`` arrays."""
    at = places(len(one))
    value = correlations(one[None], other[None], ranks=ranks)[0]
    return interval(value, correlations(one[at], other[at], ranks=ranks))


def gain(one: np.ndarray, other: np.ndarray, truth: np.ndarray) -> Found:
    """By how much the first of two predictions ranks better, on the same resamples."""
    at = places(len(truth))
    drawn = correlations(one[at], truth[at]) - correlations(other[at], truth[at])
    value = correlations(one[None], truth[None]) - correlations(other[None], truth[None])
    return interval(float(value[0]), drawn)


def error(predicted: np.ndarray, truth: np.ndarray) -> Found:
    """Mean squared error."""
    squares = (predicted - truth) ** 2
    return interval(float(squares.mean()), squares[places(len(truth))].mean(axis=1))


def repeat_error(one: np.ndarray, other: np.ndarray) -> Found:
    """Half of the variance of what two seeds differ by: the squared error that the best prediction still makes.

    What a seed does to every mixture alike is taken off, since predictions share the seed of what they learn from.
    """
    apart = one - other
    return interval(float(apart.var(ddof=1)) / 2, apart[places(len(apart))].var(axis=1, ddof=1) / 2)
