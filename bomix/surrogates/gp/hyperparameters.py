"""Hyperparameters of one Gaussian process per metric: the best ones, or a sample of their posterior.

The criterion is the log marginal likelihood plus the log density of the priors, which are Gaussian on the scale of
the search. The constant mean is not searched for: given the rest, its best value is the generalised-least-squares
mean. All metrics and restarts are one batch.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from bomix.contracts.covariance import Covariance, Frame, Prior
from bomix.numerics import hmc
from bomix.numerics.lbfgs import minimize
from bomix.numerics.marginal import LogMarginal

if TYPE_CHECKING:
    from torch import Tensor

logger = logging.getLogger(__name__)

MIN_NOISE = 1e-4
_NOISE = (-4.0, 1.0)
_GROWTH = (1.0, 1.5)
_START_NOISE = (0.01, 0.1)
_MOVED = 1e-3
_STEEP = 1e-2
_APART = 0.1
EVALUATIONS = 200
_WIDEST = 1.5


class Noise:
    """Variance of a run's noise on the standardised scale: ``s^2 + 1e-4``, or ``(s^2 + 1e-4) e^(g h(w))``.

    ``h(w) = (|w|^2 - 1/d) / (1 - 1/d)`` is zero at the uniform mixture and one at a vertex, ``g`` the logarithm of
    how many times louder a vertex is.

    Args:
        frame: The space and the metrics.
        growing: Whether the noise may grow towards the vertices.
        level: ``m`` variances to hold ``s^2 + 1e-4`` at, NaN where it is inferred.
    """

    def __init__(self, frame: Frame, *, growing: bool = False, level: Tensor | None = None) -> None:
        self.growing, self._d = growing, frame.d
        prior = Prior.of(frame.m, 1, *_NOISE, math.log(_START_NOISE[0]))
        if level is not None and (fixed := ~level.isnan()).any():
            at = (level[fixed] - MIN_NOISE).clamp_min(MIN_NOISE / 10.0).log().unsqueeze(-1)
            prior.mean[fixed], prior.start[fixed], prior.sd[fixed] = at, at, HELD
            prior.alike[fixed, 0] = 1 + torch.arange(len(at))
        self.prior = Prior.joined([prior, Prior.of(frame.m, 1, *_GROWTH, 0.0)]) if growing else prior

    @property
    def size(self) -> int:
        """Number of hyperparameters."""
        return int(self.prior.mean.shape[-1])

    def __call__(self, theta: Tensor, X: Tensor) -> Tensor:
        """Variances ``batch x b x n`` of ``b x p`` hyperparameters at ``batch x n x (d + p)`` inputs."""
        level = (theta[:, :1].exp() + MIN_NOISE).expand(*X.shape[:-2], -1, X.shape[-2])
        if not self.growing:
            return level
        d = self._d
        purity = (X[..., :d].square().sum(dim=-1) - 1.0 / d) / max(1.0 - 1.0 / d, _TINY)
        return level * torch.exp(theta[:, 1:2] * purity.unsqueeze(-2))


class Problem(NamedTuple):
    """What hyperparameters are found for.

    Attributes:
        covariance: Prior covariance of a metric without noise.
        noise: Its noise.
        X: ``n x d`` weights.
        targets: ``m x n`` standardised metrics, NaN where missing.
        known: ``m x n`` noise variances of the runs where they are known from elsewhere, else NaN.
    """

    covariance: Covariance
    noise: Noise
    X: Tensor
    targets: Tensor
    known: Tensor | None = None

    @property
    def prior(self) -> Prior:
        """Of all hyperparameters, those of the noise last."""
        return Prior.joined([self.covariance.prior, self.noise.prior])

    def thinned(self, count: int) -> Problem:
        """The same with ``count`` runs, evenly spaced in their order."""
        rows = torch.linspace(0, len(self.X) - 1, count).round().long()
        known = None if self.known is None else self.known[:, rows]
        return self._replace(X=self.X[rows], targets=self.targets[:, rows], known=known)


class Sampling(NamedTuple):
    """How a posterior is sampled; see :func:`bomix.numerics.hmc.sample`.

    Attributes:
        draws: Samples that are kept.
        warmup: Trajectories before them.
        thinning: Trajectories for each of them.
        leaps: Steps of a trajectory.
        climb: Evaluations of the search for the place where the chains begin, which need not be the very top.
    """

    draws: int
    warmup: int
    thinning: int
    leaps: int
    climb: int = 25


def fit(
    problem: Problem,
    *,
    restarts: int,
    seed: int,
    sampling: Sampling | None = None,
    prior: Prior | None = None,
    evaluations: int = EVALUATIONS,
) -> Tensor:
    """Find the hyperparameters.

    Where runs are many, the search begins with a part of them and ends with a few steps on all: an evaluation costs
    the cube of their number, and the part knows nearly as much.

    Args:
        problem: Data and model.
        restarts: Starts of the search per metric.
        seed: Of the starts beyond the second, of those that replace a fit that did not move, and of the draws.
        sampling: How to draw from the posterior, begun at the best; None keeps the best alone.
        prior: Another than the problem's own.
        evaluations: Of a search, at most; fewer where draws follow.

    Returns:
        ``s x m x p`` draws, one where they are the best ones. A metric of which no start gave a number gets the median
        of its prior.
    """
    prior, rng = problem.prior if prior is None else prior, np.random.default_rng(seed)
    starts = _starts(prior, restarts, rng)
    if len(problem.X) > _MANY:
        starts = fit(problem.thinned(COARSE), restarts=1, seed=seed, prior=prior, evaluations=evaluations)
        evaluations = _REFINEMENT
    elif sampling is not None:
        evaluations = min(evaluations, sampling.climb)
    theta, value, stuck = _best_of(problem, prior, starts, evaluations)
    if stuck.any():
        logger.info("%d fits never left their start; starting them elsewhere", int(stuck.sum()))
        again, other, _ = _best_of(problem, prior, _random_starts(prior, max(restarts, 2), rng), evaluations)
        better = stuck & (other < value)
        theta, value = torch.where(better.unsqueeze(-1), again, theta), torch.where(better, other, value)
    if (failed := ~value.isfinite()).any():
        logger.warning("%d fits failed; their hyperparameters stay at the median of their prior", int(failed.sum()))
        theta = torch.where(failed.unsqueeze(-1), prior.mean, theta)
    return _drawn(problem, prior, theta, seed, sampling)


def _drawn(problem: Problem, prior: Prior, theta: Tensor, seed: int, sampling: Sampling | None) -> Tensor:
    """``s x m x p`` draws from the posterior by chains that begin at ``m x p``; that alone without ``sampling``."""
    if sampling is None:
        return theta.unsqueeze(0)
    chains = hmc.sample(
        lambda at: criterion(problem, prior, at),
        theta,
        prior.sd.clamp_max(_WIDEST),
        warmup=sampling.warmup,
        draws=sampling.draws,
        thinning=sampling.thinning,
        leaps=sampling.leaps,
        seed=seed,
    )
    logger.debug("acceptance of the hyperparameters' chains: %s", chains.acceptance.tolist())
    return chains.draws


@torch.enable_grad()
def criterion(problem: Problem, prior: Prior, theta: Tensor, rows: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Negative log posterior densities ``b`` and their gradients ``b x p``.

    Args:
        problem: Data and model.
        prior: Of the hyperparameters.
        theta: ``b x p``, the metrics in turn, or those of ``rows``.
        rows: ``b`` metrics.
    """
    theta = theta.detach().requires_grad_()
    mean, sd = (prior.mean, prior.sd) if rows is None else (prior.mean[rows], prior.sd[rows])
    value = 0.5 * ((theta - mean) / sd).square().sum(dim=-1) - log_marginal(problem, theta, rows)
    (gradient,) = torch.autograd.grad(value.sum(), theta)
    return value.detach(), gradient


