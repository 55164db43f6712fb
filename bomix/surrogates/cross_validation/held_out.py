"""Each trial predicted from the others."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from botorch.posteriors.gpytorch import GPyTorchPosterior
from botorch.utils.datasets import SupervisedDataset

from bomix.contracts.surrogate import ModelTraits
from bomix.contracts.traits import traits
from bomix.numerics import repeats
from bomix.space.weights import SAME_MIXTURE
from bomix.surrogates.models.joint import HeldOut, JointModel
from bomix.surrogates.models.scales import MultiScaleModel

if TYPE_CHECKING:
    from botorch.models.model import Model
    from torch import Tensor

    from bomix.contracts.context import FitContext
    from bomix.contracts.surrogate import Surrogate


FOLDS = 10
"""Parts into which trials are dealt: each fit then learns from nine tenths of them, nearly what the whole tells, at the
price of ten fits."""


def held_out(
    surrogate: Surrogate, data: SupervisedDataset, *, context: FitContext, seed: int, folds: int = FOLDS
) -> HeldOut:
    """Predict each trial from the others.

    Args:
        surrogate: The surrogate that is fitted and predicts.
        data: ``X`` is ``n x d``, ``Y`` ``n x m``, NaN where a trial lacks a metric; ``n`` may be 0.
        context: The names behind the columns.
        seed: Seed of the fits, and of the folds.
        folds: Into how many parts the trials fall, where the model has no closed form.

    Returns:
        The model's own closed form where it has one, each trial left out alone; else :func:`refitted`.
    """
    found = closed_form(surrogate.fit(data, context=context, seed=seed)) if len(data.X) else None
    return refitted(surrogate, data, context=context, seed=seed, folds=folds) if found is None else found


def closed_form(model: Model) -> HeldOut | None:
    """A model's predictions of its training mixtures, each left out, without a second fit; None where it has none."""
    with torch.no_grad():
        found = traits(model, ModelTraits).leave_one_out()
    return None if found is None else HeldOut(*found)


def refitted(
    surrogate: Surrogate, data: SupervisedDataset, *, context: FitContext, seed: int, folds: int = FOLDS
) -> HeldOut:
    """Predict each fold from a fit to the others; arguments as those of :func:`held_out`.

    Runs of one mixture fall into one fold: a mixture that was seen would flatter its repeats. Where rows are of several
    scales each is predicted at its own, and the same mixture at another scale is no repeat.
    """
    n, m = data.Y.shape
    mean = torch.zeros(n, m, dtype=torch.float64)
    covariance = torch.zeros(n, m, m, dtype=torch.float64)
    places = _scale_numbers(context, n)
    fold = assign_folds(_points(data, context), folds=folds, seed=seed)
    for number in range(int(fold.max()) + 1 if n else 0):
        out = torch.as_tensor(fold == number)
        known, names = part(data, context, ~out)
        model = surrogate.fit(known, context=names, seed=seed)
        for place in sorted({*places[out].tolist()}):
            rows = out & (places == place)
            row = int(rows.nonzero()[0])
            mean[rows], covariance[rows] = new_runs(_at_scale_of(model, context, row), data.X[rows])
    return HeldOut(mean, covariance)


def count_folds(data: SupervisedDataset, *, context: FitContext, seed: int, folds: int = FOLDS) -> int:
    """How many folds :func:`refitted` makes of at least one trial; arguments as those of :func:`held_out`."""
    return int(assign_folds(_points(data, context), folds=folds, seed=seed).max()) + 1


def _points(data: SupervisedDataset, context: FitContext) -> Tensor:
    """What rows must have in common to be repeats: the mixture, and the scale where there are several."""
    if context.target is None:
        return data.X
    return torch.cat([data.X, _scale_numbers(context, len(data.X)).unsqueeze(-1).to(data.X)], dim=-1)


def _scale_numbers(context: FitContext, n: int) -> Tensor:
    """Number of the scale of each of ``n`` rows, zero for all where they are of one."""
    if context.target is None:
        return torch.zeros(n, dtype=torch.long)
    known = list(dict.fromkeys(context.scales))
    return torch.tensor([known.index(scale) for scale in context.scales], dtype=torch.long)


