"""Mixtures of models whose shares are found by held-out log density.

References:
    [Yao2018] Using stacking to average Bayesian predictive distributions.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from bomix.errors import FitError
from bomix.numerics.moments import mixture_moments
from bomix.surrogates.cross_validation.held_out import refitted
from bomix.surrogates.models.joint import HeldOut, JointModel

if TYPE_CHECKING:
    from botorch.models.model import Model
    from botorch.utils.datasets import SupervisedDataset
    from torch import Tensor

    from bomix.contracts.context import FitContext
    from bomix.contracts.surrogate import Surrogate
    from bomix.surrogates.models.hyperparameter import Hyperparameter

logger = logging.getLogger(__name__)

MIN_TRIALS = 6
"""Trials below which nothing is weighed: held-out densities of fewer say too little."""

_STEPS = 200
"""Steps of EM, which goes slowly where members are about as good; a step costs next to nothing."""
_LEAST_DENSITY = -1e6
"""Log density of a run under a member that predicts no number: worse than any that predicts one, and finite, so that
sums and differences stay numbers."""
_PRIOR_TRIALS = 1.0
"""Trials that the flat prior of the shares counts as: with a handful of trials no member goes without a share, with
many the data decide."""


class Stacked(JointModel):
    """A mixture of models with shares of its own for each metric, by its mean and covariance.

    The covariance between two metrics is ``sum_c sqrt(s_ci s_cj) (cov_c,ij + d_ci d_cj)`` with ``d`` the distance of a
    member's mean from the mixture's: positive semi-definite, and the mixture's own for every metric by itself.

    Args:
        members: The models.
        shares: ``c x m`` shares of the members, which sum to one for each metric.
        held_out: The mixture's predictions of trials by fits that have not seen them, where they are known.
    """

    def __init__(self, members: Sequence[JointModel], shares: Tensor, held_out: HeldOut | None = None) -> None:
        super().__init__()
        self.members, self.shares, self._held_out = tuple(members), shares, held_out

    @property
    def num_outputs(self) -> int:
        """Number of metrics."""
        return int(self.shares.shape[-1])

    @property
    def batch_shape(self) -> torch.Size:
        """Always empty."""
        return torch.Size()

    def moments(self, X: Tensor, noise: bool | Tensor = False) -> tuple[Tensor, Tensor]:
        """Mean and covariance of the mixture; a member whose shares are all zero is not evaluated.

        Shapes are those of :meth:`JointModel.moments`.
        """
        used = [i for i in range(len(self.members)) if self.shares[i].any()]
        each = [self.members[i].moments(X, noise) for i in used]
        return mixed([mean for mean, _ in each], [covariance for _, covariance in each], self.shares[used])

    def named_hyperparameters(self, metrics: Sequence[str]) -> list[Hyperparameter]:
        """What the members learnt, the number of a member before each name."""
        return [
            each._replace(name=f"{number}.{each.name}")
            for number, member in enumerate(self.members, 1)
            for each in member.named_hyperparameters(metrics)
        ]

    def leave_one_out(self) -> HeldOut | None:
        """The mixture of the members' predictions by refits in folds."""
        return self._held_out


def mixed(means: Sequence[Tensor], covariances: Sequence[Tensor], shares: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and covariance of a mixture whose shares differ by metric; see :class:`Stacked`.

    Args:
        means: For each member ``batch x q x m``.
        covariances: For each member ``batch x (m q) x (m q)``, the points of the first metric first.
        shares: ``c x m`` shares of the members, which sum to one for each metric.

    Returns:
        ``batch x q x m`` means and ``batch x (m q) x (m q)`` covariances.
    """
    q = means[0].shape[-2]
    each = torch.stack([mean.mT for mean in means])
    by_metric = shares.reshape(len(means), *[1] * (each.ndim - 3), -1, 1).expand(each.shape)
    mean, covariance = mixture_moments(each.flatten(-2), torch.stack(list(covariances)), by_metric.flatten(-2))
    return mean.reshape(*mean.shape[:-1], -1, q).mT, covariance


def fit(
    surrogates: Sequence[Surrogate],
    data: SupervisedDataset,
    *,
    context: FitContext,
    seed: int,
    folds: int,
    pick: bool,
) -> Model:
    """Fit every surrogate to all trials, and find the shares from refits in folds; see :class:`auto.Auto`.

    Equal shares below :data:`MIN_TRIALS` trials. A single surrogate is fitted and returned as it is.

    Raises:
        FitError: One of several surrogates returns no :class:`JointModel`.
    """
    models: list[Any] = [surrogate.fit(data, context=context, seed=seed) for surrogate in surrogates]
    for surrogate, model in zip(surrogates, models, strict=True):
        if not isinstance(model, JointModel) and len(models) > 1:
            raise FitError(
                f"{type(surrogate).__name__} returns no JointModel, which a mixture of surrogates is made of"
            )
    Y = data.Y.double()
    shares = torch.full((len(models), Y.shape[-1]), 1.0 / len(models), dtype=torch.float64)
    if len(models) == 1:
        only: Model = models[0]
        return only
    if len(data.X) < MIN_TRIALS:
        return Stacked(models, shares)
    held = [refitted(surrogate, data, context=context, seed=seed, folds=folds) for surrogate in surrogates]
    density = torch.stack([log_density(each, Y) for each in held])
    shares = picked(density) if pick else stacked(density)
    names = [type(surrogate).__name__ for surrogate in surrogates]
    logger.info("shares by held-out density: %s", dict(zip(names, shares.mean(dim=-1).tolist(), strict=True)))
    mean, covariance = mixed([each.mean.unsqueeze(-2) for each in held], [each.covariance for each in held], shares)
    return Stacked(models, shares, HeldOut(mean.squeeze(-2), covariance))


def log_density(held: HeldOut, Y: Tensor) -> Tensor:
    """Log density ``n x m`` of held-out values; zero where a trial lacks the metric."""
    variance = held.covariance.diagonal(dim1=-2, dim2=-1)
    density = -0.5 * ((Y - held.mean).square() / variance + variance.log() + math.log(2.0 * math.pi))
    # A member that predicts no number says nothing of the run; a run without the metric asks nothing.
    return torch.where(Y.isnan(), 0.0, density.nan_to_num(_LEAST_DENSITY, neginf=_LEAST_DENSITY))


def picked(density: Tensor) -> Tensor:
    """Shares ``c x m``: one for the member of the highest sum over trials and metrics.

    Args:
        density: ``c x n x m`` held-out log densities.
    """
    shares = torch.zeros_like(density[:, 0])
    shares[density.sum(dim=(-2, -1)).argmax()] = 1.0
    return shares


def stacked(density: Tensor) -> Tensor:
    """Shares ``c x m`` under which the held-out values of each metric are most likely [Yao2018]_, by EM.

    A handful of trials does not justify a share of zero: the shares have a flat Dirichlet prior of
    one trial, spread over the members.

    Args:
        density: ``c x n x m`` held-out log densities.
    """
    likelihood = (density - density.amax(dim=0)).exp()
    count, n = density.shape[:2]
    shares = torch.full_like(density[:, 0], 1.0 / count)
    for _ in range(_STEPS):
        joint = shares.unsqueeze(1) * likelihood
        belief = (joint / joint.sum(dim=0)).sum(dim=1)
        shares = (belief + _PRIOR_TRIALS / count) / (n + _PRIOR_TRIALS)
    return shares
