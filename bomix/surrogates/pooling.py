"""Hyperparameters that all metrics share: few numbers learnt from all losses instead of many from each.

With ``d`` domains and ``m`` metrics, lengthscales of each metric are ``d m`` numbers, more than a hundred runs can
tell. Metrics of one study are alike: how far a curve bends, how much other domains matter, how loud a run is. What
is shared maximises the sum of the log marginal likelihoods plus the log density of its prior, counted once. A metric's
own hyperparameters may then lie around it, by an empirical Bayes prior.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import torch

from bomix.surrogates.fitting import COARSE, HELD, Found, Problem, Sampling, found_around, log_marginal
from bomix.surrogates.lbfgs import minimize

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.surrogates.covariances import Prior

logger = logging.getLogger(__name__)

_EVALUATIONS = 80
_TOLERANCE = 1e-3


def fit(problem: Problem, *, spread: float, seed: int, sampling: Sampling | None = None) -> Found:
    """Find the hyperparameters.

    Where runs are many, a part of them finds what is shared: it is known well by then.

    Args:
        problem: Data and model.
        spread: Standard deviation of a metric's hyperparameters about the shared ones, on the scale of the search;
            0 for no difference. Those that are never shared keep their own prior.
        seed: Of draws.
        sampling: How to draw; None keeps the best alone.
    """
    prior = problem.prior
    theta, value = _shared(problem if len(problem.X) <= COARSE else problem.thinned(COARSE), prior)
    alone = prior.alike < 0
    if spread <= 0 and not alone.any():
        m = len(theta)
        return Found(theta.unsqueeze(0), -value.expand(m), (~value.isfinite()).expand(m))
    around = prior._replace(
        mean=torch.where(alone, prior.mean, theta),
        sd=torch.where(alone, prior.sd, prior.sd.clamp_max(max(spread, HELD))),
        start=torch.where(alone, 0.5 * (theta + prior.mean), theta),
    )
    return found_around(problem, around, seed=seed, sampling=sampling)


def _shared(problem: Problem, prior: Prior) -> tuple[Tensor, Tensor]:
    """``m x p`` hyperparameters, alike for all metrics, and what they cost per metric."""
    m, shared = len(prior.mean), prior.alike >= 0
    count = int(prior.alike.max()) + 1
    mean, sd, start = (_of_each(prior.alike, values, count) for values in prior[:3])

    def spread_out(at: Tensor) -> Tensor:
        return torch.where(shared, at[:, prior.alike.clamp_min(0)], prior.start)

    @torch.enable_grad()
    def cost(at: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
        at = at.detach().requires_grad_()
        density = log_marginal(problem, spread_out(at).flatten(0, 1), torch.arange(m).repeat(len(at)))
        value = (0.5 * ((at - mean) / sd).square().sum(dim=-1) - density.reshape(len(at), m).sum(dim=-1)) / m
        (gradient,) = torch.autograd.grad(value.sum(), at)
        return value.detach(), gradient

    end = minimize(cost, start.unsqueeze(0), max_evaluations=_EVALUATIONS, tolerance=_TOLERANCE)
    if not end.value.isfinite().all():
        logger.warning("the search for shared hyperparameters failed; they stay at the median of their prior")
        return spread_out(mean.unsqueeze(0))[0], end.value[0]
    return spread_out(end.x)[0], end.value[0]


def _of_each(alike: Tensor, values: Tensor, count: int) -> Tensor:
    """``count`` values, one of each number in ``m x p``; one where there is none; those of one number are alike."""
    result = torch.ones(count, dtype=values.dtype)
    result[alike[alike >= 0]] = values[alike >= 0]
    return result
