"""A law in effective tokens: what a domain is repeated counts for less, [Muennighoff2023]_."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bomix.contracts.mean import Feature, Parameters
from bomix.contracts.repetition import REPETITION_DECAY
from bomix.surrogates.laws.spec import LawRegression
from bomix.surrogates.means.law import LawMean

if TYPE_CHECKING:
    from collections.abc import Callable

    from botorch.utils.datasets import SupervisedDataset
    from torch import Tensor

    from bomix.contracts.context import FitContext


@dataclass(frozen=True)
class EffectiveLaw(LawMean):
    """A law whose weights are the shares of a run that effective tokens fill: a repeated token counts for less.

    ``w_i`` becomes ``D'_i / D``, with the effective tokens ``D'_i`` of :func:`bomix.laws.repetition.effective_passes`
    and the tokens ``D`` of a run; each domain has its ``repetition_decay``. Where nothing repeats, and where the tokens
    are unknown, it is the law itself.
    """

    def feature(self, data: SupervisedDataset, *, context: FitContext, seed: int) -> Feature:
        """The law with its best parameters, and predictions of each run by fits to the other folds.

        Arguments are those of :meth:`bomix.contracts.mean.Mean.feature`.
        """
        from botorch.utils.datasets import SupervisedDataset

        shares = effective_shares(context)
        moved = SupervisedDataset(
            shares(data.X.double()),
            data.Y,
            Yvar=data.Yvar,
            feature_names=data.feature_names,
            outcome_names=data.outcome_names,
        )
        spec = LawRegression(form=self.form, starts=self.starts, own=self.own)
        model: Any = spec.fit(moved, context=context, seed=seed)
        parameters = None
        if self.uncertain:
            parameters = Parameters(_After(shares, model.learnt.slopes), model.learnt.found)
        return Feature(_After(shares, model.best), model.residuals.predicted, parameters=parameters)


def effective_shares(context: FitContext) -> EffectiveShares:
    """The map from weights to effective shares of a run; the weights themselves where the passes are unknown."""
    import torch

    passes = [context.passes.get(name, 0.0) for name in context.domains]
    decay = [context.repetition_decay.get(name, REPETITION_DECAY) for name in context.domains]
    return EffectiveShares(*(torch.tensor(values, dtype=torch.float64) for values in (passes, decay)))


@dataclass(frozen=True)
class EffectiveShares:
    """Weights to the shares of a run that their effective tokens fill, none above its weight.

    Attributes:
        passes: ``d`` passes over each domain of a run on it alone; zero for one of which there is no end.
        decay: ``d`` repetitions after which a token is worth 1/e of a fresh one.
    """

    passes: Tensor
    decay: Tensor

    def __call__(self, X: Tensor) -> Tensor:
        """``(...) x d`` weights to as many shares; differentiable."""
        from bomix.laws.repetition import effective_passes

        repeats = self.passes > 0.0
        worth = effective_passes(X * self.passes, self.decay) / self.passes.where(repeats, self.passes + 1.0)
        return worth.where(repeats, X)


@dataclass(frozen=True)
class _After:
    """A function of effective shares as a function of weights."""

    shares: EffectiveShares
    function: Callable[[Tensor], Tensor]

    def __call__(self, X: Tensor) -> Tensor:
        return self.function(self.shares(X))
