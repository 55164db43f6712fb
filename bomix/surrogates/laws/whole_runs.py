"""Laws in epochs in a study of two phases: epochs are those of the whole run, whichever phase reads a domain.

Such a law sees the aggregate of a run alone. That order does not matter is its null hypothesis, as it is that of the
study; a Gaussian process whose mean it is learns what order does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import torch
from botorch.utils.datasets import SupervisedDataset

from bomix.contracts.mean import Parameters
from bomix.laws.epochs import EpochsLaw
from bomix.laws.fit import find
from bomix.space.phased import PhasedSpace
from bomix.surrogates.models.joint import HeldOut, JointModel
from bomix.surrogates.models.wrappers import Wrapper

if TYPE_CHECKING:
    from botorch.models.model import Model
    from torch import Tensor

    from bomix.contracts.context import FitContext


class _Fit(Protocol):
    """The ``fit`` of a surrogate, see :class:`bomix.contracts.surrogate.Surrogate`."""

    def __call__(self, data: SupervisedDataset, *, context: FitContext, seed: int) -> Model: ...


@dataclass(frozen=True)
class OnWholeRuns:
    """A function of ``(...) x d`` mixtures as one of ``(...) x 2 d`` weights of two phases.

    Attributes:
        function: The function.
        sums: ``2 d x d``, adds the weights of a domain in both phases.
    """

    function: Callable[[Tensor], Tensor]
    sums: Tensor

    def __call__(self, X: Tensor) -> Tensor:
        """The function of the aggregates of ``(...) x 2 d`` weights."""
        return self.function(X @ self.sums)


class OfWholeRuns(Wrapper, JointModel):
    """A model of mixtures that sees the aggregates of runs of two phases.

    Args:
        model: The model of ``d`` weights.
        sums: ``2 d x d``, adds the weights of a domain in both phases.
    """

    def __init__(self, model: JointModel, sums: Tensor) -> None:
        super().__init__()
        self.model, self._sums = model, sums

    @property
    def best(self) -> OnWholeRuns:
        """The law with its best parameters, where the model has it."""
        return OnWholeRuns(self.model.best, self._sums)

    @property
    def learnt(self) -> Parameters:
        """The law's parameters, where the model has it."""
        inner: Parameters = self.model.learnt
        return Parameters(OnWholeRuns(inner.slopes, self._sums), inner.found)

    @property
    def residuals(self) -> Any:
        """What the law leaves over, where the model knows it; see :class:`bomix.surrogates.laws.uncertainty`."""
        return self.model.residuals

    def mean(self, X: Tensor) -> Tensor:
        """The means alone, ``batch x q x m``, at ``batch x q x 2 d`` weights."""
        mean: Tensor = self.model.mean(X @ self._sums)
        return mean

    def moments(self, X: Tensor, noise: bool | Tensor = False) -> tuple[Tensor, Tensor]:
        """Mean and covariance at ``batch x q x 2 d`` weights; see :class:`JointModel`."""
        moments: tuple[Tensor, Tensor] = self.model.moments(X @ self._sums, noise)
        return moments

    def leave_one_out(self) -> HeldOut | None:
        """Each run predicted from the others."""
        held: HeldOut | None = self.model.leave_one_out()
        return held


def of_whole_runs(
    fit: _Fit, form: str, data: SupervisedDataset, *, context: FitContext, seed: int
) -> OfWholeRuns | None:
    """Fit a law in epochs to the aggregates of runs of two phases.

    Args:
        fit: Fits it to runs of one mixture.
        form: Its name.
        data: ``X`` is ``n x 2 d``, ``Y`` ``n x m``.
        context: The names behind the columns.
        seed: Seed of the fit.

    Returns:
        The model; None where the law counts no epochs, or mixtures have no phases.
    """
    space = context.space
    if not isinstance(space, PhasedSpace) or not isinstance(find(form), EpochsLaw):
        return None
    sums = torch.as_tensor(space.phases.sums)
    whole = SupervisedDataset(
        data.X.double() @ sums,
        data.Y,
        Yvar=data.Yvar,
        feature_names=list(space.phases.domains),
        outcome_names=data.outcome_names,
    )
    model = fit(whole, context=replace(context, space=space.single), seed=seed)
    assert isinstance(model, JointModel)
    return OfWholeRuns(model, sums)
