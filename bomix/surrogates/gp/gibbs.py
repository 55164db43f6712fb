"""Hyperparameters of metrics with gaps, drawn together with what is missing.

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
from bomix.surrogates.gp.exact import ExactGPs
from bomix.surrogates.gp.hyperparameters import Problem, Sampling, criterion
from bomix.surrogates.gp.independent import IndependentGPs

if TYPE_CHECKING:
    from torch import Tensor

_MEMORY = 0.9
_WIDEST = 1.5
_PACES = (0.02, 12.0)
_FEW = 40
_FAR, _NEAR = Sampling(0, warmup=40, thinning=3, leaps=8), Sampling(0, warmup=24, thinning=2, leaps=8)
"""How far chains go up to :data:`_FEW` trials, and beyond."""


def redrawn(apart: IndependentGPs, correlation: Tensor, *, shrinkage: float, seed: int) -> IndependentGPs:
    """The same processes with as many draws again, which know of the other metrics.

    Both kinds are kept: chains that fill gaps wander further, and a mixture forgives where one kind went astray.

    Args:
        apart: Processes fitted by themselves, of ``n x d`` weights; their draws are where the chains begin.
        correlation: ``m x m`` correlation of what drives the metrics, to begin with.
        shrinkage: See :func:`draw`.
        seed: As there.
    """
    # Chains carry rounding far: the order of the trials must not enter them.
    order = torch.as_tensor(canonical_rows(apart.train_X.numpy(), apart.train_Y.numpy()))
    order = order[~apart.train_Y[order].isnan().all(dim=-1)]
    walk = _FAR if len(order) <= _FEW else _NEAR
    families = []
    for family in apart.families:
        known = None if family._known is None else family._known[:, order]
        problem = Problem(family.covariance, family.noise, family.X[order], family.targets[:, order], known)
        sampling = walk._replace(draws=len(family.theta))
        theta = draw(problem, family.theta[-1], correlation, shrinkage=shrinkage, sampling=sampling, seed=seed)
        theta = torch.cat([family.theta, theta])
        families.append(ExactGPs(family.covariance, family.noise, theta, family.X, family.targets, known=family._known))
    return IndependentGPs(
        apart.train_X,
        apart.train_Y,
        families=families,
        shares=apart.shares,
        offset=apart.offset,
        scale=apart.scale,
        mean=apart._mean,
        learnt=apart._learnt,
        correlation=apart.correlation,
        columns=apart._columns,
        unseen=apart._unseen,
    )


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
            pace = (pace * torch.exp(hmc.ADAPTATION * (acceptance - hmc.TARGET))).clamp(*_PACES)
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
