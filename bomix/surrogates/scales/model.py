"""A model of metrics across scales: what the smallest scale's surrogate says, and links from each scale to the next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from bomix.surrogates.cross_validation.correlation import joint_covariance, shrunk_correlation
from bomix.surrogates.gp.independent import factors
from bomix.surrogates.models.hyperparameter import Hyperparameter
from bomix.surrogates.models.joint import HeldOut, JointModel
from bomix.surrogates.models.scales import MultiScaleModel
from bomix.surrogates.scales import hyperparameters

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.scale import Scale
    from bomix.surrogates.scales.linked import Linked
    from bomix.surrogates.scales.thawed import Thawed

_PRIOR_TRIALS = 8.0
"""Large runs that the prior correlation of metrics counts as, and their prior spread: an estimate from eight runs has
a standard error of a third, about what the prior's guess is off by."""


class LinkedModel(MultiScaleModel):
    """Every metric at the target, given the runs of all scales.

    The metrics are conditioned one by one; what their errors have in common comes from left-out runs of the larger
    scales, drawn to a common correlation of :data:`~bomix.surrogates.scales.hyperparameters.COMMON`.

    Args:
        linked: Scales, surrogate, and links or a decay over scales.
        number: Number of the scale that moments are of.
        rows: How many runs of all scales it was given.
    """

    def __init__(self, linked: Linked | Thawed, number: int, rows: int) -> None:
        super().__init__()
        self._linked, self._number, self._rows = linked, number, rows
        self._more: dict[Scale, LinkedModel] = {}
        self.target = linked.levels[number].scale
        self.scales = tuple(level.scale for level in linked.levels)
        z = [_surprise(linked, each) for each in range(1, len(linked.levels)) if len(linked.levels[each].rows)]
        m = self.num_outputs
        surprises = torch.cat(z, dim=-1) if z else torch.zeros(m, 0, dtype=torch.float64)
        self.correlation = common_correlation(surprises)
        count = (~surprises.isnan()).sum(dim=-1)
        squares = surprises.nan_to_num(0.0).square().sum(dim=-1)
        freedom = _PRIOR_TRIALS + count
        # A spread that is known from few runs makes a Student's t, of a larger variance.
        self.stretch = ((_PRIOR_TRIALS + squares) / (freedom - 2.0)).sqrt()

    @property
    def num_outputs(self) -> int:
        """Number of metrics."""
        return len(self._linked.unit)

    @property
    def batch_shape(self) -> torch.Size:
        """Always empty."""
        return torch.Size()

    def moments(self, X: Tensor, noise: bool | Tensor = False) -> tuple[Tensor, Tensor]:
        """Moments at the target, as of :meth:`JointModel.moments`."""
        return self.moments_at(X, self._number, noise is True)

    def mean(self, X: Tensor) -> Tensor:
        """The means alone, ``batch x q x m``."""
        return self.mean_of(X, self._number)

    def mean_of(self, X: Tensor, number: int) -> Tensor:
        """The means alone at the scale of a number, ``batch x q x m``."""
        return self._linked.means(X.reshape(-1, X.shape[-1]), number).reshape(*X.shape[:-1], self.num_outputs)

    def moments_at(self, X: Tensor, number: int, noise: bool) -> tuple[Tensor, Tensor]:
        """Moments at the scale of a number."""
        linked, q = self._linked, X.shape[-2]
        mean, covariance = linked.marginals(X, [number])
        if noise:
            covariance = covariance + torch.diag_embed(linked.noise(X, number))
        units = (linked.unit * self._stretch_at(number)).repeat_interleave(q)
        joint = joint_covariance(factors(covariance), self.correlation) * units * units.unsqueeze(-1)
        return linked.offset + linked.unit * mean.mT, joint

    def at(self, scale: Scale) -> JointModel:
        """The belief at another scale; see :class:`MultiScaleModel`."""
        if scale not in self.scales:
            return self._with_scale(scale).at(scale)
        number = self.scales.index(scale)
        return self if number == self._number else _AtScale(self, number)

    def across(self, X: Tensor, Z: Tensor, scale: Scale) -> Tensor:
        """Covariance with another scale; see :class:`MultiScaleModel`."""
        if scale not in self.scales:
            return self._with_scale(scale).across(X, Z, scale)
        number, q, p = self.scales.index(scale), X.shape[-2], Z.shape[-2]
        both, linked = torch.cat([X, Z], dim=-2), self._linked
        wanted = sorted({number, self._number})
        _, covariance = linked.marginals(both, wanted)
        first = (q + p) * wanted.index(self._number)
        second = (q + p) * wanted.index(number) + q
        rows = [*range(first, first + q), *range(second, second + p)]
        covariance = covariance[..., rows, :][..., rows]
        joint = joint_covariance(factors(covariance), self.correlation)
        m = self.num_outputs
        blocks: Tensor = joint.unflatten(-1, (m, q + p)).unflatten(-3, (m, q + p))[..., :q, :, q:]  # type: ignore[no-untyped-call]
        units = linked.unit * self._stretch_at(self._number), linked.unit * self._stretch_at(number)
        blocks = blocks * units[0][:, None, None, None] * units[1][:, None]
        shape = (*blocks.shape[:-4], m * q, m * p)
        return blocks.reshape(shape)

    def _with_scale(self, scale: Scale) -> LinkedModel:
        """The same model with a scale of which no run was seen."""
        if scale not in self._more:
            linked = self._linked.with_scale(scale)
            number = [level.scale for level in linked.levels].index(self.target)
            self._more[scale] = LinkedModel(linked, number, self._rows)
        return self._more[scale]

    def _stretch_at(self, number: int) -> Tensor:
        """``m`` factors of standard deviations at a scale: those of the first are its surrogate's own."""
        return self.stretch if number else torch.ones_like(self.stretch)

    def leave_one_out(self) -> HeldOut | None:
        """Each run predicted at its own scale, from the others of that scale and the smaller ones.

        None where the surrogate of the first scale has no closed form.
        """
        linked, m = self._linked, self.num_outputs
        base = linked.base.leave_one_out()
        if base is None:
            return None
        mean = linked.unit.new_full((self._rows, m), torch.nan)
        covariance = linked.unit.new_full((self._rows, m, m), torch.nan)
        rows = linked.levels[0].rows
        mean[rows], covariance[rows] = base.mean, base.covariance
        for number in range(1, len(linked.levels)):
            rows = linked.levels[number].rows
            if not len(rows):
                continue
            centre, variance = linked.held_out(number)
            sd = (variance.sqrt() * (self.stretch * linked.unit).unsqueeze(-1)).mT
            mean[rows] = linked.offset + linked.unit * centre.mT
            covariance[rows] = sd.unsqueeze(-1) * sd.unsqueeze(-2) * self.correlation
        return HeldOut(mean, covariance)

    def named_hyperparameters(self, metrics: Sequence[str]) -> list[Hyperparameter]:
        """What was learnt: those of the first scale's surrogate, and of the links."""
        linked = self._linked
        found = [each._replace(name=f"first.{each.name}") for each in linked.base.named_hyperparameters(metrics)]
        found += linked.named_hyperparameters(metrics)
        m = len(metrics)
        common = float((self.correlation.sum() - m) / max(m * (m - 1), 1))
        expected = hyperparameters.COMMON if m > 1 else 0.0
        return found + [Hyperparameter(metric, "common", common, expected) for metric in metrics]


