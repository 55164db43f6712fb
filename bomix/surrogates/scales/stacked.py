"""Several surrogates across scales, weighed by how well they predict runs of the target that they did not see.

Only the target's runs are left out, in folds: what smaller scales say is there when a new mixture is to be predicted,
and how well it is predicted at the target is all that counts.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import torch

from bomix.contracts.surrogate import SurrogateTraits
from bomix.contracts.traits import traits
from bomix.errors import FitError
from bomix.surrogates.combined.stacking import MIN_TRIALS, Stacked, log_density, mixed, picked, stacked
from bomix.surrogates.cross_validation.held_out import assign_folds, closed_form, new_runs, part
from bomix.surrogates.models.hyperparameter import Hyperparameter
from bomix.surrogates.models.joint import HeldOut, JointModel
from bomix.surrogates.models.scales import MultiScaleModel
from bomix.surrogates.scales.fitting import start
from bomix.surrogates.scales.sizes import scales_of_rows
from bomix.surrogates.scales.spec import MultiScale, first_surrogate

if TYPE_CHECKING:
    from botorch.models.model import Model
    from botorch.utils.datasets import SupervisedDataset
    from torch import Tensor

    from bomix.contracts.context import FitContext
    from bomix.contracts.surrogate import Surrogate
    from bomix.scale import Scale
    from bomix.surrogates.scales.fitting import Start

logger = logging.getLogger(__name__)


@runtime_checkable
class StartsSmall(Protocol):
    """A surrogate across scales that begins at the surrogate of the smallest one, which serves several fits."""

    of: Surrogate | None

    def fit_after(self, before: Start | None, data: SupervisedDataset, *, context: FitContext, seed: int) -> Model:
        """Fit, with the model of the smallest scale that was fitted before where its runs are the same."""
        ...


def across(surrogates: Sequence[Surrogate]) -> tuple[Surrogate, ...]:
    """The members for rows of several scales: where none knows of scales, each is taken across by ``multi_scale``."""
    if any(traits(each, SurrogateTraits).across_scales for each in surrogates):
        return tuple(surrogates)
    return tuple(MultiScale(each) for each in surrogates)


def fit(
    surrogates: Sequence[Surrogate],
    data: SupervisedDataset,
    *,
    context: FitContext,
    seed: int,
    folds: int,
    pick: bool,
) -> JointModel:
    """Fit every member to the runs of all scales, or of the target where it knows of none, and weigh them.

    Equal shares below :data:`~bomix.surrogates.combined.stacking.MIN_TRIALS` runs of the target; a member that knows
    of no scales then counts for nothing.

    Args:
        surrogates: The members.
        data: ``X`` is ``n x d``, ``Y`` ``n x m``, NaN where a run lacks a metric.
        context: The names behind the columns, the scale of each row and the target.
        seed: Seed of the fits and of the folds.
        folds: Folds of the target's runs.
        pick: Whether the best member gets all.

    Raises:
        FitError: A member returns no :class:`JointModel`.
    """
    assert context.target is not None
    members = across(surrogates)
    starts: list[tuple[Surrogate, Start]] = []
    for member in members:
        if isinstance(member, StartsSmall):
            first = first_surrogate(member.of, context)
            if not any(first == known for known, _ in starts):
                starts.append((first, start(first, data, context=context, seed=seed)))
    fits = [_Fitter(member, starts, seed) for member in members]
    models = [each(data, context) for each in fits]
    rows = _of_target(data, context)
    Y, m = data.Y.double(), data.Y.shape[-1]
    counts = torch.tensor([isinstance(model, MultiScaleModel) for model in models], dtype=torch.float64)
    shares = (counts / counts.sum()).unsqueeze(-1).expand(-1, m)
    names_of = [type(member).__name__ for member in members]
    if len(rows) < MIN_TRIALS or len(members) == 1:
        return StackedAcross(models, shares, context.target, names_of)
    fold = torch.as_tensor(assign_folds(data.X[rows], folds=folds, seed=seed))
    held = [HeldOut(Y.new_zeros(len(rows), m), Y.new_zeros(len(rows), m, m)) for _ in members]
    for number in range(int(fold.max()) + 1):
        out = rows[fold == number]
        keep = torch.ones(len(data.X), dtype=torch.bool)
        keep[out] = False
        known, names = part(data, context, keep)
        for each, found in zip(fits, held, strict=True):
            mean, covariance = new_runs(each(known, names), data.X[out])
            found.mean[fold == number], found.covariance[fold == number] = mean, covariance
    density = torch.stack([log_density(each, Y[rows]) for each in held])
    shares = picked(density) if pick else stacked(density)
    logger.info(
        "auto: shares by %d left-out runs of %s: %s",
        len(rows),
        context.target,
        ", ".join(f"{name} {share:.0%}" for name, share in zip(names_of, shares.mean(dim=-1).tolist(), strict=True)),
    )
    mean, covariance = mixed([each.mean.unsqueeze(-2) for each in held], [each.covariance for each in held], shares)
    return StackedAcross(models, shares, context.target, names_of, rows, HeldOut(mean.squeeze(-2), covariance))


class _Fitter:
    """How one member is fitted to runs of all scales.

    Args:
        member: The member.
        starts: Surrogates, and their models of the smallest scale.
        seed: Seed of the fit.
    """

    def __init__(self, member: Surrogate, starts: Sequence[tuple[Surrogate, Start]], seed: int) -> None:
        self._member, self._starts, self._seed = member, starts, seed

    def __call__(self, data: SupervisedDataset, context: FitContext) -> JointModel:
        member, model = self._member, None
        if isinstance(member, StartsSmall):
            first = first_surrogate(member.of, context)
            before = next(begun for known, begun in self._starts if known == first)
            model = member.fit_after(before, data, context=context, seed=self._seed)
        elif traits(member, SurrogateTraits).across_scales:
            model = member.fit(data, context=context, seed=self._seed)
        else:
            keep = torch.zeros(len(data.X), dtype=torch.bool)
            keep[_of_target(data, context, measured=False)] = True
            known, names = part(data, context, keep)
            model = member.fit(known, context=replace(names, target=None), seed=self._seed)
        if not isinstance(model, JointModel):
            raise FitError(f"{type(member).__name__} returns no JointModel, which a mixture of surrogates is made of")
        return model


def _of_target(data: SupervisedDataset, context: FitContext, *, measured: bool = True) -> Tensor:
    """Positions of the target's runs; of those with any metric, or of all."""
    assert context.target is not None
    scales = scales_of_rows(context.scales or [None] * len(data.X), context.target)
    there = torch.tensor([scale == context.target for scale in scales], dtype=torch.bool)
    return (there & ~data.Y.isnan().all(dim=-1) if measured else there).nonzero().squeeze(-1)


