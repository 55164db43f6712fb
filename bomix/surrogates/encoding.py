"""Mixtures and losses as columns: the only module that knows which column is which, and what a kernel sees of them.

A kernel works on encoded weights. Square roots or logarithms stretch the neighbourhood of zero, where losses bend
most; the offset ``eps`` keeps the gradients finite at zero, an ordinary value of a weight.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import torch
from botorch.models.transforms.input import InputTransform
from botorch.utils.datasets import SupervisedDataset

from bomix.surrogates.context import FitContext
from bomix.surrogates.covariances import distance
from bomix.surrogates.refits import size_of_fit
from bomix.trial import EXPERTS

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.history import History
    from bomix.problem import Problem
    from bomix.space import MixtureSpace
    from bomix.trial import Record, Weights

EncodingName = Literal["sqrt", "log", "power", "raw"]
ENCODINGS: tuple[str, ...] = get_args(EncodingName)
DEFAULT_EPS = {"sqrt": 1e-4, "log": 1e-3, "power": 1e-4, "raw": 0.0}
_SPREAD_SAMPLES = 256
_MIN_TO_TAME = 5
_ASTRAY = 25.0
_SETTLED = 0.1

logger = logging.getLogger(__name__)


class Encoding(InputTransform):
    """``sqrt(w + eps)``, ``log(w + eps)``, ``(w + eps)^power``, or the weights themselves.

    Args:
        name: ``sqrt``, ``log``, ``power`` or ``raw``.
        eps: The offset, a share; None takes the default of the encoding.
        power: Exponent of the encoding ``power``.
    """

    def __init__(self, name: EncodingName = "sqrt", eps: float | None = None, power: float = 0.25) -> None:
        super().__init__()
        self.name = name
        self.power = 0.5 if name == "sqrt" else power
        self.eps = DEFAULT_EPS[name] if eps is None else eps
        self.transform_on_train = True
        self.transform_on_eval = True
        self.transform_on_fantasize = True

    def transform(self, X: Tensor) -> Tensor:
        """Encode.

        Args:
            X: ``batch x n x d`` weights; rounding below zero is cut off.

        Returns:
            ``batch x n x d`` encoded weights.
        """
        return encode(X, self.name, self.eps, self.power)

    def untransform(self, X: Tensor) -> Tensor:
        """The weights behind encoded ones."""
        if self.name == "raw":
            return X
        return (X.exp() if self.name == "log" else X ** (1.0 / self.power)) - self.eps

    def equals(self, other: InputTransform) -> bool:
        """Whether the two encode alike."""
        return isinstance(other, Encoding) and (self.name, self.eps, self.power) == (
            other.name,
            other.eps,
            other.power,
        )


def encode(X: Tensor, name: EncodingName, eps: float | Tensor, power: float | Tensor) -> Tensor:
    """Encode weights with an offset and a power that may differ between processes.

    Args:
        X: ``batch x n x d`` weights; rounding below zero is cut off.
        name: As of :class:`Encoding`.
        eps: The offset; a tensor broadcasts with ``X``.
        power: The exponent of every encoding but ``raw`` and ``log``; a tensor broadcasts with ``X``.
    """
    if name == "raw":
        return X
    shifted = X.clamp_min(0.0) + eps
    return shifted.log() if name == "log" else shifted**power


def typical_distance(encoding: Encoding, space: MixtureSpace) -> float:
    """Root mean square distance of two uniform points of the space, in encoded coordinates."""
    points = torch.as_tensor(space.sobol(_SPREAD_SAMPLES, seed=0), dtype=torch.float64)
    return distance(encoding.transform(points))


def seen_weights(record: Record) -> Weights:
    """The mixture that a record tells about: the realised one where it is known, else the one asked for."""
    if record.outcome is not None and (realized := getattr(record.outcome, "realized", None)) is not None:
        return realized  # type: ignore[no-any-return]
    return record.trial.weights


def to_dataset(problem: Problem, history: History) -> SupervisedDataset:
    """What a surrogate learns from: every completed trial.

    Returns:
        ``X``: ``n x d`` realised weights where known, else the weights asked for. ``Y``: ``n x m`` metrics as they
        were reported, whatever their direction, NaN where a trial lacks one; what went astray is pulled in, see
        :func:`tamed`.
    """
    records = history.observations
    X = problem.space.to_arrays(seen_weights(record) for record in records)
    Y = np.array([[record.result.losses.get(name, np.nan) for name in problem.metric_names] for record in records])
    return SupervisedDataset(
        torch.as_tensor(X, dtype=torch.float64),
        torch.as_tensor(tamed(Y.reshape(len(records), len(problem.metrics)), problem), dtype=torch.float64),
        feature_names=list(problem.space.domains),
        outcome_names=list(problem.metric_names),
    )


def tamed(Y: np.ndarray, problem: Problem) -> np.ndarray:
    """Metrics of runs that went astray, pulled in: one diverged run would flatten all others.

    Args:
        Y: ``n x m``, NaN where missing.
        problem: Names and directions; only what is bad is looked at.

    Returns:
        The same with values out of all proportion (:data:`_ASTRAY` times as far on the bad side of the median as the
        middle three fifths of the runs spread) set a little beyond the worst of the others. What is usual is told by
        the first runs, nearly all: it does not move with every run, see :mod:`bomix.surrogates.refits`.
    """
    if len(Y) < _MIN_TO_TAME:
        return Y
    result, early = Y.copy(), size_of_fit(len(Y), _SETTLED)
    for column, (name, sign) in enumerate(zip(problem.metric_names, problem.signs, strict=True)):
        values = sign * Y[:, column]
        usual = values[:early]
        if np.isfinite(usual).sum() < _MIN_TO_TAME:
            continue
        low, median, high = np.nanquantile(usual, (0.2, 0.5, 0.8))
        far = values > median + _ASTRAY * (high - low)
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
