"""Errors of a regressor: cross-validated residuals, which turn point predictions into a Gaussian belief.

A regressor's own spread is that of mixtures it did not see. With ``r_i`` the residual of trial ``i`` under a fit that
left its fold out, standardised by its metric's scale, the covariance of a new run is ``s_j s_k R_jk``: ``s_j^2`` is
the mean of ``r_ij^2`` times that of Student's t, for few residuals know their own scale badly, and ``R`` their shrunk
correlation. What a run's noise adds and what the regressor misses cannot be told apart by residuals: all of it counts
as error of the regressor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from bomix.numerics.determinism import deterministic
from bomix.surrogates.cross_validation.correlation import MIN_FREEDOM, shrunk_correlation
from bomix.surrogates.cross_validation.folds import Prepared, prepare
from bomix.surrogates.models.joint import HeldOut, JointModel
from bomix.surrogates.models.sampled import SampledModel

if TYPE_CHECKING:
    from botorch.utils.datasets import SupervisedDataset
    from torch import Tensor

    from bomix.surrogates.features.columns import Columns

_LEAST = 1e-12
"""Variances are kept above it, in standard deviations of a metric squared: residuals that are all zero correlate with
nothing and still have a scale."""
EQUAL = 1e-9
"""Share of a value below which a residual is rounding."""


class Predictor(Protocol):
    """A fitted regressor of one metric; must survive pickling."""

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """Map ``n x d`` weights, and the columns behind them that it was fitted to, to ``n`` predictions."""
        ...


Fit = Callable[[np.ndarray, np.ndarray, Sequence[Any]], Sequence[Predictor]]
"""Maps ``n x d`` weights, columns behind them, ``n`` standardised values, ``n > 0`` and none missing, and settings to a
predictor each."""


def held_out(prepared: Prepared, inputs: Sequence[np.ndarray], fit: Fit, settings: Sequence[Any]) -> Tensor:
    """Each row predicted by a fit to the other folds.

    Args:
        prepared: The trials.
        inputs: What each of the ``m`` metrics is regressed on, a row for each trial.
        fit: The regressor.
        settings: ``c`` settings of the regressor.

    Returns:
        ``c x n x m`` standardised predictions of ``c`` settings, NaN where there are fewer than two folds.
    """
    predictions = np.full((len(settings), *prepared.Z.shape), np.nan)
    for fold in range(prepared.count if prepared.count > 1 else 0):
        out = prepared.folds == fold
        for metric, (seen, values) in enumerate(zip(inputs, prepared.Z.T, strict=True)):
            predictors = _fit_seen(fit, seen[~out], values[~out], settings)
            for setting, predictor in enumerate(predictors):
                predictions[setting, out, metric] = predictor(seen[out])
    return torch.as_tensor(predictions)


def best_setting(prepared: Prepared, predictions: Tensor) -> Tensor:
    """The setting of least mean square error on held-out trials; of equal ones the first.

    Args:
        prepared: The trials.
        predictions: ``c x n x m`` of :func:`held_out`.

    Returns:
        ``m`` indices.
    """
    squares = (torch.as_tensor(prepared.Z) - predictions).square().nansum(dim=1)
    equal = squares <= squares.amin(dim=0) * (1.0 + EQUAL) + EQUAL**2
    return equal.double().argmax(dim=0)


def spread(prepared: Prepared, predictions: Tensor) -> Tensor:
    """Covariance of new runs about a regressor's predictions.

    Args:
        prepared: The trials.
        predictions: ``n x m`` standardised predictions of :func:`held_out`.

    Returns:
        ``m x m`` standardised covariance; a variance of one for a metric without spread.
    """
    return covariance_of(torch.as_tensor(prepared.Z) - predictions, ~prepared.flat, default=1.0)


def covariance_of(residuals: Tensor, known: Tensor, *, default: float) -> Tensor:
    """Covariance of the errors of new runs, from the held-out residuals of others.

    Args:
        residuals: ``n x m``, NaN where there is none.
        known: ``m``, whether a metric's residuals say anything.
        default: Variance where they do not, or are fewer than two.

    Returns:
        ``m x m``.
    """
    count = (~residuals.isnan()).sum(dim=0)
    squares = residuals.square().nansum(dim=0) / count.clamp_min(1)
    freedom = (count - 1.0).clamp_min(MIN_FREEDOM)
    variance = torch.where(
        known & (count > 1), (squares * freedom / (freedom - 2.0)).clamp_min(_LEAST), torch.full_like(squares, default)
    )
    if len(residuals) == 0:
        return torch.diag(variance)
    correlation = shrunk_correlation((residuals / squares.clamp_min(_LEAST).sqrt()).mT)
    return correlation * variance.sqrt() * variance.sqrt().unsqueeze(-1)


def point_model(
    data: SupervisedDataset,
    fit: Fit,
    settings: Sequence[Any],
    *,
    folds: int,
    seed: int,
    columns: Columns | None = None,
) -> PointModel:
    """Fit a regressor to every metric, its setting and the covariance of its errors by cross-validation.

    Args:
        data: ``X`` is ``n x d``, ``Y`` ``n x m``, NaN where a trial lacks a metric; ``n`` may be 0.
        fit: The regressor.
        settings: Settings to choose from, the simplest first.
        folds: Folds of the cross-validation.
        seed: Seed of the folds.
        columns: Extra inputs of the regressor behind the weights; None for none.
    """
    with deterministic():
        prepared = prepare(data, folds=folds, seed=seed)
        extra = None if columns is None else columns.training[torch.as_tensor(prepared.rows)]
        inputs = _inputs(prepared.X, prepared.Z.shape[-1], columns, extra)
        candidates = held_out(prepared, inputs, fit, settings)
        best, scale = best_setting(prepared, candidates), prepared.scale
        predictions = candidates[best, :, torch.arange(len(best))].mT
        error = spread(prepared, predictions) * scale * scale.unsqueeze(-1)
        return PointModel(
            tuple(
                _fit_seen(fit, seen, values, [settings[number]])[0]
                for seen, values, number in zip(inputs, prepared.Z.T, best.tolist(), strict=True)
            ),
            order=prepared.columns,
            columns=columns,
            offset=prepared.offset,
            scale=scale,
            error=error,
            held_out=as_held_out(prepared, predictions, error),
        )


def _inputs(X: np.ndarray, m: int, columns: Columns | None, extra: Tensor | None) -> list[np.ndarray]:
    """What each of ``m`` metrics is regressed on: ``n x d`` weights and its own of the ``n x p`` columns."""
    if columns is None or extra is None:
        return [X] * m
    return [np.hstack([X, extra[:, seen].numpy()]) for seen in columns.index]


def as_held_out(prepared: Prepared, predictions: Tensor, covariance: Tensor) -> HeldOut | None:
    """Predictions of :func:`held_out` in the order of the trials; None where there are fewer than two folds."""
    if prepared.count < 2:
        return None
    mean = prepared.restored(predictions)
    return HeldOut(mean, covariance.expand(len(mean), *covariance.shape))


def constants(X: np.ndarray, y: np.ndarray, settings: Sequence[Any]) -> list[Predictor]:
    """For each setting the predictor of a constant, the mean of ``n`` values; a :data:`Fit`."""
    return [Constant(float(y.mean())) for _ in settings]


def _fit_seen(fit: Fit, X: np.ndarray, values: np.ndarray, settings: Sequence[Any]) -> Sequence[Predictor]:
    """Fit to the trials that have the metric; without one, the metric's mean."""
    seen = ~np.isnan(values)
    return fit(X[seen], values[seen], settings) if seen.any() else [Constant(0.0) for _ in settings]