class StackedAcross(MultiScaleModel):
    """The mixture of members at the target; at other scales, of those that know them.

    Args:
        members: Models, at least one of them across scales.
        shares: ``c x m`` shares, which sum to one for each metric.
        target: The scale that moments are of.
        names: Names of the members, for those who ask what was chosen.
        rows: Positions of the target's runs, where they were left out.
        held: The mixture's predictions of these by fits that have not seen them.
    """

    def __init__(
        self,
        members: Sequence[JointModel],
        shares: Tensor,
        target: Scale,
        names: Sequence[str],
        rows: Tensor | None = None,
        held: HeldOut | None = None,
    ) -> None:
        super().__init__()
        self.whole = Stacked(members, shares)
        self.knowing = [i for i, member in enumerate(members) if isinstance(member, MultiScaleModel)]
        self.target, self.names, self._rows, self._held = target, tuple(names), rows, held
        scales = [scale for i in self.knowing for scale in self._member(i).scales]
        self.scales = tuple(dict.fromkeys(scales))

    def _member(self, number: int) -> MultiScaleModel:
        member = self.whole.members[number]
        assert isinstance(member, MultiScaleModel)
        return member

    @property
    def _shares(self) -> Tensor:
        """Shares of the members that know all scales; where none has any, all count alike."""
        shares = self.whole.shares[self.knowing]
        total = shares.sum(dim=0)
        return torch.where(total > 0.0, shares / total.clamp_min(1e-300), 1.0 / len(shares))

    @property
    def num_outputs(self) -> int:
        """Number of metrics."""
        return self.whole.num_outputs

    @property
    def batch_shape(self) -> torch.Size:
        """Always empty."""
        return torch.Size()

    def moments(self, X: Tensor, noise: bool | Tensor = False) -> tuple[Tensor, Tensor]:
        """Moments at the target, as of :meth:`JointModel.moments`."""
        return self.whole.moments(X, noise)

    def at(self, scale: Scale) -> JointModel:
        """The belief at another scale; see :class:`MultiScaleModel`."""
        if scale == self.target:
            return self
        return Stacked([self._member(i).at(scale) for i in self.knowing], self._shares)

    def across(self, X: Tensor, Z: Tensor, scale: Scale) -> Tensor:
        """Covariance of the mixtures at both scales; see :class:`MultiScaleModel`."""
        members = [self._member(i) for i in self.knowing]
        here = torch.stack([member.mean(X) for member in members])
        there = torch.stack([member.at(scale).mean(Z) for member in members])
        left, right = self.whole.shares[self.knowing], self._shares
        away = (here - self.whole.mean(X)).mT.flatten(-2)
        beyond = (there - (right[:, *[None] * (there.dim() - 2)] * there).sum(dim=0)).mT.flatten(-2)
        found = torch.zeros((), dtype=torch.float64)
        for i, member in enumerate(members):
            weights = (left[i].sqrt().repeat_interleave(X.shape[-2]), right[i].sqrt().repeat_interleave(Z.shape[-2]))
            within = member.across(X, Z, scale) + away[i].unsqueeze(-1) * beyond[i].unsqueeze(-2)
            found = found + weights[0].unsqueeze(-1) * weights[1] * within
        return found

    def leave_one_out(self) -> HeldOut | None:
        """Each run predicted from the others: by refits at the target, elsewhere by the first member across scales."""
        found = closed_form(self._member(self.knowing[0]))
        if found is None or self._rows is None or self._held is None:
            return found
        mean, covariance = found.mean.clone(), found.covariance.clone()
        mean[self._rows], covariance[self._rows] = self._held
        return HeldOut(mean, covariance)

    def named_hyperparameters(self, metrics: Sequence[str]) -> list[Hyperparameter]:
        """Shares of the members, and what they learnt, the number of a member before each name."""
        count = len(self.names)
        shares = [
            Hyperparameter(metric, f"share[{number}.{name}]", float(self.whole.shares[number - 1, column]), 1.0 / count)
            for number, name in enumerate(self.names, 1)
            for column, metric in enumerate(metrics)
        ]
        return shares + self.whole.named_hyperparameters(metrics)
