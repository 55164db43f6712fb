"""From runs of several scales to a model of them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import torch

from bomix.errors import FitError
from bomix.numerics.determinism import deterministic
from bomix.surrogates.cross_validation.held_out import part
from bomix.surrogates.data.standardize import standardisation
from bomix.surrogates.models.joint import JointModel
from bomix.surrogates.scales import hyperparameters, pooled
from bomix.surrogates.scales.discrepancy import Discrepancy
from bomix.surrogates.scales.economical import economical
from bomix.surrogates.scales.from_first import at_runs
from bomix.surrogates.scales.levels import chain
from bomix.surrogates.scales.linked import Linked
from bomix.surrogates.scales.links import conditioned
from bomix.surrogates.scales.model import LinkedModel
from bomix.surrogates.scales.steps import steps_of

if TYPE_CHECKING:
    from botorch.utils.datasets import SupervisedDataset
    from torch import Tensor

    from bomix.contracts.context import FitContext
    from bomix.contracts.surrogate import Surrogate
    from bomix.scale import Scale
    from bomix.surrogates.models.scales import MultiScaleModel
    from bomix.surrogates.scales.levels import Level

_SOME = 16
"""Mixtures over which noise is averaged, for models whose noise depends on the mixture."""
_LEAST_NOISE = 0.01
"""Standard deviation of a run's noise at least, in units: a surrogate may think that there is none."""


class Start(NamedTuple):
    """The chain of scales, and the model of the first.

    Attributes:
        levels: The scales, the one that is modelled by itself first.
        base: The model of its runs.
        X: ``n x d`` mixtures of all runs.
        Y: ``n x m`` metrics, NaN where missing.
        number: Number of the target in the chain.
    """

    levels: list[Level]
    base: JointModel
    X: Tensor
    Y: Tensor
    number: int

    @property
    def units(self) -> tuple[Tensor, Tensor]:
        """``m`` means and ``m`` standard deviations of the metrics at the first scale."""
        return standardisation(self.Y[self.levels[0].rows])

    @property
    def later(self) -> Tensor:
        """Positions of the runs of all scales but the first, in the order of the chain."""
        rows = [level.rows for level in self.levels[1:]]
        return torch.cat(rows) if rows else torch.zeros(0, dtype=torch.long)

    def serves(self, known: SupervisedDataset) -> bool:
        """Whether the first scale's model learnt from the same runs, in the same order."""
        rows = self.levels[0].rows
        same = torch.equal(self.X[rows], known.X.double())
        return same and torch.equal(self.Y[rows].nan_to_num(torch.inf), known.Y.double().nan_to_num(torch.inf))


def start(
    surrogate: Surrogate, data: SupervisedDataset, *, context: FitContext, seed: int, before: Start | None = None
) -> Start:
    """Order the scales, and fit the surrogate to the runs of the first; arguments as those of :func:`fit`.

    Args:
        surrogate: The surrogate of the smallest scale.
        data: The runs of all scales.
        context: The names behind the columns.
        seed: Seed of the surrogate.
        before: A start of the same surrogate whose model serves again where the runs of the first scale are the same.
    """
    assert context.target is not None
    scales: Sequence[Scale | None] = context.scales or [None] * len(data.X)
    X, Y = data.X.double(), data.Y.double()
    levels = chain(scales, context.target, ~Y.isnan().all(dim=-1))
    number = next(i for i, level in enumerate(levels) if level.scale == context.target)
    keep = torch.zeros(len(X), dtype=torch.bool)
    keep[levels[0].rows] = True
    known, names = part(data, context, keep)
    if before is not None and before.serves(known):
        return Start(levels, before.base, X, Y, number)
    base = economical(surrogate, len(known.X)).fit(known, context=replace(names, target=None), seed=seed)
    if not isinstance(base, JointModel):
        raise FitError(
            f"{type(surrogate).__name__} returns no JointModel, which scales could be linked to; take another"
        )
    return Start(levels, base, X, Y, number)


def fit(
    surrogate: Surrogate,
    data: SupervisedDataset,
    *,
    context: FitContext,
    seed: int,
    integrated: bool = True,
    before: Start | None = None,
) -> MultiScaleModel:
    """Fit the surrogate to the smallest scale, and the links to the others; then average with the target's runs alone.

    Args:
        surrogate: The surrogate of the smallest scale.
        data: ``X`` is ``n x d``, ``Y`` ``n x m``, NaN where a run lacks a metric.
        context: The names behind the columns, the scale of each row and the target.
        seed: Seed of the surrogate.
        integrated: Whether several points stand for the posterior of the links' hyperparameters, or their mean.
        before: A start of the same surrogate, see :func:`start`.

    Raises:
        FitError: The surrogate's model is not one of bomix's own.
    """
    begun = start(surrogate, data, context=context, seed=seed, before=before)
    with deterministic(), torch.no_grad():
        model = LinkedModel(_linked(begun, context, integrated), begun.number, len(begun.X))
    if begun.number == 0:
        return model
    return pooled.fit(model, surrogate, data, begun.levels[begun.number].rows, context=context, seed=seed)


def _linked(begun: Start, context: FitContext, integrated: bool) -> Linked:
    """The links between the scales."""
    X, levels, base = begun.X, begun.levels, begun.base
    offset, unit = begun.units
    rows = begun.later
    Z, targets = X[rows], ((begun.Y[rows] - offset) / unit).mT
    mean, covariance = at_runs(base.towards(Z), Z, offset, unit)
    steps = steps_of(levels, targets, mean, offset / unit)
    discrepancy = Discrepancy(context, base)
    noise = noise_of(base, unit, X[levels[0].rows])

    def log_density(theta: Tensor) -> Tensor:
        links = hyperparameters.links(theta, discrepancy.typical, noise)
        across = discrepancy(links.lengthscale, Z, Z)
        _, density = conditioned(steps, mean, covariance, across, links)
        return hyperparameters.temper(len(unit)) * density.sum(dim=-1)

    found = hyperparameters.posterior(log_density, told=bool((~targets.isnan()).any()), middle=not integrated)
    links = hyperparameters.links(found.theta, discrepancy.typical, noise)
    return Linked(tuple(levels), base, offset, unit, discrepancy, found, Z, links, tuple(steps))


def noise_of(base: JointModel, unit: Tensor, X: Tensor) -> Tensor:
    """Standard deviations ``m`` of a run's noise at the first scale, in units, over some of its ``n x d`` mixtures."""
    some = (X[:_SOME] if len(X) else X.new_full((1, X.shape[-1]), 1.0 / X.shape[-1])).unsqueeze(-2)
    parts = [base.moments(some, noise)[1].diagonal(dim1=-2, dim2=-1) for noise in (True, False)]
    variance = (parts[0] - parts[1]).mean(dim=0) / unit.square()
    return variance.clamp_min(0.0).sqrt().clamp_min(_LEAST_NOISE)
