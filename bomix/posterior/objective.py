"""The objective on top of a model of the metrics: closed form where it is a weighted sum, fixed draws where not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from botorch.acquisition.objective import GenericMCObjective, PosteriorTransform, ScalarizedPosteriorTransform
from botorch.posteriors.gpytorch import GPyTorchPosterior
from botorch.sampling.normal import SobolQMCNormalSampler
from botorch.utils.sampling import draw_sobol_normal_samples
from gpytorch.distributions import MultivariateNormal

from bomix.contracts.objective import ObjectiveTraits
from bomix.contracts.traits import traits
from bomix.numerics.cholesky import relative_factor
from bomix.surrogates.data.units import units
from bomix.surrogates.models.joint import mean_at

if TYPE_CHECKING:
    from botorch.acquisition.objective import MCAcquisitionObjective
    from botorch.models.model import Model
    from botorch.posteriors.posterior import Posterior
    from botorch.utils.datasets import SupervisedDataset
    from torch import Tensor

    from bomix.contracts.objective import Objective
    from bomix.problem import Problem
    from bomix.space.mixture_space import MixtureSpace

DRAWS = 256
"""Quasi-random draws behind the moments of an objective that is no weighted sum."""

DRAWS_SEED = 0
"""Seed of these draws: always the same, so that the objective is one function, which a search can follow."""
_JITTER = 1e-10
"""Added to the variances of such an objective, in its unit squared: the draws of many mixtures have a covariance of
lower rank than there are mixtures, and a Cholesky factor of it is wanted."""
_JITTERS = (1e-9, 1e-7, 1e-5, 1e-3, 1e-1)
"""Shares of the mean variance of a mixture's metrics, whose errors may be all but one: the least that rounding asks
for, and more where it is not enough."""
_MIN_NOISE = 1e-12
"""Least variance of a run's noise, in the objective's unit squared: it is the difference of two variances, which
rounding may make negative."""


@dataclass(frozen=True)
class ModelObjective:
    """The objective of a problem as a function of a model's outputs: what acquisitions see as an ``Aggregate``.

    Attributes:
        objective: The function of the metrics, all signed so that less is better, that is minimised.
        metrics: The ``m`` names of the model's outputs.
        signs: One per metric: -1 for a metric of direction ``max``, which the model predicts as it is reported.
        space: The mixtures that are allowed, where acquisition functions may look for mixtures to compare with.
        units: One per metric: the unit that the model computes in, see :mod:`bomix.surrogates.data.units`; empty where
            all are those of the metrics themselves.
        unit: The unit that the objective is computed in, in its own.
    """

    objective: Objective
    metrics: tuple[str, ...]
    signs: tuple[float, ...]
    space: MixtureSpace | None = None
    units: tuple[float, ...] = ()
    unit: float = 1.0

    @classmethod
    def of(cls, problem: Problem, data: SupervisedDataset | None = None) -> ModelObjective:
        """The objective of a problem.

        Args:
            problem: The metrics and the objective.
            data: Runs, as reported: the model and the objective are computed in units of their order.
        """
        found = cls(problem.objective, problem.metric_names, problem.signs, problem.space)
        if data is None or bool(((own := units(data.Y)) == 1.0).all()):
            return found
        return replace(found, units=tuple(own.tolist()), unit=units(found(data.Y).unsqueeze(-1)).item())

    @property
    def units_of_metrics(self) -> Tensor:
        """The unit that the model computes each of ``m`` metrics in."""
        return torch.tensor(self.units or (1.0,) * len(self.signs), dtype=torch.float64)

    @cached_property
    def factors(self) -> tuple[float, ...]:
        """One per metric: what an output of the model is multiplied by to be the metric, less is better."""
        return tuple(sign * unit for sign, unit in zip(self.signs, self.units or (1.0,) * len(self.signs), strict=True))

    @cached_property
    def coefficients(self) -> tuple[float, ...] | None:
        """Factors of the metrics as they are reported where the objective is a weighted sum, else None."""
        coefficients = traits(self.objective, ObjectiveTraits).coefficients(self.metrics)
        if coefficients is None:
            return None
        return tuple((np.asarray(coefficients, dtype=float) * self.factors / self.unit).tolist())

    def is_convex(self, flags: Sequence[bool] | None) -> bool:
        """Whether the objective is known to be convex in the weights: a weighted sum of metrics that are.

        Args:
            flags: Which of ``m`` metrics, as they are reported, are known to be convex; None where nothing is known.
        """
        if flags is None or self.coefficients is None:
            return False
        return all(share == 0.0 or (share > 0.0 and flag) for share, flag in zip(self.coefficients, flags, strict=True))

    @cached_property
    def projection(self) -> Tensor:
        """The linear functions of the metrics that decide, ``k x m``: their weighted sum, or each with its sign."""
        if self.coefficients is not None:
            return torch.tensor([self.coefficients], dtype=torch.float64)
        return torch.diag(torch.tensor(self.signs, dtype=torch.float64))

    def reduce(self, projected: Tensor) -> Tensor:
        """The objective of projected metrics, ``(...) x k`` to ``(...)``; lower is better."""
        if self.coefficients is not None:
            return projected[..., 0]
        value: Tensor = self.objective(projected * projected.new_tensor(self.units or (1.0,)), self.metrics)
        return value / self.unit

    @cached_property
    def groups(self) -> Tensor | None:
        """Weight of each metric as reported in each group, ``g x m``, where the objective is a trade-off, else None."""
        of_groups = traits(self.objective, ObjectiveTraits).group_coefficients
        if of_groups is None:
            return None
        return torch.as_tensor(of_groups(self.metrics) * np.asarray(self.factors) / self.unit, dtype=torch.float64)

    def __call__(self, Y: Tensor) -> Tensor:
        """The objective of a model's outputs, metrics as reported, ``(...) x m`` to ``(...)``; lower is better."""
        return self.objective(Y * Y.new_tensor(self.factors), self.metrics) / self.unit

    def transform(self) -> PosteriorTransform:
        """Posterior of the metrics to posterior of the objective; less is better."""
        return self._transform(1.0)

    def negated(self) -> PosteriorTransform:
        """Posterior of the metrics to posterior of what BoTorch maximises."""
        return self._transform(-1.0)

    def negated_objective(self) -> MCAcquisitionObjective:
        """Samples of the metrics to samples of what BoTorch maximises."""
        return GenericMCObjective(lambda samples, X: -self(samples))

    def posterior(self, model: Model, X: Tensor, *, noise: bool = False) -> GPyTorchPosterior:
        """Belief about the objective at ``batch x q x d`` mixtures, ``batch x q x 1``, jointly over ``q``."""
        found: Any = model.posterior(X, observation_noise=noise, posterior_transform=self.transform())
        return found  # type: ignore[no-any-return]

    def mean(self, model: Model, X: Tensor) -> Tensor:
        """Posterior mean of the objective at ``n x d`` mixtures, ``n``; less is better."""
        with torch.no_grad():
            if self.coefficients is not None:
                # Without the variances, which cost as much as a fit where trials and metrics are many.
                return mean_at(model, X) @ X.new_tensor(self.coefficients)
            return torch.as_tensor(self.posterior(model, X.unsqueeze(-2)).mean).flatten()

    def spread(self, model: Model, X: Tensor, *, noise: bool = False) -> tuple[Tensor, Tensor]:
        """Posterior mean and variance of the objective at ``n x d`` mixtures, each ``n``, mixture by mixture."""
        posterior = self.posterior(model, X.unsqueeze(-2), noise=noise)
        return posterior.mean.flatten(), posterior.variance.flatten().clamp_min(0.0)

    def noise(self, model: Model, X: Tensor) -> Tensor:
        """Variance that the noise of a run adds to the objective at ``n x d`` mixtures, ``n``."""
        return (self.spread(model, X, noise=True)[1] - self.spread(model, X)[1]).clamp_min(_MIN_NOISE)

    def holds(self, model: Model, X: Tensor) -> Tensor | None:
        """Probability that the guardrails of an objective hold at ``n x d`` mixtures, ``n``; None where it has none."""
        within = traits(self.objective, ObjectiveTraits).holds
        if within is None:
            return None
        if not len(X):
            return X.new_zeros(0)
        sampler = SobolQMCNormalSampler(torch.Size([4 * DRAWS]), seed=DRAWS_SEED)
        with torch.no_grad():
            metrics = sampler(model.posterior(X.unsqueeze(-2))).squeeze(-2)
            kept: Tensor = within(metrics * metrics.new_tensor(self.factors), self.metrics)
        return kept.double().mean(dim=0)

    def _transform(self, sign: float) -> PosteriorTransform:
        if self.coefficients is None:
            return MomentMatched(self, sign)
        return ScalarizedPosteriorTransform(sign * torch.tensor(self.coefficients, dtype=torch.float64))


