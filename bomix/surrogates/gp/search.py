"""The search for hyperparameters: the best ones, or a sample of their posterior about them."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from bomix.numerics import hmc
from bomix.numerics.lbfgs import minimize
from bomix.surrogates.gp.likelihood import HELD, Likelihood, criterion

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.contracts.covariance import Prior

logger = logging.getLogger(__name__)

EVALUATIONS = 200
"""Most evaluations of a search; nearly all end before by their gradient."""
COARSE = 160
"""Runs that what metrics share is found from where there are more: they are enough for few numbers."""
FIRST = 64
"""Runs that a search begins with where there are many more: an evaluation then costs a tenth."""
MOST = 256
"""Runs that hyperparameters are found from where there are more: an evaluation of a thousand costs twenty times as
much, and predictions from 384 of RegMix's runs were the same whether 160, 256 or all of them had decided (log density
per metric 0.75, 0.74 and 0.74, Spearman x 100 of the mean 98.4 each), but for intervals of single losses, which 160
make too narrow (coverage of Pile-CC 90, 93 and 94 %)."""
_AT_FIRST, _REFINEMENT = 2 / 3, 1 / 10
"""Shares of a search's evaluations that are made on the first part and on all that decide: the beginning is nearly at
the end, and where metrics share hyperparameters a search about these asks for few."""
_ROUGH = 0.1
"""Gradient at which a search on a part of the runs ends: the rest moves its end further than that."""
_TOLERANCE = 1e-3
"""Gradient at which a search ends, in nats for each standard deviation of a prior."""
_MOVED = 1e-3
"""Distance in a hyperparameter's logarithm below which a search has not left its start."""
_STEEP = 1e-2
"""Gradient above which a search should have left its start: ten times that at which it ends."""
_DISTINCT = 0.1
"""Difference of logarithms from which on a second start is another one than the first."""
FEW = 40
"""Trials up to which chains go far: the posterior is wide, and an evaluation is cheap."""
WIDEST = 1.5
"""Longest step of a chain in a hyperparameter's logarithm: flat priors are wider than any posterior of runs."""


class Sampling(NamedTuple):
    """How a posterior is sampled; see :func:`bomix.numerics.hmc.sample`.

    Attributes:
        draws: Samples that are kept.
        warmup: Trajectories before them.
        thinning: Trajectories for each of them.
        leaps: Steps of a trajectory.
        climb: Evaluations of the search for the point where the chains begin, which need not be the very best.
    """

    draws: int
    warmup: int
    thinning: int
    leaps: int
    climb: int = 25


def search(
    likelihood: Likelihood,
    *,
    restarts: int,
    seed: int,
    sampling: Sampling | None = None,
    prior: Prior | None = None,
    evaluations: int = EVALUATIONS,
) -> Tensor:
    """Find the hyperparameters.

    Where runs are many, a part of them decides, and the search begins with a part of that: an evaluation costs the cube
    of their number, and the part knows nearly as much.

    Args:
        likelihood: Data and model.
        restarts: Starts of the search per metric.
        seed: Seed of the starts beyond the second, of those that replace a fit that did not move, and of the draws.
        sampling: How to draw from the posterior, begun at the best; None keeps the best alone.
        prior: Another prior than the likelihood's own.
        evaluations: Most evaluations of a search; fewer where draws follow.

    Returns:
        ``s x m x p`` draws, one where they are the best ones. A metric of which no start gave a number gets the median
        of its prior.
    """
    prior, rng = likelihood.prior if prior is None else prior, np.random.default_rng(seed)
    starts = _starts(prior, restarts, rng)
    if len(likelihood.X) > MOST:
        part = likelihood.thinned(FIRST)
        starts = _best_of(part, prior, starts[:1], round(_AT_FIRST * evaluations), tolerance=_ROUGH)[0].unsqueeze(0)
        likelihood, evaluations = likelihood.thinned(MOST), round(_REFINEMENT * evaluations)
    elif sampling is not None:
        evaluations = min(evaluations, sampling.climb)
    theta, value, stuck = _best_of(likelihood, prior, starts, evaluations)
    if stuck.any():
        logger.info("%s never left their start; starting elsewhere", _named(likelihood, stuck))
        again, other, _ = _best_of(likelihood, prior, _random_starts(prior, max(restarts, 2), rng), evaluations)
        better = stuck & (other < value)
        theta, value = torch.where(better.unsqueeze(-1), again, theta), torch.where(better, other, value)
    if (failed := ~value.isfinite()).any():
        logger.warning(
            "the fits of %s failed; their hyperparameters stay at the median of their prior", _named(likelihood, failed)
        )
        theta = torch.where(failed.unsqueeze(-1), prior.mean, theta)
    return _drawn(likelihood, prior, theta, seed, sampling)


