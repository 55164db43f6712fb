"""Trials predicted from fits without them, the hyperparameters of all folds found in one batch.

Where metrics share one set of hyperparameters and trials are few, a search takes the time of its calls and not of its
matrices; folds that leave out some of the same trials are then as quick as one.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch

from bomix.surrogates.cross_validation.held_out import assign_folds, new_runs, part, refitted
from bomix.surrogates.data.refit_schedule import digest, remembered
from bomix.surrogates.data.standardize import standardisation
from bomix.surrogates.gp.independent import posterior
from bomix.surrogates.gp.inputs import GPInputs, inputs
from bomix.surrogates.gp.search import COARSE
from bomix.surrogates.gp.shared_hyperparameters import shared
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.models.joint import HeldOut

if TYPE_CHECKING:
    from botorch.utils.datasets import SupervisedDataset
    from torch import Tensor

    from bomix.contracts.context import FitContext
    from bomix.contracts.surrogate import Surrogate


def refitted_at_once(
    surrogate: Surrogate, data: SupervisedDataset, *, context: FitContext, seed: int, folds: int
) -> HeldOut:
    """Predict each fold from a fit to the others; arguments as those of ``refitted``, which steps in for other cases.

    Hyperparameters are those of each fold, but for rounding, whatever the growth of the surrogate.
    """
    if not isinstance(surrogate, GP) or not _batches(surrogate, data, context):
        return refitted(surrogate, data, context=context, seed=seed, folds=folds)
    fold = torch.as_tensor(assign_folds(data.X, folds=folds, seed=seed))
    left_out = fold == torch.arange(int(fold.max()) + 1).unsqueeze(-1)
    whole = inputs(data, context, surrogate, seed=seed)
    theta = _hyperparameters(whole, surrogate, left_out)
    n, m = data.Y.shape
    mean = torch.zeros(n, m, dtype=torch.float64)
    covariance = torch.zeros(n, m, m, dtype=torch.float64)
    for number, out in enumerate(left_out):
        seen = inputs(*part(data, context, ~out), surrogate, seed=seed)
        model = posterior(seen, [each[number : number + 1] for each in theta], correlated=surrogate.correlated)
        mean[out], covariance[out] = new_runs(model, data.X[out])
    return HeldOut(mean, covariance)


def _batches(surrogate: GP, data: SupervisedDataset, context: FitContext) -> bool:
    """Whether all folds have the same inputs, and one set of hyperparameters each."""
    plain = surrogate.mean is None and surrogate.features is None and surrogate.noise == "inferred"
    few = 1 < len(data.X) <= COARSE and data.Yvar is None and context.target is None and not context.other
    shares = surrogate.pooling == 0.0 and surrogate.shares == "equal" and not surrogate.scores
    return plain and few and shares and not (context.trials and any(context.expert_rows))


def _hyperparameters(whole: GPInputs, surrogate: GP, left_out: Tensor) -> list[Tensor]:
    """For each family ``f x m x p`` hyperparameters of ``f x n`` folds, which a process remembers."""
    each = []
    for out in left_out:
        Y = whole.train_Y.masked_fill(out.unsqueeze(-1), torch.nan)
        offset, scale = standardisation(Y)
        each.append(((Y - offset) / scale).mT)
    targets = torch.stack(each)
    found = []
    for kernel, covariance in zip(surrogate.kernels, whole.searched, strict=True):
        likelihood = whole.likelihood(covariance)._replace(X=whole.X, targets=targets[0])
        key = (kernel, "folds", digest(whole.X, targets, whole.context.sample, whole.context.own_domains))
        found.append(remembered(key, partial(shared, likelihood, targets=targets)))
    return found
