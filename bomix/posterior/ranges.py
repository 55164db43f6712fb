"""Beliefs kept inside what metrics can be: no accuracy above one is predicted, and no loss below zero.

A Gaussian knows no bounds. Where the mean of a metric lies beyond one, the model is wrong by at least that much, which
is known for certain. So the mean is moved to the bound, and the belief becomes as much less sure: the error that was
found is added to its covariance, ``S + delta delta'`` with ``delta`` what each mean was moved by. Ends of intervals are
then cut at the bounds, which loses no coverage, as the value itself lies inside. Far from its bounds a belief stays as
it is to the last bit. What is searched for and ranked first is the mean before it is moved: it still tells two mixtures
apart that are both expected at the bound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from botorch.posteriors.gpytorch import GPyTorchPosterior
from botorch.sampling.normal import SobolQMCNormalSampler
from gpytorch.distributions import MultivariateNormal

from bomix.posterior.objective import DRAWS, DRAWS_SEED
from bomix.surrogates.models.joint import mean_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from botorch.models.model import Model
    from botorch.posteriors.posterior import Posterior
    from torch import Tensor

    from bomix.posterior.belief import Belief
    from bomix.posterior.objective import ModelObjective
    from bomix.problem import Metric


def limits(metrics: Sequence[Metric], aggregate: ModelObjective) -> Tensor:
    """Smallest and largest value of ``m`` metrics in the units that their model computes in, ``2 x m``."""
    return torch.tensor([metric.limits for metric in metrics], dtype=torch.float64).mT / aggregate.units_of_metrics


def moved(mean: Tensor, within: Tensor) -> Tensor:
    """By how much means lie beyond their bounds, with the sign of the way back.

    Args:
        mean: ``(...) x m`` means of metrics as they are reported.
        within: ``2 x m``, as :func:`limits` returns it.

    Returns:
        ``(...) x m``, zero for those inside.
    """
    return mean.clamp(*within) - mean


def objective_moved(aggregate: ModelObjective, posterior: Posterior, within: Tensor) -> Tensor:
    """What the mean of the objective moves by where metrics are kept inside their ranges.

    Args:
        aggregate: The objective.
        posterior: Belief about ``m`` metrics at ``batch x q`` mixtures.
        within: ``2 x m``, as :func:`limits` returns it.

    Returns:
        ``batch x q``: of a weighted sum, the sum of what the means of the metrics move by; of another objective, the
        mean over its draws of what each moves by where the metrics of the draw are kept inside.
    """
    metrics: Any = posterior
    if aggregate.coefficients is not None:
        by: Tensor = moved(metrics.mean, within) @ metrics.mean.new_tensor(aggregate.coefficients)
        return by
    if not metrics.mean.numel():
        nothing: Tensor = metrics.mean.sum(dim=-1)
        return nothing
    draws = SobolQMCNormalSampler(torch.Size([DRAWS]), seed=DRAWS_SEED)(metrics)
    return (aggregate(draws.clamp(*within)) - aggregate(draws)).mean(dim=0)


def objective_inside(belief: Belief, X: Tensor, *, noise: bool = False) -> GPyTorchPosterior:
    """Belief about the objective at ``q x d`` mixtures with its metrics inside their ranges, ``q x 1``, jointly.

    Args:
        belief: The model of the record.
        X: ``q x d`` mixtures.
        noise: Whether it is about new runs there, their noise included.
    """
    posterior = belief.aggregate.posterior(belief.model, X, noise=noise)
    return widened(posterior, mean_moved(belief, X))


def mean_moved(belief: Belief, X: Tensor) -> Tensor:
    """What the posterior mean of the objective moves by at ``q x d`` mixtures, ``q``, see :func:`objective_moved`."""
    within = limits(belief.problem.metrics, belief.aggregate)
    if not within.isfinite().any():
        return X.new_zeros(len(X))
    with torch.no_grad():
        if belief.aggregate.coefficients is not None:
            return moved(mean_at(belief.model, X), within) @ X.new_tensor(belief.aggregate.coefficients)
        return objective_moved(belief.aggregate, _one_by_one(belief.model, X), within).squeeze(-1)


def widened(posterior: GPyTorchPosterior, by: Tensor) -> GPyTorchPosterior:
    """A ``q x 1`` belief whose mean is moved by ``q`` numbers, and which is as much less sure; the same for zeros."""
    if not by.any():
        return posterior
    gaussian: Any = posterior.distribution
    return GPyTorchPosterior(MultivariateNormal(gaussian.mean + by, gaussian.covariance_matrix + by.outer(by)))


def _one_by_one(model: Model, X: Tensor) -> Posterior:
    """The model's belief at each of ``q x d`` mixtures by itself, ``q x 1 x m``: what moves one depends on no other."""
    return model.posterior(X.unsqueeze(-2))