class _AtScale(JointModel):
    """A model across scales, asked for another of them.

    Args:
        model: The model.
        number: Number of the scale.
    """

    def __init__(self, model: LinkedModel, number: int) -> None:
        super().__init__()
        self._model, self._scale = model, number

    @property
    def num_outputs(self) -> int:
        return self._model.num_outputs

    @property
    def batch_shape(self) -> torch.Size:
        return self._model.batch_shape

    def moments(self, X: Tensor, noise: bool | Tensor = False) -> tuple[Tensor, Tensor]:
        return self._model.moments_at(X, self._scale, noise is True)

    def mean(self, X: Tensor) -> Tensor:
        return self._model.mean_of(X, self._scale)


def _surprise(linked: Linked | Thawed, number: int) -> Tensor:
    """Standardised residuals ``m x n`` of left-out runs, NaN where missing."""
    mean, variance = linked.held_out(number)
    return (linked.targets(number) - mean) / variance.sqrt()


def common_correlation(surprises: Tensor) -> Tensor:
    """Correlation ``m x m`` of ``m x n`` standardised residuals, of which :data:`_PRIOR_TRIALS` were seen before."""
    m, n = surprises.shape
    identity = torch.eye(m, dtype=torch.float64)
    before = (1.0 - hyperparameters.COMMON) * identity + hyperparameters.COMMON
    if n < 2:
        return before
    both = (~surprises.isnan()).to(surprises)
    share = (both @ both.mT).min() / (_PRIOR_TRIALS + (both @ both.mT).min())
    return (1.0 - share) * before + share * shrunk_correlation(surprises)