def log_marginal(problem: Problem, theta: Tensor, rows: Tensor | None = None) -> Tensor:
    """Log marginal likelihoods ``b`` of ``b x p`` hyperparameters, the metrics in turn or those of ``rows``."""
    targets, known = problem.targets, problem.known
    if rows is not None:
        targets, known = targets[rows], None if known is None else known[rows]
    split = problem.covariance.size
    covariance = problem.covariance(theta[:, :split], problem.X.unsqueeze(-3), rows=rows)
    noise = problem.noise(theta[:, split:], problem.X)
    if known is not None:
        noise = torch.where(known.isnan(), noise, known)
    density: Tensor
    density, _ = LogMarginal.apply(covariance, noise, targets.nan_to_num(0.0), ~targets.isnan())  # type: ignore[no-untyped-call]
    return density


def _starts(prior: Prior, restarts: int, rng: np.random.Generator) -> Tensor:
    """``restarts x m x p``: where the prior says, half-way to its median and noisy, then anywhere around."""
    second = 0.5 * (prior.start + prior.mean) + math.log(2.0) * (prior.start != prior.mean)
    second = torch.where(prior.sd > HELD, second, prior.start)
    # A prior that starts near its median has no half-way.
    fixed = [prior.start, second] if (second - prior.start).abs().max() > _APART else [prior.start]
    starts = torch.stack(fixed[:restarts])
    return torch.cat([starts, _random_starts(prior, restarts - len(starts), rng)])


def _random_starts(prior: Prior, count: int, rng: np.random.Generator) -> Tensor:
    shape = (count, *prior.start.shape)
    common = torch.as_tensor(rng.normal(0.5, 1.0, size=(count, shape[1], 1)))
    return prior.start + (torch.as_tensor(rng.normal(size=shape)) + common) * prior.sd.clamp_max(1.0)


def _best_of(problem: Problem, prior: Prior, starts: Tensor, evaluations: int) -> tuple[Tensor, Tensor, Tensor]:
    """Best hyperparameters ``m x p`` over the starts, their ``m`` values, and which never moved though they should."""
    count, m, p = starts.shape
    metric = torch.arange(m).repeat(count)
    flat = starts.reshape(-1, p)
    # What a prior holds tight would make the search narrow: it counts in standard deviations there.
    unit = prior.sd.clamp_max(1.0)

    def cost(at: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        scale = unit[metric[rows]]
        value, gradient = criterion(problem, prior, at * scale, metric[rows])
        return value, gradient * scale

    end = minimize(cost, flat / unit.repeat(count, 1), max_evaluations=evaluations, tolerance=_TOLERANCE)
    end = end._replace(x=end.x * unit.repeat(count, 1))
    moved = (end.x - flat).abs().amax(dim=-1) > _MOVED
    stuck = (~moved & (end.gradient.abs().amax(dim=-1) > _STEEP)).reshape(count, m)
    values = torch.where(end.value.isfinite(), end.value, torch.inf).reshape(count, m)
    best, column = values.argmin(dim=0), torch.arange(m)
    return end.x.reshape(count, m, p)[best, column], values[best, column], stuck[best, column]


HELD = 1e-3
_TINY = 1e-12
_TOLERANCE = 1e-3
_MANY = 256
COARSE = 160
_REFINEMENT = 6
