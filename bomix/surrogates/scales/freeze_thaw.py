"""From runs of many scales and checkpoints to a model of them all, by a decay over parameters and tokens."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from bomix.numerics.determinism import deterministic
from bomix.surrogates.scales import hyperparameters, pooled
from bomix.surrogates.scales.discrepancy import Discrepancy
from bomix.surrogates.scales.fitting import noise_of, start
from bomix.surrogates.scales.frozen import Runs
from bomix.surrogates.scales.model import LinkedModel
from bomix.surrogates.scales.sizes import sizes_of
from bomix.surrogates.scales.thawed import MEAN, SD, Thawed

if TYPE_CHECKING:
    from botorch.utils.datasets import SupervisedDataset
    from torch import Tensor

    from bomix.contracts.context import FitContext
    from bomix.contracts.surrogate import Surrogate
    from bomix.surrogates.models.scales import MultiScaleModel
    from bomix.surrogates.scales.fitting import Start


def fit(
    surrogate: Surrogate, data: SupervisedDataset, *, context: FitContext, seed: int, before: Start | None = None
) -> MultiScaleModel:
    """Fit the surrogate to the first scale, and the decay to the runs of all others together.

    Args:
        surrogate: The surrogate of the smallest scale.
        data: ``X`` is ``n x d``, ``Y`` ``n x m``, NaN where a run lacks a metric.
        context: The names behind the columns, scale and training of each row, and the target.
        seed: Seed of the surrogate.
        before: A start of the same surrogate, see :func:`~bomix.surrogates.scales.fitting.start`.

    Raises:
        FitError: The surrogate's model is not one of bomix's own; or scales differ in what sizes do not say.
    """
    scales = [scale for scale in context.scales if scale is not None]
    sizes_of([context.target, *scales] if context.target else scales, largest=False, name="freeze_thaw")
    begun = start(surrogate, data, context=context, seed=seed, before=before)
    with deterministic(), torch.no_grad():
        model = LinkedModel(_thawed(begun, context), begun.number, len(begun.X))
    if begun.number == 0:
        return model
    return pooled.fit(model, surrogate, data, begun.levels[begun.number].rows, context=context, seed=seed)


def _thawed(begun: Start, context: FitContext) -> Thawed:
    """The first scale's model and the runs of all others."""
    offset, unit = begun.units
    levels, rows, base = tuple(begun.levels), begun.later, begun.base
    sizes = sizes_of([level.scale for level in levels], largest=False, name="freeze_thaw")
    Z, targets = begun.X[rows], ((begun.Y[rows] - offset) / unit).mT
    at = sizes.of_rows([level.scale for level in levels[1:] for _ in level.rows])
    training, first = _trainings(begun, context)
    runs = Runs(
        at, sizes.at(levels[0].scale).unsqueeze(0), targets, ((first - offset) / unit).mT, training, offset / unit
    )
    noise = noise_of(base, unit, begun.X[levels[0].rows])
    prior = hyperparameters.Posterior(torch.tensor([MEAN], dtype=torch.float64), torch.ones(1, dtype=torch.float64))
    thawed = Thawed(levels, base, offset, unit, Discrepancy(context, base), prior, Z, runs, sizes, noise)
    moments = thawed.runs_start()

    def log_density(theta: Tensor) -> Tensor:
        return hyperparameters.temper(len(unit)) * thawed.given(theta, *moments).density.sum(dim=-1)

    told = bool((~targets.isnan()).any())
    found = hyperparameters.posterior(log_density, told=told, middle=True, prior=(MEAN, SD))
    return replace(thawed, posterior=found)


def _trainings(begun: Start, context: FitContext) -> tuple[Tensor, Tensor]:
    """``p`` numbers of the trainings of later runs, and ``p x m`` metrics of the same trainings at the first scale."""
    number = torch.tensor(context.runs or tuple(range(len(begun.X))), dtype=torch.long)
    at_first = {int(number[row]): row for row in begun.levels[0].rows.tolist()}
    found = begun.Y.new_full((len(begun.later), begun.Y.shape[-1]), torch.nan)
    for position, row in enumerate(begun.later.tolist()):
        if int(number[row]) in at_first:
            found[position] = begun.Y[at_first[int(number[row])]]
    return number[begun.later], found
