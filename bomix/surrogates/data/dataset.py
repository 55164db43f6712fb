"""Mixtures and losses as columns: the only module that knows which column is which, and what a kernel sees of them.

A kernel works on encoded weights. Square roots or logarithms stretch the neighbourhood of zero, where the
curvature of losses is largest; the offset ``eps`` keeps the gradients finite at zero, an ordinary value of a weight.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from botorch.utils.datasets import SupervisedDataset

from bomix.contracts.context import FitContext
from bomix.io.imports.carried import kept_share, other_text
from bomix.io.imports.differences import KEY
from bomix.surrogates.data.refit_schedule import size_of_fit
from bomix.trial import EXPERT, IMPORTED, Result

if TYPE_CHECKING:
    from bomix.history import History
    from bomix.problem import Problem
    from bomix.space.weights import Weights
    from bomix.trial import Record

_LEAST_RUNS = 5
"""Runs below which none is called an outlier: fewer do not say what is usual."""
_OUTLIER = 25.0
"""How far an outlier lies beyond the median, in spreads of the middle three fifths of the runs: a mixture that is
merely bad stays (five Gaussian deviations are three such spreads), a run that diverged does not."""
_GROWTH = 0.1
"""Share by which the record grows before the usual range is computed anew: as for the hyperparameters of many
metrics."""

logger = logging.getLogger(__name__)


def seen_weights(record: Record) -> Weights:
    """The mixture that a record tells about: the realised one where it is known, else the one asked for."""
    if isinstance(record.outcome, Result) and record.outcome.realized is not None:
        return record.outcome.realized
    return record.trial.weights


def to_dataset(problem: Problem, history: History, *, across: bool = False) -> SupervisedDataset:
    """The data that a surrogate learns from: every completed trial of the study's scale, or of an unknown one.

    Args:
        problem: The domains and the metrics.
        history: The record.
        across: Whether the runs of every scale of the study are rows, not those of its own alone.

    Returns:
        ``X``: ``n x d`` realised weights where known, else the weights asked for; of a run of an earlier study that
        had a domain which this one lacks, its shares of all tokens, which sum to less than one. ``Y``: ``n x m``
        metrics as they were reported, whatever their direction, NaN where a trial lacks one; outliers are pulled in,
        see :func:`winsorised`, among the runs of their scale.
    """
    records = history.learnt_from(across=across)
    X = problem.space.to_arrays(seen_weights(record) for record in records)
    X = X * np.array([kept_share(record) for record in records]).reshape(-1, 1)
    Y = np.array([[record.result.losses.get(name, np.nan) for name in problem.metric_names] for record in records])
    Y = Y.reshape(len(records), len(problem.metrics))
    if across:
        scales = [history.counted_as(record) for record in records]
        for scale in history.scales:
            rows = np.array([each == scale for each in scales], dtype=bool)
            Y[rows] = winsorised(Y[rows], problem)
    else:
        Y = winsorised(Y, problem)
    return SupervisedDataset(
        torch.as_tensor(X, dtype=torch.float64),
        torch.as_tensor(Y, dtype=torch.float64),
        feature_names=list(problem.space.domains),
        outcome_names=list(problem.metric_names),
    )


def winsorised(Y: np.ndarray, problem: Problem) -> np.ndarray:
    """Metrics with outliers pulled in (winsorised): one diverged run would flatten all others.

    Args:
        Y: ``n x m``, NaN where missing.
        problem: Names and directions of the metrics; only values on the bad side are winsorised.

    Returns:
        The same with values out of all proportion (:data:`_OUTLIER` times as far on the bad side of the median as the
        middle three fifths of the runs spread) set a little beyond the worst of the others. The usual range is that
        of the first runs, nearly all: it does not move with every run, see :mod:`bomix.surrogates.data.refit_schedule`.
    """
    if len(Y) < _LEAST_RUNS:
        return Y
    result, early = Y.copy(), size_of_fit(len(Y), _GROWTH)
    for column, (name, sign) in enumerate(zip(problem.metric_names, problem.signs, strict=True)):
        values = sign * Y[:, column]
        usual = values[:early]
        if np.isfinite(usual).sum() < _LEAST_RUNS:
            continue
        low, median, high = np.nanquantile(usual, (0.2, 0.5, 0.8))
        far = values > median + _OUTLIER * (high - low)
        if high > low and far.any():
            wild = ", ".join(f"{value:.4g}" for value in Y[far, column])
            logger.warning("metric '%s': %s is out of all proportion to the other runs and counts as less", name, wild)
            result[far, column] = sign * (np.nanmax(usual[~far[:early]]) + high - low)
    return result


def fit_context(problem: Problem, history: History, *, across: bool = False) -> FitContext:
    """The names behind the columns of :func:`to_dataset`, the trials and scales of its rows, artifacts, experts.

    Across scales, the scale of a row is the one of the study's that the run counts as.
    """
    records = history.learnt_from(across=across)
    observed = [record.trial for record in records]
    trials = tuple(trial.id for trial in observed)
    known = {*trials, *history.experts.values()}
    artifacts = {r.trial.id: r.result.artifacts for r in history.completed if r.trial.id in known}
    alone = frozenset(record.trial.id for record in history.completed if record.trial.origin == EXPERT)
    return FitContext(
        problem.space,
        problem.metric_names,
        trials,
        artifacts,
        history.experts,
        alone,
        scales=tuple(history.counted_as(each) if across else each.trial.scale for each in records),
        target=history.scale if across else None,
        own=problem.own,
        passes=problem.passes,
        whole_experts=problem.matching is not None,
        repetition_decay=problem.repetition_decay,
        runs=_trainings(records) if across else (),
        other=other_text(records),
    )


def _trainings(records: Sequence[Record]) -> tuple[int, ...]:
    """Numbers of the trainings behind records, the same for checkpoints of one.

    Those are runs from elsewhere of one mixture, size, recipe and seed, and of one key where a table had keys, that
    differ in tokens. Two of them with the same tokens are repeats, and nothing says which checkpoint is whose.
    """
    of_training: dict[Hashable, list[int]] = {}
    for row, record in enumerate(records):
        trial, scale = record.trial, record.trial.scale
        if trial.origin == IMPORTED and scale is not None:
            key = record.result.info.get(KEY)
            what = (tuple(sorted(seen_weights(record).items())), scale.params, scale.recipe, trial.seed, key)
            of_training.setdefault(what, []).append(row)
    number = list(range(len(records)))
    for rows in of_training.values():
        tokens = [scale.tokens for row in rows if (scale := records[row].trial.scale) is not None]
        if len(set(tokens)) == len(rows):
            for row in rows:
                number[row] = rows[0]
    return tuple(number)
