"""Designs by exchange: which rows of many to take so that a linear model predicts well on average.

A model ``y = f(w) . theta + noise`` with ``theta`` in ``N(0, 1 / precision)`` and noise of variance one has, after runs
of features ``X``, the covariance ``C = (X'X + diag(precision))^-1``. I-optimal designs [Jones2012]_ minimise the mean
of ``f(w) C f(w)'`` over the space, ``trace(C M)`` with ``M`` the mean of ``f' f``. Rows are exchanged one at a time,
the best of all candidates for each [Fedorov1972]_: the mean variance never rises. With priors it is finite also for
more features than runs.

References:
    [Fedorov1972] Theory of optimal experiments.
    [Jones2012] I-optimal versus D-optimal split-plot response surface designs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bomix.space.polytope import Array

Integers = np.ndarray

_SWEEPS = 12
"""Rounds over all rows at most; after five little is gained."""
_LEAST_GAIN = 1e-9
"""Share of the mean variance below which an exchange is rounding."""
_ENOUGH = 1e-4
"""Share of the mean variance that a whole round has to gain for another one: less shows in no prediction."""


@dataclass(frozen=True)
class Exchanged:
    """A design.

    Attributes:
        rows: ``n`` numbers of candidates, in an order in which each takes most of the variance that is left.
        variances: The mean variance after the greedy start and after each round, never rising.
    """

    rows: Integers
    variances: tuple[float, ...]


def mean_variance(features: Array, moments: Array, precision: Array) -> float:
    """Mean variance of predictions after runs of some features, in variances of a run's noise.

    Args:
        features: ``n x p`` features of the runs.
        moments: ``p x p`` mean of ``f' f`` over the mixtures that are predicted.
        precision: ``p`` prior precisions of the coefficients.
    """
    return float(np.trace(np.linalg.solve(features.T @ features + np.diag(precision), moments)))


def exchange(candidates: Array, moments: Array, precision: Array, given: Array, count: int) -> Exchanged:
    """Choose rows by exchange, each candidate once.

    Args:
        candidates: ``N x p`` features of what can be run.
        moments: ``p x p`` mean of ``f' f`` over the mixtures that are predicted.
        precision: ``p`` prior precisions of the coefficients, positive.
        given: ``g x p`` features of runs that are there anyway.
        count: Rows to choose; as many as there are candidates at most.
    """
    start: Array = np.asarray(np.linalg.inv(given.T @ given + np.diag(precision)), dtype=np.float64)
    chosen: list[int] = []
    covariance = start
    for _ in range(min(count, len(candidates))):
        best = _best(candidates, covariance, moments, chosen)
        chosen.append(best)
        covariance = _with(covariance, candidates[best])
    variances = [float(np.trace(covariance @ moments))]
    for _ in range(_SWEEPS):
        covariance = _sweep(candidates, covariance, moments, chosen)
        variances.append(float(np.trace(covariance @ moments)))
        if variances[-2] - variances[-1] <= _ENOUGH * variances[-2]:
            break
    return Exchanged(_ordered(candidates, start, moments, chosen), tuple(variances))


def _sweep(candidates: Array, covariance: Array, moments: Array, chosen: list[int]) -> Array:
    """Exchange every row for the best candidate, in place; the covariance afterwards."""
    for place, row in enumerate(chosen):
        without = _without(covariance, candidates[row])
        others = chosen[:place] + chosen[place + 1 :]
        gains = _gains(candidates, without, moments)
        gains[others] = -np.inf
        best = int(np.argmax(gains))
        if gains[best] - gains[row] > _LEAST_GAIN * float(np.trace(covariance @ moments)):
            chosen[place], covariance = best, _with(without, candidates[best])
    return covariance


def _ordered(candidates: Array, covariance: Array, moments: Array, chosen: list[int]) -> Integers:
    """The chosen rows, the one that helps most first, so that the first of them are a design as well."""
    left, found = np.array(chosen, dtype=np.int64), []
    for _ in chosen:
        best = int(left[np.argmax(_gains(candidates[left], covariance, moments))])
        found.append(best)
        covariance = _with(covariance, candidates[best])
        left = left[left != best]
    return np.array(found, dtype=np.int64)


def _best(candidates: Array, covariance: Array, moments: Array, taken: list[int]) -> int:
    """The candidate that lowers the mean variance most, of those that are not taken."""
    gains = _gains(candidates, covariance, moments)
    gains[taken] = -np.inf
    return int(np.argmax(gains))


def _gains(candidates: Array, covariance: Array, moments: Array) -> Array:
    """By how much each of ``N x p`` rows would lower the mean variance, ``N``."""
    along = candidates @ covariance
    return np.asarray(((along @ moments) * along).sum(axis=1) / (1.0 + (along * candidates).sum(axis=1)))


def _with(covariance: Array, row: Array) -> Array:
    """The covariance once a row is run."""
    along = covariance @ row
    return np.asarray(covariance - np.outer(along, along) / (1.0 + row @ along))


def _without(covariance: Array, row: Array) -> Array:
    """The covariance as if a row had not been run."""
    along = covariance @ row
    return np.asarray(covariance + np.outer(along, along) / (1.0 - row @ along))
