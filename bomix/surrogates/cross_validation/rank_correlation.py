"""How far two numbers put mixtures into one order: rank correlation, and the share of pairs in the same order.

Both come with intervals by Fisher's transform, ``tanh(artanh(r) -/+ 1.96 s)``, with the variances of [Bonett2000]_:
``s^2 = (1 + rho^2 / 2) / (n - 3)`` for Spearman's coefficient, ``s^2 = 0.437 / (n - 4)`` for Kendall's, of which the
share of pairs in one order is ``(1 + tau) / 2``. The latter is too narrow where few mixtures agree well (of 8 of
RegMix's 256 it held the share of all in 85 % of the draws), so that an end is moved out to what the end of Spearman's
interval means for a Gaussian pair, where that is further. Mixtures are taken as independent draws. A perfect order is
taken as half a swap of neighbours short of it: few mixtures are in order by chance.

References:
    [Bonett2000] Sample size requirements for estimating Pearson, Kendall and Spearman correlations.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bomix.surrogates.cross_validation.scores import Z95, spearman

if TYPE_CHECKING:
    from bomix.space.polytope import Array

LEAST = 4
"""Number of mixtures below which a correlation is not defined: the interval of three has no end."""


class Correlation(NamedTuple):
    """A rank correlation.

    Attributes:
        rho: Spearman's coefficient, -1 to 1; NaN where it is not defined.
        lower: Lower end of its 95 % interval.
        upper: Upper end of that interval.
        n: Number of mixtures that have both values.
    """

    rho: float
    lower: float
    upper: float
    n: int


class Ordered(NamedTuple):
    """The share of pairs of mixtures that two numbers put into the same order.

    Attributes:
        share: 0 to 1, one half by chance; NaN where it is not defined. A tie on one side counts as one half.
        lower: Lower end of its 95 % interval.
        upper: Upper end of that interval.
        n: Number of mixtures that have both values.
    """

    share: float
    lower: float
    upper: float
    n: int


def correlation(first: Array, second: Array) -> Correlation:
    """Rank correlation of the mixtures that have both; equal values share their mean rank.

    Args:
        first: ``n`` values, NaN where there is none.
        second: ``n`` values of the same mixtures, NaN where there is none.

    Returns:
        All NaN below :data:`LEAST` pairs, and where either side has a single value.
    """
    first, second = _both(first, second)
    n = len(first)
    rho = spearman(first, second) if n >= LEAST else math.nan
    if math.isnan(rho):
        return Correlation(math.nan, math.nan, math.nan, n)
    most = 1.0 - 6.0 / (n * (n**2 - 1))
    lower, upper = _interval(rho, most, (1.0 + 0.5 * rho**2) / (n - 3))
    return Correlation(rho, lower, upper, n)


def ordered(first: Array, second: Array) -> Ordered:
    """Share of the pairs of mixtures that have both values which both put into the same order.

    Args:
        first: ``n`` values, NaN where there is none.
        second: ``n`` values of the same mixtures, NaN where there is none.

    Returns:
        All NaN below :data:`LEAST` mixtures, and where either side has a single value. Of :data:`LEAST` mixtures the
        interval is everything.
    """
    first, second = _both(first, second)
    n = len(first)
    if n < LEAST or not np.ptp(first) or not np.ptp(second):
        return Ordered(math.nan, math.nan, math.nan, n)
    signs = [np.sign(values[:, None] - values) for values in (first, second)]
    tau = float((signs[0] * signs[1]).sum()) / (n * (n - 1))
    if n == LEAST:
        return Ordered(0.5 * (1.0 + tau), 0.0, 1.0, n)
    lower, upper = _interval(tau, 1.0 - 2.0 / (n * (n - 1)), 0.437 / (n - 4))
    ends = [_tau_of(rho) for rho in correlation(first, second)[1:3]]
    return Ordered(0.5 * (1.0 + tau), 0.5 * (1.0 + min(lower, ends[0])), 0.5 * (1.0 + max(upper, ends[1])), n)


def twice_as_sure(n: int) -> int:
    """Pairs after which the interval of a rank correlation is half as wide, on the scale of Fisher's transform.

    Args:
        n: Pairs that it stands on now, :data:`LEAST` or more.
    """
    return 4 * (n - 3) + 3


def _both(first: Array, second: Array) -> tuple[Array, Array]:
    """The values of those that have both."""
    both = np.isfinite(first) & np.isfinite(second)
    return first[both], second[both]


def _tau_of(rho: float) -> float:
    """Kendall's coefficient of a Gaussian pair with a coefficient by Spearman."""
    pearson = 2.0 * math.sin(math.pi * rho / 6.0)
    return 2.0 / math.pi * math.asin(min(max(pearson, -1.0), 1.0))


def _interval(value: float, most: float, variance: float) -> tuple[float, float]:
    """Ends of the 95 % interval of a coefficient by Fisher's transform, the coefficient itself inside.

    Args:
        value: The coefficient.
        most: The largest size that it is believed to have.
        variance: That of the transformed coefficient.
    """
    centre, half_width = math.atanh(min(max(value, -most), most)), Z95 * math.sqrt(variance)
    return min(value, math.tanh(centre - half_width)), max(value, math.tanh(centre + half_width))
