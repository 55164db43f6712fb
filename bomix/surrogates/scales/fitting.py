"""From runs of several scales to a model of them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from bomix.errors import FitError
from bomix.numerics.determinism import deterministic
from bomix.surrogates.cross_validation.held_out import part
from bomix.surrogates.data.standardize import standardisation
from bomix.surrogates.gp.hyperparameters import DRAWS_UP_TO
from bomix.surrogates.gp.presets import QUICK
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.models.joint import JointModel
from bomix.surrogates.scales import hyperparameters, pooled
from bomix.surrogates.scales.discrepancy import Discrepancy
from bomix.surrogates.scales.levels import chain
from bomix.surrogates.scales.linked import Linked, at_runs
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


def fit(
    surrogate: Surrogate, data: SupervisedDataset, *, context: FitContext, seed: int, integrated: bool = True
) -> MultiScaleModel:
    """Fit the surrogate to the smallest scale, and the links to the others; then average with the target's runs alone.

    Args:
        surrogate: The surrogate of the smallest scale.
        data: ``X`` is ``n x d``, ``Y`` ``n x m``, NaN where a run lacks a metric.
        context: The names behind the columns, the scale of each row and the target.
        seed: Seed of the surrogate.
        integrated: Whether several points stand for the posterior of the links' hyperparameters, or their mean.

    Raises:
        FitError: The surrogate's model is not one of bomix's own.
    """
    assert context.target is not None
    scales: Sequence[Scale | None] = context.scales or [None] * len(data.X)
    X, Y = data.X.double(), data.Y.double()
    levels = chain(scales, context.target, ~Y.isnan().all(dim=-1))
    keep = torch.zeros(len(X), dtype=torch.bool)
    keep[levels[0].rows] = True
    known, names = part(data, context, keep)
    base = _economical(surrogate, len(known.X)).fit(known, context=replace(names, target=None), seed=seed)
    if not isinstance(base, JointModel):
        raise FitError(
            f"{type(surrogate).__name__} returns no JointModel, which scales could be linked to; take another"
        )
    with deterministic(), torch.no_grad():
        linked = _linked(base, levels, X, Y, context, integrated)
        number = next(i for i, level in enumerate(levels) if level.scale == context.target)
        model = LinkedModel(linked, number, len(X))
    if number == 0:
        return model
    return pooled.fit(model, surrogate, data, levels[number].rows, context=context, seed=seed)


def _economical(surrogate: Surrogate, n: int) -> Surrogate:
    """The surrogate of ``n`` small runs: where no hyperparameters are drawn, they are found once for nearly as many."""
    if not isinstance(surrogate, GP) or surrogate.draws is not None or n <= DRAWS_UP_TO:
        return surrogate
    return replace(surrogate, draws=0, restarts=1, growth=QUICK.growth)


def _linked(
    base: JointModel, levels: Sequence[Level], X: Tensor, Y: Tensor, context: FitContext, integrated: bool
) -> Linked:
    """The links between the scales."""
    offset, unit = standardisation(Y[levels[0].rows])
    rows = torch.cat([level.rows for level in levels[1:]]) if len(levels) > 1 else torch.zeros(0, dtype=torch.long)
    Z, targets = X[rows], ((Y[rows] - offset) / unit).mT
    mean, covariance = at_runs(base.towards(Z), Z, offset, unit)
    steps = steps_of(levels, targets, mean, offset / unit)
    discrepancy = Discrepancy(context, base)
    noise = _noise(base, unit, X[levels[0].rows][:_SOME])

    def log_density(theta: Tensor) -> Tensor:
        links = hyperparameters.links(theta, discrepancy.typical, noise)
        across = discrepancy(links.lengthscale, Z, Z)
        _, density = conditioned(steps, mean, covariance, across, links)
        return hyperparameters.temper(len(unit)) * density.sum(dim=-1)

    found = hyperparameters.posterior(log_density, told=bool((~targets.isnan()).any()), middle=not integrated)
    links = hyperparameters.links(found.theta, discrepancy.typical, noise)
    return Linked(tuple(levels), base, offset, unit, discrepancy, found, links, tuple(steps), Z)


def _noise(base: JointModel, unit: Tensor, X: Tensor) -> Tensor:
    """Standard deviations ``m`` of a run's noise at the first scale, in units."""
    parts = [base.moments(X.unsqueeze(-2), noise)[1].diagonal(dim1=-2, dim2=-1) for noise in (True, False)]
    variance = (parts[0] - parts[1]).mean(dim=0) / unit.square()
    return variance.clamp_min(0.0).sqrt().clamp_min(_LEAST_NOISE)
