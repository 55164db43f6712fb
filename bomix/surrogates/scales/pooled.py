"""A model across scales, averaged with one of the target's runs alone: their errors are not the same.

Small runs leave a discrepancy that few large ones tell, and a surrogate of the large ones alone lacks runs. With
held-out errors of variances ``v`` and ``u`` and covariance ``c``, the average ``a f + (1 - a) g`` has the least
variance at ``a = (u - c) / (v + u - 2 c)`` [Bates1969]_.

References:
    [Bates1969] The combination of forecasts.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import torch

from bomix.numerics import repeats
from bomix.numerics.constants import TINY
from bomix.space.weights import SAME_MIXTURE
from bomix.surrogates.cross_validation.held_out import part
from bomix.surrogates.data.refit_schedule import size_of_fit
from bomix.surrogates.gp.refitted import refitted_at_once
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.models.joint import HeldOut, JointModel
from bomix.surrogates.models.scales import MultiScaleModel

if TYPE_CHECKING:
    from botorch.utils.datasets import SupervisedDataset
    from torch import Tensor

    from bomix.contracts.context import FitContext
    from bomix.contracts.surrogate import Surrogate
    from bomix.scale import Scale
    from bomix.surrogates.models.hyperparameter import Hyperparameter
    from bomix.surrogates.scales.model import LinkedModel

logger = logging.getLogger(__name__)

LEAST_RUNS = 4
"""Mixtures run at the target from which on its runs are also modelled alone: left-out errors of fewer say nothing.
On synthetic functions with 4 large runs, seeds 0-4, ranks of the mean rose from 45 to 60 at an agreement of 0.3 and
from 86 to 87 at 0.8, and stayed at 97 at 0.95."""
_ENOUGH = 8
"""Runs of the target up to which all are left out in folds, whatever the growth of the surrogate: each counts."""
FOLDS = 5
"""Folds in which the surrogate of the target's runs alone is refitted: closed forms hold hyperparameters fixed and make
errors of few runs two to three times too small."""
PRIOR_SHARE = 0.6
"""Share of the model across scales that is expected: between the best ones on synthetic and public tables."""
PRIOR_RUNS = 3.0
"""Runs that the expectation counts as, the logarithms of the odds averaged: many metrics tell a share from few runs."""
_MOST_COMMON = 0.9
"""Correlation of both errors at most: shares are then still between zero and one."""
_NEGLIGIBLE = 0.05
"""Share below which a member is left out."""


class Pool(NamedTuple):
    """How both models are averaged.

    Attributes:
        share: Share of the model across scales.
        common: Correlation of the errors of both.
        stretch: What the standard deviations of the target's model are multiplied by.
        held: ``n x m`` means of the runs that were held out, by that model.
    """

    share: float
    common: float
    stretch: float
    held: Tensor


def fit(
    linked: LinkedModel,
    surrogate: Surrogate,
    data: SupervisedDataset,
    rows: Tensor,
    *,
    context: FitContext,
    seed: int,
) -> MultiScaleModel:
    """The average of a model across scales with a surrogate of the target's runs alone; the former where these are few.

    Args:
        linked: The model across scales.
        surrogate: The surrogate.
        data: The runs of all scales.
        rows: Positions of those of the target.
        context: The names behind the columns.
        seed: Seed of the surrogate.
    """
    rows = rows[~data.Y[rows].isnan().all(dim=-1)]
    mixtures = len(set(repeats.number(data.X[rows].double().numpy(), tolerance=SAME_MIXTURE).tolist()))
    across = linked.leave_one_out() if mixtures >= LEAST_RUNS else None
    if across is None:
        return linked
    # Held-out errors of the first runs serve for some more, as hyperparameters do.
    growth = surrogate.growth if isinstance(surrogate, GP) else 0.0
    first = rows[: max(_ENOUGH, size_of_fit(len(rows), growth))]
    known, names = _part(data, context, first)
    held = refitted_at_once(_quick(surrogate), known, context=names, seed=seed, folds=FOLDS)
    pool = pooled(HeldOut(across.mean[first], across.covariance[first]), held, known.Y.double())
    logger.info(
        "multi_scale: of what is believed at the target %.0f %% comes from all scales, the rest from its %d runs "
        "alone, by held-out errors",
        100.0 * pool.share,
        len(rows),
    )
    if pool.share > 1.0 - _NEGLIGIBLE:
        linked.share = pool.share
        return linked
    known, names = _part(data, context, rows)
    alone = surrogate.fit(known, context=names, seed=seed)
    assert isinstance(alone, JointModel)  # the same surrogate modelled the first scale
    return PooledModel(linked, alone, pool, first)


def _part(data: SupervisedDataset, context: FitContext, rows: Tensor) -> tuple[SupervisedDataset, FitContext]:
    """Some of the runs, as runs of one scale."""
    keep = torch.zeros(len(data.X), dtype=torch.bool)
    keep[rows] = True
    known, names = part(data, context, keep)
    return known, replace(names, target=None)


def _quick(surrogate: Surrogate) -> Surrogate:
    """The surrogate without draws of hyperparameters, which folds would take several times: shares need means alone.

    Metrics that nearly share theirs share them altogether: that takes half of the time.
    """
    if not isinstance(surrogate, GP):
        return surrogate
    return replace(surrogate, draws=0, restarts=1, pooling=None if surrogate.pooling is None else 0.0)


def pooled(first: HeldOut, second: HeldOut, Y: Tensor) -> Pool:
    """How to average two models, from their held-out predictions of ``n x m`` metrics.

    Errors of single metrics and of their mean count for one half each: what metrics have in common is most of an error
    of the first, and the second's errors average away. Negative correlations are taken for none.
    """
    one, other = Y - first.mean, Y - second.mean
    unit = first.covariance.diagonal(dim1=-2, dim2=-1).sqrt().mean(dim=0)
    single = _products(one / unit, other / unit)
    complete = ~Y.isnan().any(dim=-1)
    whole = _products(one[complete].mean(dim=-1), other[complete].mean(dim=-1)) if complete.any() else single
    v, u, c = (0.5 * (a / single[0] + b / whole[0]) for a, b in zip(single, whole, strict=True))
    common = float((c / (v * u).sqrt()).clamp(0.0, _MOST_COMMON))
    c = common * (v * u).sqrt()
    best = ((u - c) / (v + u - 2.0 * c)).clamp(_NEGLIGIBLE / 2.0, 1.0 - _NEGLIGIBLE / 2.0)
    n, expected = len(Y), best.new_tensor(PRIOR_SHARE)
    share = float(((n * best.logit() + PRIOR_RUNS * expected.logit()) / (n + PRIOR_RUNS)).sigmoid())
    surprise = (Y - second.mean).square() / second.covariance.diagonal(dim1=-2, dim2=-1)
    stretch = float(((n * torch.nanmean(surprise) + PRIOR_RUNS) / (n + PRIOR_RUNS)).sqrt())
    return Pool(share, common, max(1.0, stretch), second.mean)


def _products(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean squares of two arrays of errors, NaN left out, and their mean product."""
    v, u, c = (torch.nanmean(product) for product in (one.square(), other.square(), one * other))
    return v.clamp_min(TINY), u.clamp_min(TINY), c


