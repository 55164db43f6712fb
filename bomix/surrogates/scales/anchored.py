"""Anchored deltas: what the small scale predicts, moved by the mean difference of the runs of a larger one.

At scale ``s`` a metric is ``f(w) + b_s + e``: ``f`` the small scale's surrogate, ``b_s`` a shift that all mixtures
share, and ``e`` an error that distinct mixtures do not share. The order of mixtures is that of the small scale whatever
larger runs say, which is right where scales agree and hard to beat with a handful of runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch

from bomix.numerics.determinism import deterministic
from bomix.surrogates.models.hyperparameter import Hyperparameter
from bomix.surrogates.models.joint import HeldOut
from bomix.surrogates.models.scales import MultiScaleModel
from bomix.surrogates.scales.fitting import start
from bomix.surrogates.scales.levels import inserted
from bomix.surrogates.scales.model import common_correlation
from bomix.surrogates.scales.steps import steps_of, with_step

if TYPE_CHECKING:
    from botorch.utils.datasets import SupervisedDataset
    from torch import Tensor

    from bomix.contracts.context import FitContext
    from bomix.contracts.surrogate import Surrogate
    from bomix.scale import Scale
    from bomix.surrogates.scales.fitting import Start
    from bomix.surrogates.scales.levels import Level
    from bomix.surrogates.scales.links import Step

_PRIOR_RUNS = 4.0
"""Runs that the expected error counts as: as many as tell a spread to within a third."""
_ERROR = 0.3
"""Expected standard deviation of the error for the root of a decade, in units of the small scale's spread: slopes of
0.5 to 1 over two decades, which a shift knows nothing of, leave up to half of a spread."""

_LEAST_SHARE = 0.25
"""Share of the squared differences that are errors of the shift at least, whatever the small scale's model claims not
to know."""


class Shift(NamedTuple):
    """What is known of one scale beyond the first.

    Attributes:
        mean: ``m`` shifts from the first scale, in the metrics' own units.
        spread: ``m`` standard deviations of the same.
        error: ``m`` standard deviations of what a shift leaves.
        standardised: ``m x n`` errors of its runs in these, each from the others' shift; NaN where missing.
    """

    mean: Tensor
    spread: Tensor
    error: Tensor
    standardised: Tensor


def fit(
    surrogate: Surrogate, data: SupervisedDataset, *, context: FitContext, seed: int, before: Start | None = None
) -> AnchoredModel:
    """Fit the surrogate to the smallest scale of enough runs, and a shift for every other.

    Args:
        surrogate: The surrogate of the smallest scale.
        data: ``X`` is ``n x d``, ``Y`` ``n x m``, NaN where a run lacks a metric.
        context: The names behind the columns, the scale of each row and the target.
        seed: Seed of the surrogate.
        before: A start of the same surrogate, see :func:`~bomix.surrogates.scales.fitting.start`.

    Raises:
        FitError: The surrogate's model is not one of bomix's own.
    """
    begun = start(surrogate, data, context=context, seed=seed, before=before)
    with deterministic(), torch.no_grad():
        differences = _Differences(begun)
        return AnchoredModel(differences, begun.levels, differences.steps(), begun.number)


class _Differences:
    """What runs of larger scales measured beyond what the first one's model says, in units of its spreads.

    Args:
        begun: The scales with runs, and the model of the first.
    """

    def __init__(self, begun: Start) -> None:
        self.begun = begun
        self.offset, self.unit = begun.units
        rows = begun.later
        self.targets = ((begun.Y[rows] - self.offset) / self.unit).mT
        self.mean, self.variance = torch.zeros_like(self.targets), torch.zeros_like(self.targets)
        if len(rows):
            mean, covariance = begun.base.moments(begun.X[rows].unsqueeze(-2))
            self.mean = ((mean.squeeze(-2) - self.offset) / self.unit).mT
            self.variance = (covariance.diagonal(dim1=-2, dim2=-1) / self.unit.square()).mT

    @property
    def height(self) -> Tensor:
        """``m`` levels of the metrics at the first scale from zero."""
        return self.offset / self.unit

    def steps(self) -> list[Step]:
        """The steps between the scales with runs."""
        return steps_of(self.begun.levels, self.targets, self.mean, self.height)

    def shifts(self, steps: Sequence[Step]) -> list[Shift]:
        """The shifts of all scales but the first."""
        found, total, decades = [], torch.zeros_like(self.unit), 0.0
        for step in steps:
            total, decades = total + step.shift, decades + step.decades
            left = self.targets[:, step.rows] - self.mean[:, step.rows] - total.unsqueeze(-1)
            n = (~left.isnan()).sum(dim=-1)
            squares = left.nan_to_num(0.0).square().sum(dim=-1)
            # What the small scale's model does not know of these mixtures is no error of the shift.
            unknown = torch.where(left.isnan(), 0.0, self.variance[:, step.rows]).sum(dim=-1)
            squares = torch.maximum(squares - unknown, _LEAST_SHARE * squares)
            freedom = (_PRIOR_RUNS + n - 1.0).clamp_min(_PRIOR_RUNS)
            # A spread that few runs tell makes a Student's t, of a larger variance.
            error = ((_PRIOR_RUNS * _ERROR**2 * abs(decades) + squares) / (freedom - 2.0)).sqrt()
            spread = torch.where(n > 0, error / n.clamp_min(1).sqrt(), step.spread)
            others = torch.where(n > 1, n / (n - 1.0).clamp_min(1.0), torch.nan).unsqueeze(-1)
            unit = self.unit
            found.append(Shift(unit * total, unit * spread, unit * error, left * others / error.unsqueeze(-1)))
        return found


class AnchoredModel(MultiScaleModel):
    """The small scale's model and shifts, asked at one scale.

    Args:
        differences: What larger runs measured beyond the first scale's model.
        levels: The scales with runs, and those without that were asked for.
        steps: The steps between them.
        number: Number of the scale that moments are of.
    """

    def __init__(self, differences: _Differences, levels: Sequence[Level], steps: Sequence[Step], number: int) -> None:
        super().__init__()
        self._differences, self._begun = differences, differences.begun
        self._levels, self._steps, self._number = tuple(levels), tuple(steps), number
        self.target, self.scales = levels[number].scale, tuple(level.scale for level in levels)
        self.shifts = differences.shifts(steps)
        errors = [shift.standardised for shift in self.shifts if shift.standardised.shape[-1]]
        m = self.num_outputs
        self.correlation = common_correlation(torch.cat(errors, dim=-1) if errors else self._begun.Y.new_zeros(m, 0))

    @property
    def num_outputs(self) -> int:
        """Number of metrics."""
        return int(self._begun.Y.shape[-1])

    @property
    def batch_shape(self) -> torch.Size:
        """Always empty."""
        return torch.Size()

    def mean(self, X: Tensor) -> Tensor:
        """The means alone, ``batch x q x m``."""
        mean = self._begun.base.mean(X)
        return mean if self._number == 0 else mean + self.shifts[self._number - 1].mean

    def moments(self, X: Tensor, noise: bool | Tensor = False) -> tuple[Tensor, Tensor]:
        """Moments at the target; beyond the first scale the noise of a run is part of the error already."""
        if self._number == 0:
            return self._begun.base.moments(X, noise)
        shift, q = self.shifts[self._number - 1], X.shape[-2]
        mean, covariance = self._begun.base.moments(X)
        own = torch.kron(self._between(shift.error), torch.eye(q, dtype=X.dtype))
        return mean + shift.mean, covariance + own + torch.kron(self._between(shift.spread), X.new_ones(q, q))

    def at(self, scale: Scale) -> AnchoredModel:
        """The belief at another scale; see :class:`MultiScaleModel`."""
        if scale == self.target:
            return self
        if scale in self.scales:
            return AnchoredModel(self._differences, self._levels, self._steps, self.scales.index(scale))
        levels, number = inserted(self._levels, scale)
        steps = with_step(self._steps, levels, number, self._differences.height)
        return AnchoredModel(self._differences, levels, steps, number)

    def across(self, X: Tensor, Z: Tensor, scale: Scale) -> Tensor:
        """Covariance with another scale: that of the small scale's model; see :class:`MultiScaleModel`."""
        q, p, m = X.shape[-2], Z.shape[-2], self.num_outputs
        _, joint = self._begun.base.moments(torch.cat([X, Z], dim=-2))
        blocks: Tensor = joint.unflatten(-1, (m, q + p)).unflatten(-3, (m, q + p))  # type: ignore[no-untyped-call]
        found = blocks[..., :q, :, q:].reshape(*joint.shape[:-2], m * q, m * p)
        if scale != self.target or self._number == 0:
            return found
        spread = self.shifts[self._number - 1].spread
        return found + torch.kron(self._between(spread), X.new_ones(q, p))

    def leave_one_out(self) -> HeldOut | None:
        """Each run at its own scale: by the small scale's model, and the shift of the other runs of its scale."""
        base = self._begun.base.leave_one_out()
        if base is None:
            return None
        n, m = self._begun.Y.shape
        mean, covariance = base.mean.new_zeros(n, m), base.mean.new_zeros(n, m, m)
        rows = self._begun.levels[0].rows
        mean[rows], covariance[rows] = base.mean, base.covariance
        for number, level in enumerate(self._levels[1:], 1):
            if not len(level.rows):
                continue
            there, shift = self.at(level.scale), self.shifts[number - 1]
            X = self._begun.X[level.rows].unsqueeze(-2)
            central, covariance[level.rows] = there.moments(X)
            left = shift.standardised.mT * shift.error
            mean[level.rows] = torch.where(left.isnan(), central.squeeze(-2), self._begun.Y[level.rows] - left)
        return HeldOut(mean, covariance)

    def named_hyperparameters(self, metrics: Sequence[str]) -> list[Hyperparameter]:
        """What the first scale's model learnt, and the shift and error of every other scale."""
        found = [each._replace(name=f"first.{each.name}") for each in self._begun.base.named_hyperparameters(metrics)]
        for level, shift in zip(self._levels[1:], self.shifts, strict=True):
            for name, values in (("shift", shift.mean), ("error", shift.error)):
                found += [
                    Hyperparameter(metric, f"{name} at {level.scale}", value, 0.0)
                    for metric, value in zip(metrics, values.tolist(), strict=True)
                ]
        return found

    def _between(self, sd: Tensor) -> Tensor:
        """Covariance ``m x m`` of numbers of these standard deviations."""
        return self.correlation * sd * sd.unsqueeze(-1)
