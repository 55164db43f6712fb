"""What a mixture is worth trying for; the one module that negates.

Users, trials and surrogates see metrics as they are reported and objectives of which less is better. BoTorch
maximises. :class:`~bomix.strategies.aggregate.Aggregate` stands between: it knows the sign of every metric and of the
whole.

References:
    [Ament2023] Unexpected improvements to expected improvement for Bayesian optimization.
    [Srinivas2010] Gaussian process optimization in the bandit setting: no regret and experimental design.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from bomix.errors import Fault

if TYPE_CHECKING:
    from botorch.acquisition.acquisition import AcquisitionFunction
    from botorch.models.model import Model
    from torch import Tensor

    from bomix.strategies.aggregate import Aggregate


@dataclass(frozen=True)
class LogEI:
    """Logarithm of the expected improvement of the objective [Ament2023]_.

    The incumbent is the best posterior mean among the mixtures tried, never the luckiest measurement. Closed form
    while nothing is pending; with pending mixtures the joint improvement over fixed quasi-random samples.

    Attributes:
        samples: Posterior samples where mixtures are pending.
    """

    samples: int = 128

    origin: ClassVar[str] = "log_ei"
    needs_gradients: ClassVar[bool] = True
    needs_fantasies: ClassVar[bool] = False

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        return _samples_faults(self.samples)

    def build(
        self, model: Model, aggregate: Aggregate, *, X_observed: Tensor, X_pending: Tensor | None, seed: int
    ) -> AcquisitionFunction:
        """See :class:`bomix.protocols.Acquisition`."""
        from botorch.acquisition.analytic import LogExpectedImprovement
        from botorch.acquisition.logei import qLogExpectedImprovement

        transform = aggregate.negated()
        best_f = -aggregate.mean(model, X_observed).min()
        if X_pending is None or not len(X_pending):
            return LogExpectedImprovement(model, best_f, posterior_transform=transform)
        return qLogExpectedImprovement(
            model, best_f, _sampler(self.samples, seed), posterior_transform=transform, X_pending=X_pending
        )


@dataclass(frozen=True)
class UCB:
    """Upper confidence bound, of the negated objective: ``-mean + sqrt(beta) sd`` [Srinivas2010]_.

    Attributes:
        beta: How much doubt is worth; 4 is two standard deviations.
        samples: Posterior samples where mixtures are pending.
    """

    beta: float = 4.0
    samples: int = 128

    origin: ClassVar[str] = "ucb"
    needs_gradients: ClassVar[bool] = True
    needs_fantasies: ClassVar[bool] = False

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        negative = [Fault("beta", f"beta is {self.beta}; give 0 or more")] if self.beta < 0 else []
        return negative + _samples_faults(self.samples)

    def build(
        self, model: Model, aggregate: Aggregate, *, X_observed: Tensor, X_pending: Tensor | None, seed: int
    ) -> AcquisitionFunction:
        """See :class:`bomix.protocols.Acquisition`."""
        from botorch.acquisition.analytic import UpperConfidenceBound
        from botorch.acquisition.monte_carlo import qUpperConfidenceBound

        transform = aggregate.negated()
        if X_pending is None or not len(X_pending):
            return UpperConfidenceBound(model, self.beta, posterior_transform=transform)
        return qUpperConfidenceBound(
            model, self.beta, _sampler(self.samples, seed), posterior_transform=transform, X_pending=X_pending
        )


def posterior_mean(model: Model, aggregate: Aggregate) -> AcquisitionFunction:
    """The objective's negated posterior mean, whose maximiser is the recommendation."""
    from botorch.acquisition.analytic import PosteriorMean

    return PosteriorMean(model, posterior_transform=aggregate.negated())


def _sampler(samples: int, seed: int) -> Any:
    import torch
    from botorch.sampling.normal import SobolQMCNormalSampler

    return SobolQMCNormalSampler(torch.Size([samples]), seed=seed)


def _samples_faults(samples: int) -> list[Fault]:
    return [Fault("samples", f"samples is {samples}; give at least 1, a power of two at best")] if samples < 1 else []