def _at_scale_of(model: Model, context: FitContext, row: int) -> Model:
    """A model across scales at the scale of a row; any other as it is."""
    scale = context.scales[row] if context.target is not None else None
    return model if scale is None or not isinstance(model, MultiScaleModel) else model.at(scale)


def assign_folds(X: Tensor, *, folds: int, seed: int) -> np.ndarray:
    """The fold of each of ``n x d`` mixtures, ``n`` integers from 0.

    Folds are as even as repeats of a mixture allow, which stay together. Fewer mixtures than folds take a fold each.
    The order of the rows does not matter.
    """
    rows = X.double().numpy()
    mixtures = repeats.reordered(rows, repeats.number(rows, tolerance=SAME_MIXTURE))
    return repeats.deal(mixtures, folds=folds, seed=seed)


def weighted(held: HeldOut, coefficients: Sequence[float]) -> tuple[Tensor, Tensor]:
    """A weighted sum of each trial's metrics.

    Args:
        held: Predictions of ``n`` trials.
        coefficients: ``m`` numbers, of any sign.

    Returns:
        ``n`` means and ``n`` standard deviations of the sum.
    """
    factors = held.mean.new_tensor(list(coefficients))
    variance = torch.einsum("nij,i,j->n", held.covariance, factors, factors)
    return held.mean @ factors, variance.clamp_min(0.0).sqrt()


def new_runs(model: Model, X: Tensor) -> HeldOut:
    """Predict new runs, one at each mixture, the noise of a run included.

    Args:
        model: A model of ``m`` metrics, as a surrogate returns it.
        X: ``n x d`` mixtures.

    Returns:
        ``n x m`` means and ``n x m x m`` covariances; between metrics they are zero where the model knows none.
    """
    points = X.double().unsqueeze(-2)
    with torch.no_grad():
        if isinstance(model, JointModel):
            mean, covariance = model.moments(points, True)
            return HeldOut(mean.squeeze(-2), covariance)
        posterior: Any = model.posterior(points, observation_noise=True)
        mean = posterior.mean.detach().squeeze(-2)  # BoTorch's outcome transforms carry a gradient out of no_grad
        joint = posterior.distribution.covariance_matrix if isinstance(posterior, GPyTorchPosterior) else None
        if joint is None or joint.shape != (*mean.shape, mean.shape[-1]):
            joint = torch.diag_embed(posterior.variance.squeeze(-2))
        return HeldOut(mean, joint.detach())


def part(data: SupervisedDataset, context: FitContext, keep: Tensor) -> tuple[SupervisedDataset, FitContext]:
    """Some of the trials, and what belongs to them; the artifacts of experts stay, whose trials need not be rows.

    Args:
        data: ``n`` trials.
        context: The names behind their columns.
        keep: ``n`` booleans.
    """
    noise = data.Yvar
    chosen = SupervisedDataset(
        data.X[keep],
        data.Y[keep],
        Yvar=None if noise is None else noise[keep],
        feature_names=data.feature_names,
        outcome_names=data.outcome_names,
    )
    if not context.trials:
        return chosen, context
    trials = tuple(trial for trial, kept in zip(context.trials, keep.tolist(), strict=True) if kept)
    rows = zip(context.scales, keep.tolist(), strict=True) if context.scales else ()
    scales = tuple(scale for scale, kept in rows if kept)
    other = tuple(row for row, kept in zip(context.other, keep.tolist(), strict=True) if kept) if context.other else ()
    runs = tuple(run for run, kept in zip(context.runs, keep.tolist(), strict=True) if kept) if context.runs else ()
    readable = {*trials, *context.experts.values()}
    artifacts = {trial: files for trial, files in context.artifacts.items() if trial in readable}
    return chosen, dataclasses.replace(
        context, trials=trials, scales=scales, artifacts=artifacts, runs=runs, other=other
    )
