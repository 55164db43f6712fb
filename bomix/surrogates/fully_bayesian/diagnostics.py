"""Whether draws of Markov chains can be trusted: split R-hat, effective sample size, divergences.

References:
    [Vehtari2021] Rank-normalization, folding, and localization: an improved R-hat for assessing convergence of MCMC.
    [Geyer1992] Practical Markov chain Monte Carlo.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bomix.errors import BomixError

Array = NDArray[np.float64]

MAX_RHAT = 1.05
"""R-hat above which chains disagree: stricter than the old 1.1, laxer than the 1.01 of long chains, since these are
short and predictions, not tails of parameters, are wanted."""
MIN_EFFECTIVE = 100.0
"""Effective draws below which a mean is not known: with so many its error is a tenth of the standard deviation."""
_LEAST_DRAWS = 8
"""Draws of a chain below which nothing is said: each half then has fewer than four, whose variance tells nothing."""


@dataclass(frozen=True)
class Diagnostics:
    """What the chains say about themselves; a parameter with several components counts by its worst.

    Attributes:
        rhat: Parameter to largest split R-hat, rank-normalised; 1 is perfect.
        effective: Parameter to smallest effective sample size, in draws.
        divergences: Transitions after warm-up that ended because the energy ran away.
        chains: Number of chains.
        draws: Draws of each chain, before thinning.
    """

    rhat: Mapping[str, float]
    effective: Mapping[str, float]
    divergences: int
    chains: int
    draws: int

    def complaints(self) -> tuple[str, ...]:
        """What is wrong, a sentence each with its cure; empty where the draws can be trusted."""
        found = []
        if disagreeing := {name: value for name, value in self.rhat.items() if not value <= MAX_RHAT}:
            name, value = _worst(disagreeing, largest=True)
            found.append(
                f"the chains disagree about {_listed(disagreeing)} (R-hat {value:.2f} for '{name}', above {MAX_RHAT}); "
                "raise warmup, then thinning"
            )
        if few := {name: value for name, value in self.effective.items() if not value >= MIN_EFFECTIVE}:
            name, value = _worst(few, largest=False)
            found.append(
                f"{_listed(few)}: the {self.chains * self.draws} draws are worth {value:.0f} independent ones for "
                f"'{name}', below {MIN_EFFECTIVE:.0f}; raise thinning or samples"
            )
        if self.divergences:
            found.append(
                f"{self.divergences} transitions diverged, so part of the posterior may be missing; raise target_accept"
            )
        return tuple(found)

    @property
    def passed(self) -> bool:
        """Whether there are no complaints."""
        return not self.complaints()


def diagnose(samples: Mapping[str, Any], *, divergences: int = 0) -> Diagnostics:
    """Diagnose the draws of every parameter.

    Args:
        samples: Name to ``chains x draws x (...)``, anything that NumPy reads.
        divergences: Transitions after warm-up that the sampler counted as divergent.
    """
    columns = {name: np.asarray(values, dtype=float) for name, values in samples.items()}
    chains, draws = next(iter(columns.values())).shape[:2] if columns else (0, 0)
    flat = {name: values.reshape(chains, draws, -1) for name, values in columns.items() if values.size}
    return Diagnostics(
        rhat={name: float(split_rhat(values).max()) for name, values in flat.items()},
        effective={name: float(effective_sample_size(values).min()) for name, values in flat.items()},
        divergences=divergences,
        chains=chains,
        draws=draws,
    )


def split_rhat(draws: Any) -> Array:
    """Rank-normalised split R-hat, the larger of that of the bulk and that of the tails [Vehtari2021]_.

    Args:
        draws: ``chains x draws x (...)``; chains are halved, so that one chain is compared with itself.

    Returns:
        ``(...)``; infinite for a component that never moves, is not finite, or has fewer than 8 draws.
    """
    halves = _halves(np.asarray(draws, dtype=float))
    shape, flat = halves.shape[2:], halves.reshape(*halves.shape[:2], -1)
    folded = np.abs(flat - np.median(flat, axis=(0, 1)))
    values = np.maximum(_rhat(_rank_normalised(flat)), _rhat(_rank_normalised(folded)))
    return np.where(_usable(flat), values, np.inf).reshape(shape)


def effective_sample_size(draws: Any) -> Array:
    """How many independent draws the mean of the rank-normalised draws is worth [Vehtari2021]_, [Geyer1992]_.

    Args:
        draws: ``chains x draws x (...)``.

    Returns:
        ``(...)``; zero for a component that never moves, is not finite, or has fewer than 8 draws.
    """
    halves = _halves(np.asarray(draws, dtype=float))
    shape, flat = halves.shape[2:], halves.reshape(*halves.shape[:2], -1)
    chains, n = flat.shape[:2]
    if n < _LEAST_DRAWS // 2:
        return np.zeros(shape)
    usable = _usable(flat)
    values = _rank_normalised(np.where(usable, flat, np.arange(n)[:, None]))
    covariances = _autocovariance(values)
    within = covariances[0] * n / (n - 1.0)
    total = within * (n - 1.0) / n + values.mean(axis=1).var(axis=0, ddof=1)
    correlations = 1.0 - (within - covariances) / total
    correlations[0] = 1.0
    pairs = correlations[: n - n % 2].reshape(n // 2, 2, -1).sum(axis=1)
    # Sums of neighbouring autocorrelations of a reversible chain are positive and fall; what does not is noise.
    positive = np.logical_and.accumulate(pairs > 0.0, axis=0)
    falling = np.where(positive, np.minimum.accumulate(pairs, axis=0), 0.0)
    count = chains * n
    time = np.maximum(2.0 * falling.sum(axis=0) - 1.0, 1.0 / np.log10(count))
    return np.where(usable, count / time, 0.0).reshape(shape)


def to_arviz(samples: Mapping[str, Any]) -> Any:
    """Draws ``chains x draws x (...)`` by name as ArviZ holds them, for its plots and tables.

    Raises:
        BomixError: ArviZ is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # ArviZ announces its successor at its import
            import arviz
    except ImportError as error:
        raise BomixError("ArviZ is not installed; pip install 'bomix[diagnostics]'") from error
    posterior: dict[str, Any] = {
        "posterior": {name: np.asarray(values, dtype=float) for name, values in samples.items()}
    }
    # Since its first major release ArviZ takes the groups as one mapping.
    is_first = arviz.__version__.startswith("0.")
    return arviz.from_dict(**posterior) if is_first else arviz.from_dict(posterior)


