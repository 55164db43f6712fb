"""Hyperparameters of metrics with gaps, drawn together with what is missing.

A metric that few trials have says little about its own lengthscales; what the other metrics say of its gaps says more.
A chain alternates between the two: fill the gaps with a draw from what the hyperparameters and the correlation make of
them (:mod:`bomix.surrogates.completion`), then move the hyperparameters of each metric given the full table.

References:
    [Tanner1987] The calculation of posterior distributions by data augmentation.
    [Neal2011] MCMC using Hamiltonian dynamics.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from bomix.surrogates import hmc
from bomix.surrogates.completion import Table, Whitening, shrunk
from bomix.surrogates.fitting import Problem, Sampling, criterion

if TYPE_CHECKING:
    from torch import Tensor

_MEMORY = 0.9
_WIDEST = 1.5
_ADAPTATION = 0.15
_TARGET = 0.8
_PACES = (0.02, 12.0)


def draw(
    problem: Problem, start: Tensor, correlation: Tensor, *, shrinkage: float, sampling: Sampling, seed: int
) -> Tensor:
    """Draw hyperparameters, the gaps filled anew before each move [Tanner1987]_.

    Args:
        problem: Data and model; ``targets`` are NaN where a trial lacks a metric, and each trial has one.
        start: ``m x p`` hyperparameters.
        correlation: ``m x m`` correlation of what drives the metrics to begin with; it follows the chain.
        shrinkage: Trials that the identity counts as in its estimate.
        sampling: Length of the chain.
        seed: Of momenta, acceptance and what fills the gaps.

    Returns:
        ``s x m x p``.
    """
    generator = torch.Generator().manual_seed(seed)
    x, scale, pace = start, problem.prior.sd.clamp_max(_WIDEST), start.new_ones(len(start))
    moment, kept = correlation, []
    for turn in range(sampling.warmup + sampling.draws * sampling.thinning):
        table = Table(Whitening.of(_matrices(problem, x)), problem.targets, correlation)
        moment = _MEMORY * moment + (1.0 - _MEMORY) * table.second_moment()
        correlation = shrunk(moment, problem.targets.shape[-1], shrinkage)
        full = problem._replace(targets=table.sample(generator))
        x, acceptance = _moved(full, x, scale * pace.unsqueeze(-1), sampling.leaps, generator)
        if turn < sampling.warmup:
            pace = (pace * torch.exp(_ADAPTATION * (acceptance - _TARGET))).clamp(*_PACES)
        elif (turn - sampling.warmup) % sampling.thinning == sampling.thinning - 1:
            kept.append(x)
    return torch.stack(kept)


def _moved(problem: Problem, x: Tensor, scale: Tensor, leaps: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """One trajectory of each metric's hyperparameters [Neal2011]_: where it ends, and its acceptance probability."""
    seed, prior = int(torch.randint(2**31, (), generator=generator)), problem.prior
    chains = hmc.sample(
        lambda at: criterion(problem, prior, at), x, scale, warmup=0, draws=1, thinning=1, leaps=leaps, seed=seed
    )
    return chains.draws[0], chains.acceptance


def _matrices(problem: Problem, theta: Tensor) -> Tensor:
    """Covariances of the runs, noise included, ``m x n x n``."""
    split = problem.covariance.size
    matrices = problem.covariance(theta[:, :split], problem.X.unsqueeze(-3))
    noise = problem.noise(theta[:, split:], problem.X) if problem.known is None else problem.known
    return matrices + torch.diag_embed(noise.expand(matrices.shape[:-1]))
