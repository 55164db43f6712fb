"""What a mixture is worth trying for; the one module that negates.

Users, trials and surrogates see metrics as they are reported and objectives of which less is better. BoTorch
maximises. :class:`Aggregate` stands between: it knows the sign of every metric and of the whole.

References:
    [Ament2023] Unexpected improvements to expected improvement for Bayesian optimization.
    [Srinivas2010] Gaussian process optimization in the bandit setting: no regret and experimental design.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from bomix.errors import ConfigError, Fault

if TYPE_CHECKING:
    from botorch.acquisition.acquisition import AcquisitionFunction
    from botorch.acquisition.objective import ScalarizedPosteriorTransform
    from botorch.models.model import Model
    from torch import Tensor

    from bomix.problem import Problem


@dataclass(frozen=True)
class Aggregate:
    """The objective as a weighted sum of a model's outputs.

    Attributes:
        coefficients: One per metric; a metric of direction ``max`` has its sign turned, so that less is better.
    """

    coefficients: tuple[float, ...]

    @classmethod
    def of(cls, problem: Problem) -> Aggregate:
        """The objective of a problem.

        Raises:
            ConfigError: The objective is no weighted sum.
        """
        coefficients = problem.objective.coefficients(problem.metric_names)
        if coefficients is None:
            raise ConfigError(
                f"objective {type(problem.objective).__name__} is no weighted sum of metrics, and models are combined "
                "in closed form only; take 'mean' or 'weighted_mean' (objective.kind)"
            )
        return cls(tuple((np.asarray(coefficients, dtype=float) * problem.signs).tolist()))

    def transform(self) -> ScalarizedPosteriorTransform:
        """Posterior of the metrics to posterior of the objective; less is better."""
        return self._scalarized(1.0)

    def negated(self) -> ScalarizedPosteriorTransform:
        """Posterior of the metrics to posterior of what BoTorch maximises."""
        return self._scalarized(-1.0)

    def _scalarized(self, sign: float) -> ScalarizedPosteriorTransform:
        import torch
        from botorch.acquisition.objective import ScalarizedPosteriorTransform

        return ScalarizedPosteriorTransform(sign * torch.tensor(self.coefficients, dtype=torch.float64))


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
        best_f = -objective_mean(model, aggregate, X_observed).min()
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


def objective_mean(model: Model, aggregate: Aggregate, X: Tensor) -> Tensor:
    """Posterior mean of the objective at ``n x d`` mixtures, ``n``; less is better."""
    import torch

    with torch.no_grad():
        posterior: Any = model.posterior(X.unsqueeze(-2), posterior_transform=aggregate.transform())
    return torch.as_tensor(posterior.mean).flatten()


def _sampler(samples: int, seed: int) -> Any:
    import torch
    from botorch.sampling.normal import SobolQMCNormalSampler

    return SobolQMCNormalSampler(torch.Size([samples]), seed=seed)


def _samples_faults(samples: int) -> list[Fault]:
    return [Fault("samples", f"samples is {samples}; give at least 1, a power of two at best")] if samples < 1 else []
