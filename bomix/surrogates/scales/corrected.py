"""A surrogate across scales of what another leaves: the other's prediction at each scale, and corrections on top.

The prediction is fitted first and then held; runs are corrected from what it says of them when they are left out, for
its errors on runs that it has seen are too small. All uncertainty is that of the corrections.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from botorch.utils.datasets import SupervisedDataset

from bomix.errors import FitError
from bomix.surrogates.cross_validation.held_out import closed_form, refitted
from bomix.surrogates.models.joint import HeldOut, JointModel
from bomix.surrogates.models.scales import MultiScaleModel

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.contracts.context import FitContext
    from bomix.contracts.surrogate import Surrogate
    from bomix.scale import Scale
    from bomix.surrogates.models.hyperparameter import Hyperparameter

_FOLDS = 5
"""Folds of a prediction that has no closed form of left-out runs: enough that each fit learns from most of them."""


def fit(
    prediction: Surrogate, rest: Surrogate, data: SupervisedDataset, *, context: FitContext, seed: int
) -> MultiScaleModel:
    """Fit the prediction, then the corrections to what it misses of left-out runs.

    Args:
        prediction: A surrogate across scales.
        rest: The same, of what is left.
        data: ``X`` is ``n x d``, ``Y`` ``n x m``, NaN where a run lacks a metric.
        context: The names behind the columns, the scale of each row and the target.
        seed: Seed of both.

    Raises:
        FitError: One of them does not return a model across scales.
    """
    before = _across(prediction.fit(data, context=context, seed=seed), prediction)
    held = closed_form(before)
    held = refitted(prediction, data, context=context, seed=seed, folds=_FOLDS) if held is None else held
    left = SupervisedDataset(
        data.X,
        data.Y.double() - held.mean,
        Yvar=data.Yvar,
        feature_names=data.feature_names,
        outcome_names=data.outcome_names,
    )
    return CorrectedAcross(before, _across(rest.fit(left, context=context, seed=seed), rest), held.mean)


def _across(model: object, surrogate: Surrogate) -> MultiScaleModel:
    if not isinstance(model, MultiScaleModel):
        raise FitError(
            f"{type(surrogate).__name__} returns no model across scales, and what is said of every scale is to be "
            "corrected; take 'scaling_law' (mean)"
        )
    return model


class CorrectedAcross(MultiScaleModel):
    """A prediction of every scale, and a belief about what it misses.

    Args:
        before: The prediction.
        rest: The belief about what is left.
        held: ``n x m`` predictions of left-out runs.
    """

    def __init__(self, before: MultiScaleModel, rest: MultiScaleModel, held: Tensor) -> None:
        super().__init__()
        self.before, self.rest, self._held = before, rest, held
        self.target, self.scales = rest.target, rest.scales

    @property
    def num_outputs(self) -> int:
        """Number of metrics."""
        return int(self.rest.num_outputs)

    @property
    def batch_shape(self) -> torch.Size:
        """Always empty."""
        return torch.Size()

    def mean(self, X: Tensor) -> Tensor:
        """The means alone, ``batch x q x m``."""
        return self.before.mean(X) + self.rest.mean(X)

    def moments(self, X: Tensor, noise: bool | Tensor = False) -> tuple[Tensor, Tensor]:
        """Moments at the target, as of :meth:`JointModel.moments`."""
        mean, covariance = self.rest.moments(X, noise)
        return self.before.mean(X) + mean, covariance

    def at(self, scale: Scale) -> JointModel:
        """The belief at another scale; see :class:`MultiScaleModel`."""
        return self if scale == self.target else _Sum(self.before.at(scale), self.rest.at(scale))

    def across(self, X: Tensor, Z: Tensor, scale: Scale) -> Tensor:
        """Covariance with another scale; see :class:`MultiScaleModel`."""
        return self.rest.across(X, Z, scale)

    def leave_one_out(self) -> HeldOut | None:
        """Each run predicted from the others, at its own scale."""
        held = self.rest.leave_one_out()
        return None if held is None else HeldOut(held.mean + self._held, held.covariance)

    def named_hyperparameters(self, metrics: Sequence[str]) -> list[Hyperparameter]:
        """What the corrections learnt."""
        return self.rest.named_hyperparameters(metrics)


class _Sum(JointModel):
    """A prediction at one scale, and the belief about what it misses there."""

    def __init__(self, before: JointModel, rest: JointModel) -> None:
        super().__init__()
        self._before, self._rest = before, rest

    @property
    def num_outputs(self) -> int:
        return int(self._rest.num_outputs)

    @property
    def batch_shape(self) -> torch.Size:
        return torch.Size()

    def mean(self, X: Tensor) -> Tensor:
        return self._before.mean(X) + self._rest.mean(X)

    def moments(self, X: Tensor, noise: bool | Tensor = False) -> tuple[Tensor, Tensor]:
        mean, covariance = self._rest.moments(X, noise)
        return self._before.mean(X) + mean, covariance
