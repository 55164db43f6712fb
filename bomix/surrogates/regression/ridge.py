"""Ridge regression of every metric at once, as sums that a weight per trial enters: folds and refits are weights.

``f_j(w) = b_j + c_j . phi(w)``, where ``c_j`` minimises ``sum_i v_i (y_ij - f_j(w_i))^2 + penalty_j |c_j|^2``. A fold
that is held out, and a metric that a trial lacks, have ``v_i = 0``. The refits that say how uncertain the coefficients
are draw ``v_i`` from an exponential distribution, the Bayesian bootstrap [Rubin1981]_: unlike a draw with replacement
it leaves every trial in, which matters where there are fewer trials than coefficients.

References:
    [Rubin1981] The Bayesian bootstrap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from bomix.numerics.determinism import deterministic
from bomix.surrogates.cross_validation.folds import Prepared, prepare
from bomix.surrogates.kernels.encoding import Encoding
from bomix.surrogates.regression.residuals import BootstrapModel, as_held_out, best_setting, spread

if TYPE_CHECKING:
    from botorch.utils.datasets import SupervisedDataset
    from torch import Tensor

    from bomix.surrogates.features.columns import Columns

_FEATURE_SCALE = 10.0
"""Factor that multiplies the columns of features, of standard deviation one: the penalty of a slope of one is then
a hundredth of what it would be, and a metric may follow its feature under penalties that hold weights down."""
_LEAST_SHARE = 0.1
"""Least share of the held-out variance that is an error which distinct mixtures do not share: a line has a bias."""


@dataclass(frozen=True)
class Inputs:
    """What the regression is linear in.

    Attributes:
        raw: Whether it sees the weights.
        eps: Offset of their logarithms; None where it does not see them.
    """

    raw: bool
    eps: float | None

    def __call__(self, X: Tensor) -> Tensor:
        """Map ``batch x d`` weights to ``batch x p`` inputs."""
        parts = [X] if self.raw else []
        if self.eps is not None:
            parts.append(Encoding("log", self.eps).transform(X))
        return torch.cat(parts, dim=-1)


class Coefficients(NamedTuple):
    """Coefficients of linear functions of ``p`` inputs, one for each metric.

    Attributes:
        slope: ``batch x m x p`` slopes.
        intercept: ``batch x m`` intercepts.
    """

    slope: Tensor
    intercept: Tensor

    def __call__(self, inputs: Tensor) -> Tensor:
        """Map ``(...) x p`` inputs to ``batch x (...) x m`` predictions."""
        intercept = self.intercept.reshape(-1, *[1] * (inputs.dim() - 1), self.intercept.shape[-1])
        return torch.einsum("...p,smp->s...m", inputs, self.slope) + intercept


@dataclass(frozen=True)
class Lines:
    """Predictions of ``s`` refits as a function of weights.

    Attributes:
        inputs: What the regression is linear in.
        order: ``d`` indices: the domain that each column of the regression's weights is.
        columns: Features that it is linear in as well; None for none.
        coefficients: ``s x m`` linear functions, in the metrics' own units.
    """

    inputs: Inputs
    order: Tensor
    columns: Columns | None
    coefficients: Coefficients

    def __call__(self, X: Tensor) -> Tensor:
        """``batch x q x d`` weights to ``s x batch x q x m`` predictions."""
        return self.coefficients(self._seen(X.double()))

    def centre(self, X: Tensor) -> Tensor:
        """The mean of the predictions, ``batch x q x m``: linear as well, so that one product is enough."""
        mean = Coefficients(*(part.mean(dim=0, keepdim=True) for part in self.coefficients))
        return mean(self._seen(X.double()))[0]

    def _seen(self, X: Tensor) -> Tensor:
        """``batch x q x p`` of ``batch x q x d`` weights."""
        return _with_features(self.inputs(X[..., self.order]), None if self.columns is None else self.columns(X))


def fit(
    data: SupervisedDataset,
    inputs: Inputs,
    penalties: Sequence[float],
    *,
    folds: int,
    samples: int,
    seed: int,
    columns: Columns | None = None,
) -> BootstrapModel:
    """Choose each metric's penalty by cross-validation, fit, and refit to randomly weighted trials.

    Args:
        data: ``X`` is ``n x d``, ``Y`` ``n x m``, NaN where a trial lacks a metric; ``n`` may be 0.
        inputs: What the regression is linear in.
        penalties: Penalties to choose from.
        folds: Folds of the cross-validation.
        samples: Number of refits.
        seed: Seed of the folds and of the random weights.
        columns: Features that the regression is linear in as well; None for none.
    """
    with deterministic(), torch.no_grad():
        prepared = prepare(data, folds=folds, seed=seed)
        problem = _Problem.of(prepared, inputs, columns)
        # Descending: where the folds cannot tell two penalties apart, the stronger one is taken.
        strongest_first = torch.tensor(sorted(penalties, reverse=True), dtype=torch.float64)
        predictions, penalty = _chosen(problem, prepared, strongest_first)
        refits = _refits(problem, penalty, samples, np.random.default_rng([seed, 1]))
        total = spread(prepared, predictions)
        share = _unexplained(refits(problem.inputs + problem.centre), total).sqrt()
        scale = prepared.scale
        total = total * scale * scale.unsqueeze(-1)
        lines = Lines(
            inputs,
            torch.as_tensor(prepared.columns),
            columns,
            Coefficients(refits.slope * scale.unsqueeze(-1), refits.intercept * scale + prepared.offset),
        )
        return BootstrapModel(
            lines,
            error=total * share * share.unsqueeze(-1),
            centre=lines.centre,
            held_out=as_held_out(prepared, predictions, total),
        )


def _with_features(inputs: Tensor, columns: Tensor | None) -> Tensor:
    """``(...) x p`` inputs with the columns of features behind them, multiplied by :data:`_FEATURE_SCALE`."""
    return inputs if columns is None else torch.cat([inputs, _FEATURE_SCALE * columns], dim=-1)


class _Problem(NamedTuple):
    """Weighted least squares with a penalty, prepared so that many weights of the trials are solved for quickly.

    Attributes:
        inputs: ``n x p``, less their mean over all trials, which saves digits.
        products: ``n x p^2`` products of two inputs.
        targets: ``m x n``, zero where missing.
        seen: ``m x n``, one where a trial has the metric, else zero.
        centre: ``p`` means that were subtracted.
        used: ``m x p``, one for an input that a metric sees, else zero; None where each metric sees all.
    """

    inputs: Tensor
    products: Tensor
    targets: Tensor
    seen: Tensor
    centre: Tensor
    used: Tensor | None

    @staticmethod
    def of(prepared: Prepared, inputs: Inputs, columns: Columns | None) -> _Problem:
        """The problem of trials in canonical order, with one weight each."""
        targets = torch.as_tensor(prepared.Z.T)
        phi, used = inputs(torch.as_tensor(prepared.X)), None
        if columns is not None:
            used = torch.cat([torch.ones(len(targets), phi.shape[-1], dtype=phi.dtype), columns.used], dim=-1)
            phi = _with_features(phi, columns.training[torch.as_tensor(prepared.rows)])
        centre = phi.mean(dim=0) if len(phi) else phi.new_zeros(phi.shape[-1])
        phi = phi - centre
        products = (phi.unsqueeze(-1) * phi.unsqueeze(-2)).flatten(1)
        return _Problem(phi, products, targets.nan_to_num(0.0), (~targets.isnan()).double(), centre, used)

    def solve(self, weights: Tensor, penalty: Tensor) -> Coefficients:
        """The coefficients of least penalised squared error.

        Args:
            weights: ``m x n`` weights of the trials.
            penalty: ``c x m`` penalties, or ``c x 1`` for the same of every metric.

        Returns:
            ``c x m`` linear functions.
        """
        p = self.inputs.shape[-1]
        total = weights.sum(dim=-1, keepdim=True).clamp_min(1e-300)
        mean = weights @ self.inputs / total
        level = (weights * self.targets).sum(dim=-1, keepdim=True) / total
        squares = (weights @ self.products).reshape(-1, p, p)
        squares = squares - total.unsqueeze(-1) * mean.unsqueeze(-1) * mean.unsqueeze(-2)
        cross = (weights * (self.targets - level)) @ self.inputs
        if self.used is not None:  # an input that a metric does not see has no slope
            squares, cross = squares * self.used.unsqueeze(-1) * self.used.unsqueeze(-2), cross * self.used
        system = squares + penalty[..., None, None] * torch.eye(p, dtype=squares.dtype)
        slope = torch.linalg.solve(system, cross.expand(system.shape[:-1]).unsqueeze(-1)).squeeze(-1)
        intercept = level.squeeze(-1) - (slope * (mean + self.centre)).sum(dim=-1)
        return Coefficients(slope, intercept)


def _chosen(problem: _Problem, prepared: Prepared, penalties: Tensor) -> tuple[Tensor, Tensor]:
    """Held-out predictions under each metric's best penalty, and that penalty.

    Args:
        problem: The least squares.
        prepared: The trials and their folds.
        penalties: ``c`` penalties, descending.

    Returns:
        ``n x m`` standardised predictions, NaN where there are fewer than two folds, and ``m`` penalties.
    """
    n, m = prepared.Z.shape
    predictions = torch.full((len(penalties), n, m), torch.nan, dtype=torch.float64)
    for fold in range(prepared.count if prepared.count > 1 else 0):
        out = torch.as_tensor(prepared.folds == fold)
        lines = problem.solve(problem.seen * ~out, penalties.unsqueeze(-1))
        predictions[:, out] = lines((problem.inputs + problem.centre)[out])
    best = best_setting(prepared, predictions)
    return predictions[best, :, torch.arange(m)].mT, penalties[best]


def _unexplained(predictions: Tensor, total: Tensor) -> Tensor:
    """Share of each metric's held-out variance that the refits' spread at the trials leaves over.

    Args:
        predictions: ``s x n x m`` standardised predictions of the refits.
        total: ``m x m`` covariance of held-out residuals.
    """
    if predictions.shape[1] == 0:
        return torch.ones(len(total), dtype=total.dtype)
    explained = predictions.var(dim=0).mean(dim=0)
    return (1.0 - explained / total.diagonal()).clamp_min(_LEAST_SHARE)


def _refits(problem: _Problem, penalty: Tensor, samples: int, rng: np.random.Generator) -> Coefficients:
    """Lines of ``s`` randomly weighted fits, moved so that their mean is the fit to the trials as they are."""
    full = problem.solve(problem.seen, penalty)
    drawn = torch.as_tensor(rng.exponential(size=(samples, len(problem.inputs))))
    drawn = drawn / drawn.mean(dim=1, keepdim=True)
    lines = [problem.solve(problem.seen * weights, penalty) for weights in drawn]
    slope, intercept = (torch.stack(parts) for parts in zip(*lines, strict=True))
    return Coefficients(
        slope - slope.mean(dim=0) + full.slope,
        intercept - intercept.mean(dim=0) + full.intercept,
    )
