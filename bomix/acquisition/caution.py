"""Less trust in standard deviations while trials are few: what is uncertain then is mostly how bad a mixture is.

A loss is known to rise towards zero weight of a domain long before it is known how steeply. The belief about it is
skewed, its lower half is far narrower than the upper, and a Gaussian of the same variance promises improvements at
vertices that do not come. Over the first asks of ``python benchmarks/first_asks.py`` results lay up to three predicted
standard deviations above what had been predicted, and hardly ever half of one below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from botorch.acquisition.objective import PosteriorTransform
from botorch.posteriors.gpytorch import GPyTorchPosterior
from gpytorch.distributions import MultivariateNormal

if TYPE_CHECKING:
    from botorch.posteriors.posterior import Posterior
    from torch import Tensor

LEAST_TRUST = 0.5
"""Factor of the standard deviation after a design of two trials more than there are domains, the usual one. A factor of
0.4 throughout left less to learn from: on steep losses the recommendation after five asks was worse."""
_MORE = 2
"""Trials of the usual design beyond the number of domains."""


def trust(n: int, d: int) -> float:
    """Factor of the standard deviation of the objective after ``n`` trials of ``d`` domains, at most one.

    It grows in proportion to the trials, and is one from twice the usual design on.
    """
    return min(1.0, LEAST_TRUST * n / (d + _MORE))


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
