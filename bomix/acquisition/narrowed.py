"""Beliefs with smaller standard deviations: of the objective, or of every metric.

:mod:`.trust` says when the first serves, :class:`bomix.acquisition.improvement.LogEI` when the second does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from botorch.acquisition.objective import PosteriorTransform
from botorch.posteriors.gpytorch import GPyTorchPosterior
from gpytorch.distributions import MultivariateNormal

from bomix.acquisition.joint_draws import of_metrics
from bomix.surrogates.models.joint import JointModel, transformed

if TYPE_CHECKING:
    from botorch.models.model import Model
    from botorch.posteriors.posterior import Posterior
    from torch import Tensor


class Narrowed(PosteriorTransform):
    """A posterior of the objective with smaller standard deviations.

    Args:
        base: Posterior of the metrics to posterior of the objective.
        factor: Factor of the standard deviations.
    """

    scalarize = True

    def __init__(self, base: PosteriorTransform, factor: float) -> None:
        super().__init__()
        self.base, self.factor = base, factor

    def evaluate(self, Y: Tensor, X: Tensor | None = None) -> Tensor:
        """Metrics ``batch x q x m`` to objective ``batch x q x 1``."""
        value: Tensor = self.base.evaluate(Y, X)
        return value

    def forward(self, posterior: Posterior, X: Tensor | None = None) -> GPyTorchPosterior:
        """Belief about the metrics to belief about the objective, ``batch x q x 1``."""
        belief = transformed(self.base, posterior, X).distribution
        return GPyTorchPosterior(MultivariateNormal(belief.mean, belief.covariance_matrix * self.factor**2))


class NarrowedModel(JointModel):
    """A model of the metrics with smaller standard deviations.

    Args:
        model: The model of all ``m`` metrics.
        factor: Factor of the standard deviations.
    """

    def __init__(self, model: Model, factor: float) -> None:
        super().__init__()
        self.model, self.factor = model, factor

    @property
    def num_outputs(self) -> int:
        """Number of metrics."""
        return int(self.model.num_outputs)

    @property
    def batch_shape(self) -> torch.Size:
        """Batch of fantasies; empty for a fitted model."""
        return torch.Size(self.model.batch_shape)

    def moments(self, X: Tensor, noise: bool | Tensor = False) -> tuple[Tensor, Tensor]:
        """The mean, and the covariance times the square of the factor, as of :meth:`JointModel.moments`."""
        mean, covariance = of_metrics(self.model, X, noise)
        return mean, covariance * self.factor**2
