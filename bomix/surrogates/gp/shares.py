"""How much of the belief a simple family of covariances gets beside others, by runs that are left out.

A line in the logarithms of the weights predicts noisy scores better than what can follow every run, and losses far
worse. One metric of few runs cannot tell which it is; all metrics of a study together can, so that they have one share
[Yao2018]_. The others keep equal parts of the rest: weighed by left-out runs as well, intervals of 25 of RegMix's runs
covered 92 % instead of 95 %. The density of a left-out run is the harmonic mean over draws of hyperparameters
[Gelfand1992]_: draws have seen the run, and those that were bent towards it count for less.

Even so what follows every run looks better on few noisy ones than it is. The line, which is the simpler, is therefore
given what left-out runs leave open: the difference of the densities may be :data:`CREDIT` of its standard errors
higher, which is nothing to losses, of which the runs tell clearly that no line will do. The rule of one standard error
is an old one for trees [Breiman1984]_.

References:
    [Breiman1984] Classification and regression trees, section 3.4.3.
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


CREDIT = 2.0
"""Standard errors of the difference in density between left-out runs that count for the simple family. Of 17 scores of
25 runs in 19 domains (five tables) single ones rank at 12.2 with none, 12.5 with one, 12.7 with two; ridge, 12.6; of 22
scores in 3 to 7 domains (12 tables) at 36.9, 37.5 and 38.0. RegMix's losses do not change, with three neither."""


def stacked_shares(families: Sequence[ExactGPs]) -> Tensor:
    """The share of the last family under which left-out runs of all metrics are most likely, the others' equal.

    The last family is the simple one, whose density has the credit of :data:`CREDIT`.

    Args:
        families: The posteriors of ``m`` metrics under ``f`` families of covariances, two or more.

    Returns:
        ``f x m`` shares, the same for all metrics, which sum to one.
    """
    *others, last = (left_out_density(family) for family in families)
    mixture = torch.stack(others).logsumexp(dim=0) - math.log(len(others))
    credit = CREDIT * _standard_error(last - mixture)
    rest, share = stacked(torch.stack([mixture, last + credit]).reshape(2, -1, 1)).squeeze(-1)
    shares = torch.cat([(rest / len(others)).expand(len(others)), share.unsqueeze(0)])
    return shares.unsqueeze(-1).repeat(1, len(last))


def _standard_error(differences: Tensor) -> float:
    """Standard error of the mean of ``m x n`` differences in density; metrics of a run are one observation."""
    m, n = differences.shape
    return float(differences.sum(dim=0).std()) / (m * math.sqrt(n)) if n > 1 else 0.0


def left_out_density(family: ExactGPs) -> Tensor:
    """Log densities ``m x n`` of runs that are left out; zero where a run lacks the metric."""
    found, each = [], family.theta.split(1)  # type: ignore[no-untyped-call]
    for alone in [family] if len(each) == 1 else map(family.with_theta, each):
        mean, variance = alone.leave_one_out()
        squares = (family.targets - mean).square() / variance
        found.append(-0.5 * (squares + variance.log() + math.log(2.0 * math.pi)))
    density = math.log(len(found)) - torch.stack([-density for density in found]).logsumexp(dim=0)
    return torch.where(family.targets.isnan(), 0.0, density)
