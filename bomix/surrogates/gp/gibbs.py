"""Hyperparameters of metrics with gaps, drawn together with the missing values.

A metric that few trials have says little about its own lengthscales; what the other metrics say of its gaps says more.
A chain alternates between the two: fill the gaps with a draw from what the hyperparameters and the correlation make of
them (:mod:`bomix.surrogates.gp.completion`), then move the hyperparameters of each metric given its full column, as if
it stood alone. So the metrics inform each other through what is missing and nothing else, and without correlation, or
without gaps, the chain draws what separate metrics draw.

References:
    [Tanner1987] The calculation of posterior distributions by data augmentation.
    [Neal2011] MCMC using Hamiltonian dynamics.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from bomix.numerics import hmc
from bomix.surrogates.cross_validation.folds import canonical_rows
from bomix.surrogates.gp.completion import Table, Whitening, shrunk
from bomix.surrogates.gp.likelihood import Likelihood, criterion
from bomix.surrogates.gp.search import FEW, WIDEST, Sampling

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.surrogates.gp.independent import IndependentGPs

_MEMORY = 0.9
"""Share of the second moment that a move keeps: the correlation is that of the last ten fillings, not of one."""
_PACES = (0.02, 12.0)
"""Least and largest factor of a step: beyond, a chain stands still or has every move rejected."""
_FAR, _NEAR = Sampling(0, warmup=40, thinning=3, leaps=8), Sampling(0, warmup=24, thinning=2, leaps=8)
"""How far chains go up to :data:`FEW` trials, and beyond."""


def redrawn(independent: IndependentGPs, correlation: Tensor, *, shrinkage: float, seed: int) -> IndependentGPs:
    """The same processes with as many draws again, which know of the other metrics.

    Both kinds are kept: chains that fill gaps wander further, and a mixture forgives where one kind is an outlier.

    Args:
        independent: Processes fitted by themselves; their draws are where the chains begin.
        correlation: ``m x m`` correlation of what drives the metrics, to begin with.
        shrinkage: Trials that the identity counts as in the estimate of the correlation.
        seed: Seed of momenta, acceptance and what fills the gaps.
    """
    # Chains carry rounding far: the order of the trials must not enter them.
    order = torch.as_tensor(canonical_rows(independent.train_X.numpy(), independent.train_Y.numpy()))
    order = order[~independent.train_Y[order].isnan().all(dim=-1)]
    settings = _FAR if len(order) <= FEW else _NEAR
    families = []
    for family in independent.families:
        known = None if family.known is None else family.known[:, order]
        likelihood = Likelihood(family.covariance, family.noise, family.X[order], family.targets[:, order], known)
        sampling = settings._replace(draws=len(family.theta))
        theta = draw(likelihood, family.theta[-1], correlation, shrinkage=shrinkage, sampling=sampling, seed=seed)
        families.append(family.with_theta(torch.cat([family.theta, theta])))
    return independent.with_families(families)


def draw(
    likelihood: Likelihood, start: Tensor, correlation: Tensor, *, shrinkage: float, sampling: Sampling, seed: int
) -> Tensor:
    """Draw hyperparameters, the gaps filled anew before each move [Tanner1987]_.

    Args:
        likelihood: Data and model; ``targets`` are NaN where a trial lacks a metric, and each trial has one.
        start: ``m x p`` hyperparameters.
        correlation: ``m x m`` correlation of what drives the metrics to begin with; it follows the chain.
        shrinkage: Trials that the identity counts as in its estimate.
        sampling: Length of the chain.
        seed: Seed of momenta, acceptance and what fills the gaps.

    Returns:
        ``s x m x p``.
    """
    generator = torch.Generator().manual_seed(seed)
    x, scale, pace = start, likelihood.prior.sd.clamp_max(WIDEST), start.new_ones(len(start))
    moment, kept = correlation, []
    for turn in range(sampling.warmup + sampling.draws * sampling.thinning):
        table = Table(Whitening.of(_matrices(likelihood, x)), likelihood.targets, correlation)
        moment = _MEMORY * moment + (1.0 - _MEMORY) * table.second_moment()
        correlation = shrunk(moment, likelihood.targets.shape[-1], shrinkage)
        full = likelihood._replace(targets=table.sample(generator))
        x, acceptance = _moved(full, x, scale * pace.unsqueeze(-1), sampling.leaps, generator)
        if turn < sampling.warmup:
            pace = (pace * torch.exp(hmc.ADAPTATION * (acceptance - hmc.TARGET))).clamp(*_PACES)
        elif (turn - sampling.warmup) % sampling.thinning == sampling.thinning - 1:
            kept.append(x)
    return torch.stack(kept)


def _moved(
    likelihood: Likelihood, x: Tensor, scale: Tensor, leaps: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """One trajectory of each metric's hyperparameters [Neal2011]_: where it ends, and its acceptance probability."""
    seed, prior = int(torch.randint(2**31, (), generator=generator)), likelihood.prior
    chains = hmc.sample(
        lambda at: criterion(likelihood, prior, at), x, scale, warmup=0, draws=1, thinning=1, leaps=leaps, seed=seed
    )
    return chains.draws[0], chains.acceptance


def _matrices(likelihood: Likelihood, theta: Tensor) -> Tensor:
    """Covariances of the runs, noise included, ``m x n x n``."""
    split = likelihood.covariance.size
    matrices = likelihood.covariance(theta[:, :split], likelihood.X.unsqueeze(-3))
    noise = likelihood.noise(theta[:, split:], likelihood.X) if likelihood.known is None else likelihood.known
    return matrices + torch.diag_embed(noise.expand(matrices.shape[:-1]))
