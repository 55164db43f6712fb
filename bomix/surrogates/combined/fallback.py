"""A fit that does not give up at the first broken matrix: the surrogate asked for, then simpler ones.

A model counts as fitted when its posterior at the training mixtures is finite. Only numerical failures lead to a
simpler model; a mistake in a surrogate's code is raised as it is.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import torch
from botorch.exceptions.errors import ModelFittingError
from linear_operator.utils.errors import NanError, NotPSDError

from bomix.errors import FitError
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.kernels.specs import Stationary
from bomix.surrogates.regression.specs import Ridge

if TYPE_CHECKING:
    from botorch.models.model import Model
    from botorch.utils.datasets import SupervisedDataset

    from bomix.contracts.context import FitContext
    from bomix.contracts.surrogate import Surrogate

logger = logging.getLogger(__name__)

SIMPLER: tuple[Surrogate, ...] = (GP(kernels=(Stationary(),), draws=0), Ridge(inputs="log"))
"""What is tried in turn when a fit breaks; jitter has been tried before, inside each."""
NUMERICAL = (ModelFittingError, NanError, NotPSDError, torch.linalg.LinAlgError, ArithmeticError)  # type: ignore[attr-defined]

_LOOKED_AT = 64
"""Training mixtures at which predictions are looked at: where a factor or a mean is no number, no prediction is one,
and covariances of thousands of runs with themselves would take gigabytes."""


def fit(surrogate: Surrogate, data: SupervisedDataset, *, context: FitContext, seed: int) -> Model:
    """Fit, with simpler surrogates where numbers break; arguments as those of a surrogate's ``fit``.

    Raises:
        FitError: No surrogate could be fitted.
    """
    failures = []
    for candidate in (surrogate, *SIMPLER):
        name = type(candidate).__name__
        try:
            model = candidate.fit(data, context=context, seed=seed)
            if is_finite(model, data):
                return model
            failures.append(f"{name}: predictions that are no numbers")
        except NUMERICAL as error:
            failures.append(f"{name}: {type(error).__name__}: {error}")
        logger.warning("the surrogate could not be fitted (%s); trying a simpler one", failures[-1])
    raise FitError(
        f"no surrogate could be fitted to {len(data.X)} trials ({'; '.join(failures)}); look for losses that are out "
        "of all proportion (`bomix status`)"
    )


def is_finite(model: Model, data: SupervisedDataset) -> bool:
    """Whether a model predicts numbers at its own training mixtures, at some of them where they are many."""
    if not len(data.X):
        return True
    some = torch.linspace(0, len(data.X) - 1, min(len(data.X), _LOOKED_AT)).round().long()
    with torch.no_grad():
        posterior: Any = model.posterior(data.X[some].double().unsqueeze(-2))
        return bool(posterior.mean.isfinite().all() and posterior.variance.isfinite().all())
