"""Which trials a surrogate learns from: experts, which were trained on one domain alone, need not be among them.

Experts are far from the mixtures that matter. A flexible model gains by them, since they say what each domain does by
itself; a line bends towards them, and so does a tree of few splits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from botorch.models.model import FantasizeMixin
from botorch.utils.datasets import SupervisedDataset

from bomix.surrogates.cross_validation.held_out import new_runs, part
from bomix.surrogates.models.joint import HeldOut, JointModel
from bomix.surrogates.models.wrappers import FantasizingWrapper

if TYPE_CHECKING:
    from botorch.models.model import Model
    from torch import Tensor

    from bomix.contracts.context import FitContext


class Examples(NamedTuple):
    """The trials that a surrogate learns from, and which of all trials they are.

    Attributes:
        data: Mixtures and metrics of the trials that are learnt from.
        context: The names behind their columns, their numbers and scales, and artifacts.
        X: ``n x d`` mixtures of all trials.
        kept: ``n`` booleans, which of all trials are learnt from.
    """

    data: SupervisedDataset
    context: FitContext
    X: Tensor
    kept: Tensor

    def restored(self, model: Model) -> Model:
        """The model, with held-out predictions of all ``n`` trials, in their order, instead of those it learnt from."""
        if bool(self.kept.all()) or not isinstance(model, JointModel):
            return model
        return WithoutExperts(model, self.X, self.kept)


def examples(data: SupervisedDataset, context: FitContext, *, experts: bool) -> Examples:
    """Leave out the experts, where they are not wanted; a metric is learnt from them until as many others have it.

    They are not wanted either where they saw more of their text than the trials did.

    Args:
        data: ``X`` is ``n x d``, ``Y`` ``n x m``, NaN where a trial lacks a metric.
        context: Says which rows are experts.
        experts: Whether experts are learnt from.
    """
    every = torch.ones(len(data.X), dtype=torch.bool)
    expert = torch.tensor(context.expert_rows, dtype=torch.bool) if context.trials else ~every
    there = ~data.Y.isnan()
    elsewhere = there[~expert].sum(dim=0) >= there[expert].sum(dim=0).clamp_min(1)
    if (experts and not context.whole_experts) or not expert.any() or not elsewhere.any():
        return Examples(data, context, data.X, every)
    Y = data.Y.masked_fill(expert.unsqueeze(-1) & elsewhere, torch.nan)
    kept = ~expert | ~Y.isnan().all(dim=-1)
    masked = SupervisedDataset(
        data.X, Y, Yvar=data.Yvar, feature_names=data.feature_names, outcome_names=data.outcome_names
    )
    return Examples(*part(masked, context, kept), data.X, kept)


class WithoutExperts(FantasizingWrapper, JointModel, FantasizeMixin):  # type: ignore[misc]
    """A model that learnt from some of the trials, with held-out predictions of all.

    Args:
        model: The model that was fitted to some of the trials.
        X: ``n x d`` mixtures of all trials.
        kept: ``n`` booleans, which of them it learnt from.
    """

    def __init__(self, model: JointModel, X: Tensor, kept: Tensor) -> None:
        super().__init__()
        self.model, self._X, self._kept = model, X, kept

    def leave_one_out(self) -> HeldOut | None:
        """Each trial predicted from the others: one that was never learnt from, by the model as it is."""
        held = self.model.leave_one_out()
        if held is None:
            return None
        unseen = new_runs(self.model, self._X[~self._kept])
        whole = []
        for known, other in zip(held, unseen, strict=True):
            rows = known.new_empty(len(self._X), *known.shape[1:])
            rows[self._kept], rows[~self._kept] = known, other
            whole.append(rows)
        return HeldOut(*whole)
