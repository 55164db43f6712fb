"""Shares of families of covariances in the belief about metrics, by how likely each makes runs that it has not seen.

A line in the logarithms of the weights predicts noisy scores better than what can follow every run, and losses far
worse. One metric of few runs cannot tell which it is; all metrics of a study together can, so that they have one set
of shares [Yao2018]_. The density of a left-out run is the harmonic mean over draws of hyperparameters [Gelfand1992]_:
draws have seen the run, and those that were bent towards it count for less.

References:
    [Yao2018] Using stacking to average Bayesian predictive distributions.
    [Gelfand1992] Model determination using predictive distributions with implementation via sampling-based methods.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from bomix.surrogates.combined.stacking import stacked
from bomix.surrogates.gp.exact import ExactGPs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


def stacked_shares(families: Sequence[ExactGPs]) -> Tensor:
    """The shares under which left-out runs of all metrics are most likely.

    Args:
        families: The posteriors of ``m`` metrics under ``f`` families of covariances.

    Returns:
        ``f x m`` shares, the same for all metrics, which sum to one.
    """
    density = torch.stack([left_out_density(family) for family in families])
    shares = stacked(density.flatten(1).unsqueeze(-1))
    return shares.expand(-1, density.shape[1])


def left_out_density(family: ExactGPs) -> Tensor:
    """Log densities ``m x n`` of runs that are left out; zero where a run lacks the metric."""
    found, each = [], family.theta.split(1)
    for alone in [family] if len(each) == 1 else map(family.with_theta, each):
        mean, variance = alone.leave_one_out()
        squares = (family.targets - mean).square() / variance
        found.append(-0.5 * (squares + variance.log() + math.log(2.0 * math.pi)))
    density = math.log(len(found)) - torch.stack([-density for density in found]).logsumexp(dim=0)
    return torch.where(family.targets.isnan(), 0.0, density)
