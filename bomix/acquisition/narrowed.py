"""A belief about the objective with smaller standard deviations; :mod:`.trust` says when it serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botorch.acquisition.objective import PosteriorTransform
from botorch.posteriors.gpytorch import GPyTorchPosterior
from gpytorch.distributions import MultivariateNormal

if TYPE_CHECKING:
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
        belief = self.base(posterior, X).distribution
        return GPyTorchPosterior(MultivariateNormal(belief.mean, belief.covariance_matrix * self.factor**2))
