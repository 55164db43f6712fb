"""How good Gaussian predictions of runs are.

A score looks at ``n`` runs ``y_i``, each predicted as ``N(mu_i, s_i^2)``, the noise of a run included:

=================  ==================================================================  ==========================
Spearman           correlation of the ranks of ``mu`` and ``y``                        higher is better, at most 1
mean square error  ``mean (y - mu)^2``                                                 lower, squared units
NLPD               ``mean 0.5 ((y - mu)^2 / s^2 + log(2 pi s^2))``                     lower, nats
coverage           share of ``|y - mu| <= 1.96 s``                                     0.95 is right
width              ``mean 2 * 1.96 s``                                                 lower, where coverage holds
=================  ==================================================================  ==========================

Standard errors take the runs as independent. Held-out predictions share most of what they learnt from, so the errors
are a guide, not a test. A model that predicts the same everywhere has a rank correlation of -1 when it is left one out:
the mean of the others is highest where the run is lowest.

References:
    [Bonett2000] Sample size requirements for estimating Pearson, Kendall and Spearman correlations.
    [Agresti1998] Approximate is better than "exact" for interval estimation of binomial proportions.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from bomix.space.polytope import Array

Z95 = 1.959963984540054
"""Standard deviations on either side of a Gaussian's mean that hold 95 % of it."""


@dataclass(frozen=True)
class Scores:
    """How good Gaussian predictions of runs are; NaN where that is undefined. See the head of this module.

    Attributes:
        n: Runs that were observed.
        spearman: Rank correlation; undefined below two runs, or where all are equal.
        spearman_se: Its standard error [Bonett2000]_; from four runs on.
        mse: Mean squared error.
        mse_se: Its standard error; from two runs on, as the others below.
        nlpd: Negative log predictive density.
        nlpd_se: Its standard error.
        coverage: Share of runs inside their central 95 % interval.
        coverage_se: Its standard error, by the rule of [Agresti1998]_, above zero also where all runs are inside.
        width: Mean width of the intervals.
        width_se: Its standard error.
    """

    n: int
    spearman: float
    spearman_se: float
    mse: float
    mse_se: float
    nlpd: float
    nlpd_se: float
    coverage: float
    coverage_se: float
    width: float
    width_se: float

    @property
    def rmse(self) -> float:
        """Root of the mean squared error."""
        return float(np.sqrt(self.mse))

    def by_name(self) -> dict[str, float]:
        """Name to value of every score, the root of the mean squared error included."""
        return {**asdict(self), "rmse": self.rmse}


def score(observed: Array, mean: Array, sd: Array) -> Scores:
    """Score predictions of one number.

    Args:
        observed: ``n`` runs, NaN where there is none.
        mean: ``n`` means.
        sd: ``n`` standard deviations, the noise of a run included.
    """
    seen = np.isfinite(observed) & np.isfinite(mean) & np.isfinite(sd)
    y, mu, s = (np.asarray(each, dtype=float)[seen] for each in (observed, mean, sd))
    rho, n = spearman(y, mu), len(y)
    inside = np.abs(y - mu) <= Z95 * s
    trust = (inside.sum() + 2.0) / (n + 4.0)
    return Scores(
        n,
        rho,
        (1.0 - rho**2) * float(np.sqrt((1.0 + 0.5 * rho**2) / (n - 3))) if n > 3 else float("nan"),
        *_mean_and_error((y - mu) ** 2),
        *_mean_and_error(gaussian_nlpd(y, mu, s)),
        float(inside.mean()) if n else float("nan"),
        float(np.sqrt(trust * (1.0 - trust) / (n + 4.0))) if n else float("nan"),
        *_mean_and_error(2.0 * Z95 * s),
    )


def spearman(first: Array, second: Array) -> float:
    """Rank correlation of ``n`` pairs, ties at their mean rank; NaN where either side has a single value."""
    from scipy.stats import rankdata

    ranks = [rankdata(values) - 0.5 * (len(values) + 1) for values in (first, second)]
    scale = float(np.sqrt(np.prod([rank @ rank for rank in ranks])))
    return float(np.clip(ranks[0] @ ranks[1] / scale, -1.0, 1.0)) if scale > 0 else float("nan")


def gaussian_nlpd(observed: Array, mean: Array, sd: Array) -> Array:
    """Negative log density of ``n`` runs under their predictions, nats; NaN where a run is NaN."""
    # A model may be sure of a number; the density of its own prediction then stays finite.
    variance = np.maximum(np.square(sd), 1e-300)
    return np.asarray(0.5 * (np.square(observed - mean) / variance + np.log(2.0 * np.pi * variance)))


def empirical_coverage(observed: Array, mean: Array, sd: Array, levels: Array) -> Array:
    """Share of runs inside their central interval at each level, NaN runs left out.

    Args:
        observed: ``n`` runs.
        mean: ``n`` means.
        sd: ``n`` standard deviations.
        levels: ``k`` nominal shares between 0 and 1.

    Returns:
        ``k`` shares; NaN where there is no run.
    """
    from scipy.stats import norm

    seen = np.isfinite(observed)
    if not seen.any():
        return np.full(len(levels), np.nan)
    error, half_width = np.abs(observed - mean)[seen], np.asarray(norm.ppf(0.5 * (1.0 + np.asarray(levels))))
    return np.asarray((error <= half_width[:, None] * sd[seen]).mean(axis=1))


def _mean_and_error(values: Array) -> tuple[float, float]:
    """Mean of ``n`` values and its standard error."""
    n = len(values)
    return (
        float(values.mean()) if n else float("nan"),
        float(values.std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan"),
    )
