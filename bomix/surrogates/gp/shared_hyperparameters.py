"""Hyperparameters that all metrics share: few numbers learnt from all losses instead of many from each.

With ``d`` domains and ``m`` metrics, lengthscales of each metric are ``d m`` numbers, more than a hundred runs can
tell. Metrics of one study resemble each other: how smooth a curve is, how much other domains matter, how noisy a run
is. What is shared maximises the sum of the log marginal likelihoods plus the log density of its prior, counted once.
A metric's own hyperparameters may then lie around it, by an empirical Bayes prior.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import torch

from bomix.numerics.lbfgs import minimize
from bomix.surrogates.gp.likelihood import HELD, Likelihood, log_marginal
from bomix.surrogates.gp.search import COARSE, FIRST, MOST, Sampling, search

if TYPE_CHECKING:
    from torch import Tensor


logger = logging.getLogger(__name__)

_OF_SHARED = 40
"""Evaluations of the search for what is shared: few numbers, which all metrics tell of."""
OF_EACH = 60
"""Evaluations of the search about what is shared, which begins near its end."""
_TOLERANCE = 1e-3
"""Gradient at which a search ends, in nats for each standard deviation of a prior and metric."""


def search_shared(
    likelihood: Likelihood,
    *,
    spread: float,
    restarts: int,
    seed: int,
    sampling: Sampling | None = None,
    evaluations: int = OF_EACH,
) -> Tensor:
    """Find the hyperparameters.

    Where runs are many, what is shared is found from :data:`~bomix.surrogates.gp.search.COARSE` of them, which are
    enough, or roughly from :data:`~bomix.surrogates.gp.search.FIRST`: a search of each metric's own follows.

    Args:
        likelihood: Data and model.
        spread: Standard deviation of a metric's hyperparameters about the shared ones, on the scale of the search;
            0 for no difference. Those that are never shared keep their own prior.
        restarts: Starts of the search for a metric's own; the first is where those that are shared are.
        seed: Seed of draws and of further starts.
        sampling: How to draw; None keeps the best alone.
        evaluations: Most evaluations of the search for a metric's own.

    Returns:
        ``s x m x p`` draws, one where they are the best ones.
    """
    prior = likelihood.prior
    n = len(likelihood.X)
    part = n if n <= COARSE else COARSE if n <= MOST else FIRST
    most = _OF_SHARED if n <= MOST else _OF_SHARED // 2
    theta = shared(likelihood if part == n else likelihood.thinned(part), most)[0]
    separate = prior.tied < 0
    if spread <= 0 and not separate.any():
        return theta.unsqueeze(0)
    around = prior._replace(
        mean=torch.where(separate, prior.mean, theta),
        sd=torch.where(separate, prior.sd, prior.sd.clamp_max(max(spread, HELD))),
        start=torch.where(separate, 0.5 * (theta + prior.mean), theta),
    )
    return search(likelihood, restarts=restarts, seed=seed, sampling=sampling, prior=around, evaluations=evaluations)


def shared(likelihood: Likelihood, evaluations: int = _OF_SHARED, targets: Tensor | None = None) -> Tensor:
    """``f x m x p`` hyperparameters, the same for all metrics; those that are never shared where a search starts.

    A metric of which no likelihood can be computed counts for nothing in what is shared.

    Args:
        likelihood: Data and model.
        evaluations: Most evaluations of the search.
        targets: ``f x m x n`` values, each of which has a search of its own, all in one batch: the same runs with
            others left out, NaN, say. None for the likelihood's own alone.
    """
    prior = likelihood.prior
    targets = likelihood.targets.unsqueeze(0) if targets is None else targets
    f, m = targets.shape[:2]
    begin = log_marginal(likelihood, prior.start.repeat(f, 1), torch.arange(m).repeat(f), targets.flatten(0, 1))
    informative = begin.reshape(f, m).isfinite().all(dim=0).nonzero().squeeze(-1)
    if not len(informative):
        logger.warning("no metric is informative about shared hyperparameters; they stay at the median of their prior")
        return torch.where(prior.tied >= 0, prior.mean, prior.start).expand(f, -1, -1)
    count = int(prior.tied.max()) + 1
    mean, sd, start = (_by_group(prior.tied, values, count) for values in prior[:3])

    def for_every_metric(at: Tensor) -> Tensor:
        """``b x groups`` shared numbers as ``b x m x p`` hyperparameters."""
        return torch.where(prior.tied >= 0, at[:, prior.tied.clamp_min(0)], prior.start)

    @torch.enable_grad()
    def cost(at: Tensor, problems: Tensor) -> tuple[Tensor, Tensor]:
        at = at.detach().requires_grad_()
        theta = for_every_metric(at)[:, informative].flatten(0, 1)
        known = targets[problems][:, informative].flatten(0, 1)
        density = log_marginal(likelihood, theta, informative.repeat(len(at)), known)
        likely = density.reshape(len(at), -1).sum(dim=-1)
        value = (0.5 * ((at - mean) / sd).square().sum(dim=-1) - likely) / len(informative)
        (gradient,) = torch.autograd.grad(value.sum(), at)
        return value.detach(), gradient

    end = minimize(cost, start.expand(f, -1), max_evaluations=evaluations, tolerance=_TOLERANCE)
    return for_every_metric(end.x)


def _by_group(tied: Tensor, values: Tensor, count: int) -> Tensor:
    """The values ``m x p`` of hyperparameters by group, ``count`` numbers; equal in a group; 1 without any."""
    result = torch.ones(count, dtype=values.dtype)
    result[tied[tied >= 0]] = values[tied >= 0]
    return result
