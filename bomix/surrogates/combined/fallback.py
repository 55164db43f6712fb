"""A fit that does not give up at the first broken matrix: the surrogate asked for, then simpler ones.

A model counts as fitted when its posterior at the training mixtures is finite. Only numerical failures lead to a
simpler model; a mistake in a surrogate's code is raised as it is. Where rows are of several scales, which a simpler
model would take for one, it learns from the target's alone.
"""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Any

import torch
from botorch.exceptions.errors import ModelFittingError
from linear_operator.utils.errors import NanError, NotPSDError

from bomix.contracts.surrogate import SurrogateTraits
from bomix.contracts.traits import traits
from bomix.errors import FitError, StudyError
from bomix.scale import comparable
from bomix.surrogates.cross_validation.held_out import part
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.kernels.specs import Stationary
from bomix.surrogates.models.joint import JointModel
from bomix.surrogates.models.wrappers import Wrapper
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
        StudyError: A surrogate of a user's has no gradients and does not say so.
    """
    failures: list[str] = []
    if (model := _tried(surrogate, data, context, seed, failures)) is not None:
        return model
    known, names = data, context
    if context.target is not None:
        known, names = _of_target(data, context)
        if bool(known.Y.isnan().all()):
            raise FitError(
                f"the surrogate could not be fitted to the {len(data.X)} runs of all scales ({failures[0]}), and the "
                f"target of {context.target} has no run with a result that a simpler one could learn from; look for "
                "losses that are out of all proportion (`bomix status`), or run the target"
            )
        logger.warning("from here on only the %d runs of %s are learnt from", len(known.X), context.target)
    for candidate in SIMPLER:
        if (model := _tried(candidate, known, names, seed, failures)) is not None:
            return _TargetAlone(model) if context.target is not None and isinstance(model, JointModel) else model
    raise FitError(
        f"no surrogate could be fitted to {len(data.X)} trials ({'; '.join(failures)}); look for losses that are out "
        "of all proportion (`bomix status`)"
    )


def _tried(
    surrogate: Surrogate, data: SupervisedDataset, context: FitContext, seed: int, failures: list[str]
) -> Model | None:
    """A model that predicts numbers, or None and one more entry of what failed."""
    name = type(surrogate).__name__
    try:
        model = surrogate.fit(data, context=context, seed=seed)
        if is_finite(model, data):
            _refuse_without_gradient(surrogate, model, data)
            return model
        failures.append(f"{name}: predictions that are no numbers")
    except NUMERICAL as error:
        failures.append(f"{name}: {type(error).__name__}: {error}")
    logger.warning("the surrogate could not be fitted (%s); trying a simpler one", failures[-1])
    return None


def _of_target(data: SupervisedDataset, context: FitContext) -> tuple[SupervisedDataset, FitContext]:
    """The runs of the target, those of unknown scale among them, as runs of one scale."""
    scales = context.scales or (None,) * len(data.X)
    keep = torch.tensor([comparable(scale, context.target) for scale in scales], dtype=torch.bool)
    known, names = part(data, context, keep)
    return known, dataclasses.replace(names, target=None)


class _TargetAlone(Wrapper, JointModel):
    """A model of the target's runs in the place of one of all scales' runs.

    Of left-out runs it says nothing, for those are asked for by the rows of all scales.
    """

    def __init__(self, model: JointModel) -> None:
        super().__init__()
        self.model = model


def _refuse_without_gradient(surrogate: Surrogate, model: Model, data: SupervisedDataset) -> None:
    """Raise StudyError where a user's surrogate is taken to be differentiable and its model is not.

    Those of bomix are tested to be what they say.
    """
    of_bomix = type(surrogate).__module__.partition(".")[0] == "bomix"
    if of_bomix or not len(data.X) or not traits(surrogate, SurrogateTraits).differentiable:
        return
    with torch.enable_grad():
        posterior: Any = model.posterior(data.X[:1].double().unsqueeze(-2).requires_grad_())
        if not posterior.mean.requires_grad:
            name = type(surrogate).__name__
            raise StudyError(
                f"the predictions of {name} have no gradient by the mixture, and it does not say so; compute them with "
                f"torch, or write `differentiable: ClassVar[bool] = False` into {name} and take an acquisition that "
                "needs none ('thompson')"
            )


def is_finite(model: Model, data: SupervisedDataset) -> bool:
    """Whether a model predicts numbers at its own training mixtures, at some of them where they are many."""
    if not len(data.X):
        return True
    some = torch.linspace(0, len(data.X) - 1, min(len(data.X), _LOOKED_AT)).round().long()
    with torch.no_grad():
        posterior: Any = model.posterior(data.X[some].double().unsqueeze(-2))
        return bool(posterior.mean.isfinite().all() and posterior.variance.isfinite().all())