class MomentMatched(PosteriorTransform):
    """The Gaussian with the moments of a non-linear objective, taken over fixed quasi-random draws.

    Args:
        aggregate: The objective.
        sign: Factor of the objective: 1 for lower is better, -1 for what BoTorch maximises.
        draws: Number of draws.
    """

    scalarize = True

    def __init__(self, aggregate: ModelObjective, sign: float, draws: int = DRAWS) -> None:
        super().__init__()
        self.aggregate, self.sign, self.draws = aggregate, sign, draws

    def evaluate(self, Y: Tensor, X: Tensor | None = None) -> Tensor:
        """Metrics ``batch x q x m`` to objective ``batch x q x 1``."""
        return self.sign * self.aggregate(Y).unsqueeze(-1)

    def forward(self, posterior: Posterior, X: Tensor | None = None) -> GPyTorchPosterior:
        """Belief about the metrics to belief about the objective, ``batch x q x 1``; ``batch`` or ``q`` may be zero."""
        metrics: Any = posterior
        if not metrics.mean.numel():  # of nothing, nothing can be drawn
            none = metrics.mean.sum(dim=-1)
            return GPyTorchPosterior(MultivariateNormal(none, none.new_zeros(*none.shape, none.shape[-1])))
        if metrics.mean.shape[-2] == 1 and isinstance(posterior, GPyTorchPosterior):
            return self._one_by_one(posterior)
        sampler = SobolQMCNormalSampler(torch.Size([self.draws]), seed=DRAWS_SEED)
        values = self.sign * self.aggregate(sampler(posterior))
        mean = values.mean(dim=0)
        centred = (values - mean).movedim(0, -1)
        covariance = centred @ centred.mT / (self.draws - 1)
        eye = torch.eye(covariance.shape[-1], dtype=covariance.dtype)
        return GPyTorchPosterior(MultivariateNormal(mean, covariance + _JITTER * eye))

    def _one_by_one(self, metrics: GPyTorchPosterior) -> GPyTorchPosterior:
        """The same of single mixtures, ``batch x 1 x m``, as searches want them: the same draws, sooner."""
        covariance = metrics.distribution.covariance_matrix
        root = relative_factor(covariance, _JITTERS)
        drawn = metrics.mean.squeeze(-2) + torch.einsum("...kl,sl->s...k", root, _normal(root.shape[-1], self.draws))
        values = self.sign * self.aggregate(drawn)
        variance, mean = torch.var_mean(values, dim=0)
        return GPyTorchPosterior(MultivariateNormal(mean.unsqueeze(-1), (variance + _JITTER)[..., None, None]))


@lru_cache(maxsize=16)
def _normal(m: int, draws: int) -> Tensor:
    """Fixed quasi-random standard normal numbers, ``draws x m``; not to be changed."""
    return draw_sobol_normal_samples(m, draws, dtype=torch.float64, seed=DRAWS_SEED)