class PooledModel(MultiScaleModel):
    """The average; at other scales than the target the model across scales alone.

    Args:
        linked: The model across scales.
        alone: The model of the target's runs.
        pool: How they are averaged.
        rows: Positions of the runs that were held out.
    """

    def __init__(self, linked: LinkedModel, alone: JointModel, pool: Pool, rows: Tensor) -> None:
        super().__init__()
        self.linked, self.alone, self.pool, self._rows = linked, alone, pool, rows
        self.target, self.scales, self.share = linked.target, linked.scales, pool.share

    @property
    def num_outputs(self) -> int:
        """Number of metrics."""
        return self.linked.num_outputs

    @property
    def batch_shape(self) -> torch.Size:
        """Always empty."""
        return torch.Size()

    def mean(self, X: Tensor) -> Tensor:
        """The means alone, ``batch x q x m``."""
        return self.pool.share * self.linked.mean(X) + (1.0 - self.pool.share) * self.alone.mean(X)

    def moments(self, X: Tensor, noise: bool | Tensor = False) -> tuple[Tensor, Tensor]:
        """Moments at the target, as of :meth:`JointModel.moments`."""
        (mean, covariance), (other, alone) = self.linked.moments(X, noise), self.alone.moments(X, noise)
        share = self.pool.share
        return share * mean + (1.0 - share) * other, self._covariance(covariance, alone)

    def _covariance(self, linked: Tensor, alone: Tensor) -> Tensor:
        """Covariance of the average: each metric's errors in both models correlate by the same number at a mixture.

        That is in the variances; the correlations are those of errors that have nothing in common. So every entry
        rests on its own two points alone, whatever others there are and in which order.
        """
        share, rest = self.pool.share, (1.0 - self.pool.share) * self.pool.stretch
        independent = share**2 * linked + rest**2 * alone
        variances = (part.diagonal(dim1=-2, dim2=-1).clamp_min(TINY) for part in (linked, alone))
        one, other = (variance.sqrt() for variance in variances)
        together = 2.0 * self.pool.common * share * rest * one * other
        stretch = (1.0 + together / ((share * one).square() + (rest * other).square())).sqrt()
        return independent * stretch.unsqueeze(-2) * stretch.unsqueeze(-1)

    def at(self, scale: Scale) -> JointModel:
        """The belief at another scale; see :class:`MultiScaleModel`."""
        return self if scale == self.target else self.linked.at(scale)

    def across(self, X: Tensor, Z: Tensor, scale: Scale) -> Tensor:
        """Covariance with another scale, of which the target's runs alone say nothing; see :class:`MultiScaleModel`."""
        if scale != self.target:
            return self.pool.share * self.linked.across(X, Z, scale)
        q, p, m = X.shape[-2], Z.shape[-2], self.num_outputs
        _, joint = self.moments(torch.cat([X, Z], dim=-2))
        blocks: Tensor = joint.unflatten(-1, (m, q + p)).unflatten(-3, (m, q + p))  # type: ignore[no-untyped-call]
        return blocks[..., :q, :, q:].reshape(*joint.shape[:-2], m * q, m * p)

    def leave_one_out(self) -> HeldOut | None:
        """Each run predicted at its own scale from others, those of the target also by refits in folds."""
        held = self.linked.leave_one_out()
        if held is None:
            return None
        mean = held.mean.clone()
        mean[self._rows] = self.pool.share * mean[self._rows] + (1.0 - self.pool.share) * self.pool.held
        return HeldOut(mean, held.covariance)

    def named_hyperparameters(self, metrics: Sequence[str]) -> list[Hyperparameter]:
        """What the model across scales learnt."""
        return self.linked.named_hyperparameters(metrics)