def _halves(draws: Array) -> Array:
    """Chains cut in the middle, ``2 chains x draws // 2 x (...)``; of an odd number the middle draw is left out."""
    half = draws.shape[1] // 2
    return np.concatenate([draws[:, :half], draws[:, draws.shape[1] - half :]])


def _usable(flat: Array) -> NDArray[np.bool_]:
    """Components that are finite and move."""
    if flat.shape[1] < _LEAST_DRAWS // 2:
        return np.zeros(flat.shape[2], dtype=bool)
    finite = np.isfinite(flat).all(axis=(0, 1))
    moves = np.where(finite, np.nan_to_num(flat).max(axis=(0, 1)) > np.nan_to_num(flat).min(axis=(0, 1)), False)
    return np.asarray(moves, dtype=bool)


def _rank_normalised(flat: Array) -> Array:
    """Normal scores of the ranks over all chains, ``chains x n x k``."""
    from scipy.special import ndtri
    from scipy.stats import rankdata

    chains, n, k = flat.shape
    ranks = rankdata(flat.reshape(chains * n, k), axis=0)
    return np.asarray(ndtri((ranks - 0.375) / (chains * n + 0.25))).reshape(chains, n, k)


def _rhat(values: Array) -> Array:
    """Root of the total over the within-chain variance, ``k``; infinite where no chain moves."""
    n = values.shape[1]
    if n < 2:
        return np.full(values.shape[2], np.inf)
    within = values.var(axis=1, ddof=1).mean(axis=0)
    between = values.mean(axis=1).var(axis=0, ddof=1)
    floor = np.finfo(float).tiny
    return np.where(within > 0.0, np.sqrt((n - 1.0) / n + between / np.maximum(within, floor)), np.inf)


def _autocovariance(values: Array) -> Array:
    """Autocovariance at every lag, the mean over chains, ``n x k``."""
    n = values.shape[1]
    centred = values - values.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(centred, n=2 * n, axis=1)
    products = np.fft.irfft(np.abs(spectrum) ** 2, n=2 * n, axis=1)[:, :n]
    return np.asarray(products.mean(axis=0) / n)


def _worst(values: Mapping[str, float], *, largest: bool) -> tuple[str, float]:
    return (max if largest else min)(values.items(), key=lambda item: item[1])


def _listed(names: Mapping[str, float]) -> str:
    return ", ".join(names)