def _drawn(likelihood: Likelihood, prior: Prior, theta: Tensor, seed: int, sampling: Sampling | None) -> Tensor:
    """``s x m x p`` draws from the posterior by chains that begin at ``m x p``; that alone without ``sampling``."""
    if sampling is None:
        return theta.unsqueeze(0)
    chains = hmc.sample(
        lambda at: criterion(likelihood, prior, at),
        theta,
        prior.sd.clamp_max(WIDEST),
        warmup=sampling.warmup,
        draws=sampling.draws,
        thinning=sampling.thinning,
        leaps=sampling.leaps,
        seed=seed,
    )
    for metric, rate in zip(likelihood.names, chains.acceptance.tolist(), strict=True):
        logger.debug("metric '%s': the chain of its hyperparameters accepts %.2f of its moves", metric, rate)
    return chains.draws


def _named(likelihood: Likelihood, which: Tensor) -> str:
    """The names of some metrics, told by ``m`` booleans, for a message."""
    chosen = [f"'{name}'" for name, meant in zip(likelihood.names, which.tolist(), strict=True) if meant]
    return f"metric{'s' if len(chosen) > 1 else ''} {', '.join(chosen)}"


def _starts(prior: Prior, restarts: int, rng: np.random.Generator) -> Tensor:
    """``restarts x m x p``: where the prior says, half-way to its median and noisy, then anywhere around."""
    second = 0.5 * (prior.start + prior.mean) + math.log(2.0) * (prior.start != prior.mean)
    second = torch.where(prior.sd > HELD, second, prior.start)
    # A prior that starts near its median has no half-way.
    fixed = [prior.start, second] if (second - prior.start).abs().max() > _DISTINCT else [prior.start]
    starts = torch.stack(fixed[:restarts])
    return torch.cat([starts, _random_starts(prior, restarts - len(starts), rng)])


def _random_starts(prior: Prior, count: int, rng: np.random.Generator) -> Tensor:
    """``count x m x p`` starts drawn about the prior's start; those of a metric are shifted together as well."""
    shape = (count, *prior.start.shape)
    common = torch.as_tensor(rng.normal(0.5, 1.0, size=(count, shape[1], 1)))
    return prior.start + (torch.as_tensor(rng.normal(size=shape)) + common) * prior.sd.clamp_max(1.0)


def _best_of(
    likelihood: Likelihood, prior: Prior, starts: Tensor, evaluations: int, *, tolerance: float = _TOLERANCE
) -> tuple[Tensor, Tensor, Tensor]:
    """Best hyperparameters ``m x p`` over the starts, their ``m`` values, and which never moved though they should."""
    count, m, p = starts.shape
    metric = torch.arange(m).repeat(count)
    flat = starts.reshape(-1, p)
    # What a prior holds tight would make the search narrow: it counts in standard deviations there.
    unit = prior.sd.clamp_max(1.0)

    def cost(at: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        scale = unit[metric[rows]]
        value, gradient = criterion(likelihood, prior, at * scale, metric[rows])
        return value, gradient * scale

    end = minimize(cost, flat / unit.repeat(count, 1), max_evaluations=evaluations, tolerance=tolerance)
    end = end._replace(x=end.x * unit.repeat(count, 1))
    moved = (end.x - flat).abs().amax(dim=-1) > _MOVED
    stuck = (~moved & (end.gradient.abs().amax(dim=-1) > _STEEP)).reshape(count, m)
    values = torch.where(end.value.isfinite(), end.value, torch.inf).reshape(count, m)
    best, column = values.argmin(dim=0), torch.arange(m)
    return end.x.reshape(count, m, p)[best, column], values[best, column], stuck[best, column]
