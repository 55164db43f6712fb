"""Mixtures and losses as columns: the only module that knows which column is which, and what a kernel sees of them.

A kernel works on encoded weights. Square roots or logarithms stretch the neighbourhood of zero, where losses bend
most; the offset ``eps`` keeps the gradients finite at zero, an ordinary value of a weight.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
import torch
from botorch.utils.datasets import SupervisedDataset

from bomix.contracts.context import FitContext
from bomix.surrogates.data.refit_schedule import size_of_fit
from bomix.trial import EXPERTS

if TYPE_CHECKING:
    from bomix.history import History
    from bomix.problem import Problem
    from bomix.space.weights import Weights
    from bomix.trial import Record

_MIN_TO_WINSORISE = 5
"""Runs below which no spread is usual."""
_OUTLIER = 25.0
"""Spreads beyond the median from which on a value is an outlier: heavy tails of good runs end well before, diverged
runs are far beyond."""
_SETTLED = 0.1
"""Share by which the record grows before what is usual is told anew."""

logger = logging.getLogger(__name__)


def seen_weights(record: Record) -> Weights:
    """The mixture that a record tells about: the realised one where it is known, else the one asked for."""
    if record.outcome is not None and (realized := getattr(record.outcome, "realized", None)) is not None:
        return realized  # type: ignore[no-any-return]
    return record.trial.weights


def to_dataset(problem: Problem, history: History) -> SupervisedDataset:
    """What a surrogate learns from: every completed trial.

    Returns:
        ``X``: ``n x d`` realised weights where known, else the weights asked for. ``Y``: ``n x m`` metrics as they
        were reported, whatever their direction, NaN where a trial lacks one; outliers are winsorised, see
        :func:`winsorised`.
    """
    records = history.observations
    X = problem.space.to_arrays(seen_weights(record) for record in records)
    Y = np.array([[record.result.losses.get(name, np.nan) for name in problem.metric_names] for record in records])
    return SupervisedDataset(
        torch.as_tensor(X, dtype=torch.float64),
        torch.as_tensor(winsorised(Y.reshape(len(records), len(problem.metrics)), problem), dtype=torch.float64),
        feature_names=list(problem.space.domains),
        outcome_names=list(problem.metric_names),
    )


def winsorised(Y: np.ndarray, problem: Problem) -> np.ndarray:
    """Metrics of runs that are outliers, winsorised: one diverged run would flatten all others.

    Args:
        Y: ``n x m``, NaN where missing.
        problem: Names and directions; only what is bad is looked at.

    Returns:
        The same with values out of all proportion (:data:`_OUTLIER` times as far on the bad side of the median as the
        middle three fifths of the runs spread) set a little beyond the worst of the others. What is usual is told by
        the first runs, nearly all: it does not move with every run, see :mod:`bomix.surrogates.data.refit_schedule`.
    """
    if len(Y) < _MIN_TO_WINSORISE:
        return Y
    result, early = Y.copy(), size_of_fit(len(Y), _SETTLED)
    for column, (name, sign) in enumerate(zip(problem.metric_names, problem.signs, strict=True)):
        values = sign * Y[:, column]
        usual = values[:early]
        if np.isfinite(usual).sum() < _MIN_TO_WINSORISE:
            continue
        low, median, high = np.nanquantile(usual, (0.2, 0.5, 0.8))
        far = values > median + _OUTLIER * (high - low)
        if high > low and far.any():
            wild = ", ".join(f"{value:.4g}" for value in Y[far, column])
            logger.warning("metric '%s': %s is out of all proportion to the other runs and counts as less", name, wild)
            result[far, column] = sign * (np.nanmax(usual[~far[:early]]) + high - low)
    return result


def fit_context(problem: Problem, history: History) -> FitContext:
    """The names behind the columns of :func:`to_dataset`, the trials of its rows, their artifacts and the experts'."""
    trials = tuple(record.trial.id for record in history.observations)
    known = {*trials, *history.experts.values()}
    artifacts = {r.trial.id: r.result.artifacts for r in history.completed if r.trial.id in known}
    alone = frozenset(record.trial.id for record in history.completed if record.trial.origin in EXPERTS)
    return FitContext(problem.space, problem.metric_names, trials, artifacts, history.experts, alone)
