"""A surrogate across scales that is as simple as can be: every scale is the target's function and an offset."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

import torch
from botorch.utils.datasets import SupervisedDataset

from bomix.surrogates.gp.spec import GP
from bomix.surrogates.models.scales import MultiScaleModel

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.contracts.context import FitContext
    from bomix.scale import Scale
    from bomix.surrogates.models.joint import JointModel

GIVEN: list[FitContext] = []
"""The contexts that fits were given, the last one last."""


@dataclasses.dataclass(frozen=True)
class Offsets:
    """A Gaussian process of all runs, those of each scale moved by the difference of the means."""

    differentiable: ClassVar[bool] = True
    across_scales: ClassVar[bool] = True

    def fit(self, data: SupervisedDataset, *, context: FitContext, seed: int) -> JointModel:
        GIVEN.append(context)
        plain = GP(draws=0)
        target = context.target
        if target is None:
            return plain.fit(data, context=context, seed=seed)  # type: ignore[return-value]
        scales = [scale or target for scale in context.scales]
        rows = {scale: torch.tensor([each == scale for each in scales]) for scale in {*scales, target}}
        most = max(rows, key=lambda scale: int(rows[scale].sum()))
        at = rows[most]
        base = plain.fit(_rows(data, at), context=dataclasses.replace(context, trials=(), scales=()), seed=seed)
        mean = base.posterior(data.X).mean.detach()
        above = {scale: (data.Y - mean)[own].nanmean(dim=0).nan_to_num() for scale, own in rows.items()}
        offsets = {scale: each - above[target] for scale, each in above.items()}
        Y = torch.stack([values - offsets[scale] for values, scale in zip(data.Y, scales, strict=True)])
        moved = SupervisedDataset(data.X, Y, feature_names=data.feature_names, outcome_names=data.outcome_names)
        return OffsetModel(plain.fit(moved, context=context, seed=seed), target, offsets, target)  # type: ignore[arg-type]


def _rows(data: SupervisedDataset, at: Tensor) -> SupervisedDataset:
    names = {"feature_names": data.feature_names, "outcome_names": data.outcome_names}
    return SupervisedDataset(data.X[at], data.Y[at], **names)


class OffsetModel(MultiScaleModel):
    """The model of :class:`Offsets` at one of its scales."""

    def __init__(self, model: JointModel, target: Scale, offsets: dict[Scale, Tensor], place: Scale) -> None:
        super().__init__()
        self.model, self.target, self.offsets, self.place = model, target, offsets, place
        self.scales = tuple(sorted(offsets, key=lambda each: each.flops or 0.0))

    @property
    def num_outputs(self) -> int:
        return self.model.num_outputs

    @property
    def batch_shape(self) -> torch.Size:
        return self.model.batch_shape

    def moments(self, X: Tensor, noise: bool | Tensor = False) -> tuple[Tensor, Tensor]:
        mean, covariance = self.model.moments(X, noise)
        return mean + self.offsets[self.place], covariance

    def at(self, scale: Scale) -> JointModel:
        return OffsetModel(self.model, self.target, self.offsets, scale)

    def across(self, X: Tensor, Z: Tensor, scale: Scale) -> Tensor:
        _, joint = self.model.moments(torch.cat([X, Z], dim=-2))
        q, m = X.shape[-2], self.num_outputs
        blocks = joint.unflatten(-1, (m, -1)).unflatten(-3, (m, -1))
        return blocks[..., :q, :, q:].flatten(-4, -3).flatten(-2, -1)