@dataclass(frozen=True)
class Constant:
    """The same number everywhere."""

    value: float

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """Map ``n x d`` weights to ``n`` predictions."""
        return np.full(len(X), self.value)


class PointModel(JointModel):
    """One prediction per mixture and metric, and an error that distinct mixtures do not share.

    The covariance is that of :class:`~bomix.surrogates.models.sampled.SampledModel` with a single sample, but the same
    everywhere, so that it takes no memory however many mixtures are predicted.

    Args:
        predictors: ``m``, each maps ``n x d`` weights in the order of ``order``, and its columns behind them, to ``n``
            standardised values.
        order: ``d`` indices: the domain that each column of the predictors' weights is.
        columns: Extra inputs of the predictors behind the weights; None for none.
        offset: ``m`` means of the metrics, added to standardised values.
        scale: ``m`` standard deviations of the metrics, which multiply them.
        error: ``m x m`` covariance in the metrics' own units.
        held_out: Out-of-fold predictions of the training mixtures.
    """

    def __init__(
        self,
        predictors: tuple[Predictor, ...],
        *,
        order: np.ndarray,
        columns: Columns | None,
        offset: Tensor,
        scale: Tensor,
        error: Tensor,
        held_out: HeldOut | None,
    ) -> None:
        super().__init__()
        self._predictors, self._order, self._columns, self._held_out = predictors, order, columns, held_out
        self._offset, self._scale, self._error = offset, scale, error

    @property
    def num_outputs(self) -> int:
        """Number of metrics."""
        return len(self._predictors)

    @property
    def batch_shape(self) -> torch.Size:
        """Always empty."""
        return torch.Size()

    def leave_one_out(self) -> HeldOut | None:
        """Each training mixture predicted by a fit to the other folds."""
        return self._held_out

    def moments(self, X: Tensor, noise: bool | Tensor = False) -> tuple[Tensor, Tensor]:
        """Mean and covariance, without gradients: the predictions, and the same error at every mixture.

        ``noise`` changes nothing: that of a run is part of the error already. Shapes are those of
        :meth:`JointModel.moments`.
        """
        weights = X.detach().double().reshape(-1, X.shape[-1])
        with torch.no_grad():
            extra = None if self._columns is None else self._columns(weights)
        inputs = _inputs(weights.numpy()[:, self._order], self.num_outputs, self._columns, extra)
        values = np.stack([predictor(seen) for predictor, seen in zip(self._predictors, inputs, strict=True)], axis=-1)
        mean = self._offset + self._scale * torch.as_tensor(values).reshape(*X.shape[:-1], self.num_outputs)
        covariance = torch.kron(self._error, torch.eye(X.shape[-2], dtype=self._error.dtype))
        return mean, covariance.expand(*X.shape[:-2], *covariance.shape)


class BootstrapModel(SampledModel):
    """A :class:`~bomix.surrogates.models.sampled.SampledModel` that knows its out-of-fold predictions.

    Args:
        predict: Maps ``batch x q x d`` weights to ``s x batch x q x m`` predictions.
        error: ``m x m`` covariance of what no sample explains.
        centre: Maps weights to the mean of the predictions, ``batch x q x m``.
        held_out: Out-of-fold predictions of the training mixtures.
        convex: Which of ``m`` posterior means are known to be convex in the weights; None where nothing is known.

    Attributes:
        convex: Which of ``m`` posterior means are known to be convex in the weights; None where nothing is known.
    """

    def __init__(
        self,
        predict: Callable[[Tensor], Tensor],
        *,
        error: Tensor,
        centre: Callable[[Tensor], Tensor],
        held_out: HeldOut | None,
        convex: tuple[bool, ...] | None = None,
    ) -> None:
        super().__init__(predict, error=error, noise=torch.zeros_like(error), centre=centre)
        self._held_out = held_out
        self.convex = convex

    def leave_one_out(self) -> HeldOut | None:
        """Each training mixture predicted by a fit to the other folds."""
        return self._held_out
