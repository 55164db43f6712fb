"""A model of the mixture and the sizes of a run, as a model across scales."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from bomix.surrogates.models.scales import MultiScaleModel
from bomix.surrogates.scales.sizes import DECADE

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.scale import Scale
    from bomix.surrogates.models.hyperparameter import Hyperparameter
    from bomix.surrogates.models.joint import HeldOut, JointModel
    from bomix.surrogates.scales.sizes import Sizes


class SizedModel(MultiScaleModel):
    """A model whose rows are weights and two numbers of the scale, asked at one scale.

    Args:
        model: A model of ``batch x q x (d + 2)`` rows.
        sizes: How scales become the last two columns.
        target: The scale that moments are of.
        scales: Every scale of the study.
        seen: Scale with runs to what standard deviations are multiplied by there. Elsewhere it is that of the nearest
            smaller one, and grows: variances are twice as large a decade of FLOPs further.
    """

    def __init__(
        self, model: JointModel, sizes: Sizes, target: Scale, scales: Sequence[Scale], seen: Mapping[Scale, float]
    ) -> None:
        super().__init__()
        self.model, self._sizes, self.target, self._seen = model, sizes, target, dict(seen)
        self.scales = tuple(scales)

    @property
    def num_outputs(self) -> int:
        """Number of metrics."""
        return int(self.model.num_outputs)

    @property
    def batch_shape(self) -> torch.Size:
        """Always empty."""
        return torch.Size()

    def moments(self, X: Tensor, noise: bool | Tensor = False) -> tuple[Tensor, Tensor]:
        """Moments at the target, as of :meth:`JointModel.moments`."""
        mean, covariance = self.model.moments(self._rows(X, self.target), noise)
        return mean, covariance * self.stretch**2

    def mean(self, X: Tensor) -> Tensor:
        """The means alone, ``batch x q x m``."""
        return self.model.mean(self._rows(X, self.target))

    @property
    def stretch(self) -> float:
        """What standard deviations are multiplied by at the target."""
        if self.target in self._seen or not self._seen:
            return self._seen.get(self.target, 1.0)
        here = float(self._sizes.at(self.target).sum())
        beyond = {scale: here - float(self._sizes.at(scale).sum()) for scale in self._seen}
        below = {scale: distance for scale, distance in beyond.items() if distance >= 0.0} or beyond
        nearest = min(below, key=lambda scale: abs(below[scale]))
        return self._seen[nearest] * math.sqrt(1.0 + abs(below[nearest]) / DECADE)

    def at(self, scale: Scale) -> SizedModel:
        """The belief at another scale; see :class:`MultiScaleModel`."""
        if scale == self.target:
            return self
        return SizedModel(self.model, self._sizes, scale, tuple(dict.fromkeys((*self.scales, scale))), self._seen)

    def across(self, X: Tensor, Z: Tensor, scale: Scale) -> Tensor:
        """Covariance with another scale; see :class:`MultiScaleModel`."""
        q, p, m = X.shape[-2], Z.shape[-2], self.num_outputs
        rows = torch.cat([self._rows(X, self.target), self._rows(Z, scale)], dim=-2)
        # Errors that distinct mixtures do not share are not shared by runs of two scales, or of one mixture twice.
        joint = self.model.moments(rows)[1] * (self.stretch * self.at(scale).stretch)
        blocks: Tensor = joint.unflatten(-1, (m, q + p)).unflatten(-3, (m, q + p))  # type: ignore[no-untyped-call]
        return blocks[..., :q, :, q:].reshape(*joint.shape[:-2], m * q, m * p)

    def leave_one_out(self) -> HeldOut | None:
        """Each run predicted from the others, at its own scale."""
        return self.model.leave_one_out()

    def named_hyperparameters(self, metrics: Sequence[str]) -> list[Hyperparameter]:
        """What the model learnt."""
        return self.model.named_hyperparameters(metrics)

    def _rows(self, X: Tensor, scale: Scale) -> Tensor:
        """``batch x q x (d + 2)`` rows of ``batch x q x d`` weights at a scale."""
        return torch.cat([X, self._sizes.at(scale).to(X).expand(*X.shape[:-1], 2)], dim=-1)
