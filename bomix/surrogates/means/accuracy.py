"""Accuracies predicted from losses: a sigmoid of what another mean says of the loss on the same task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bomix.contracts.mean import Feature, Mean, MeanTraits
from bomix.contracts.traits import traits
from bomix.errors import DataError, Fault, FitError
from bomix.io.artifacts import scored_tokens
from bomix.surrogates.means.law import LawMean, slope_faults
from bomix.trial import SCORED_TOKENS

if TYPE_CHECKING:
    from botorch.utils.datasets import SupervisedDataset
    from torch import Tensor

    from bomix.contracts.context import FitContext
    from bomix.surrogates.means.sigmoid import Sigmoid

SUFFIX = "_accuracy"
"""What the name of an accuracy adds to that of the loss on the same task."""
_FOLDS = 5
"""Parts of the runs; fewer than elsewhere, since a curve of three parameters is told well by four fifths of them."""


@dataclass(frozen=True)
class AccuracyFromLoss:
    """``floor + (ceiling - floor) / (1 + exp((L(w) - m) / s))`` with the loss ``L`` that another mean predicts.

    ``m`` and ``s`` are fitted to the runs' accuracies against the losses predicted for them, so that an error of the
    loss that all mixtures share does no harm. Where the other mean learns from the runs, they are its predictions of
    runs that it has not seen. Metrics that are no accuracies keep what the other mean says.

    Attributes:
        of: The mean that predicts the losses.
        loss: Accuracy to loss, names of metrics; by default ``<name>_accuracy`` to ``<name>``.
        floor: Accuracy to its chance level. One that is not named is that of the options, where some run left their
            probabilities behind, and else learnt.
        ceiling: Accuracy of a loss far below all others.
        slope: Standard deviation of the prior of the feature's coefficient, whose mean is one.
    """

    of: Mean = LawMean()
    loss: Mapping[str, str] | None = None
    floor: Mapping[str, float] | None = None
    ceiling: float = 1.0
    slope: float = 0.1

    @property
    def needs_experts(self) -> bool:
        """Whether the mean that predicts the losses needs experts."""
        return traits(self.of, MeanTraits).needs_experts

    @property
    def differentiable(self) -> bool:
        """Whether the mean that predicts the losses has gradients."""
        return traits(self.of, MeanTraits).differentiable

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        found = slope_faults(self.slope)
        if not 0.0 < self.ceiling <= 1.0:
            found.append(Fault("ceiling", f"is {self.ceiling}; must be above 0 and at most 1"))
        return found + [
            Fault(f"floor.{name}", f"is {value}; a chance level lies from 0 to below the ceiling, {self.ceiling}")
            for name, value in (self.floor or {}).items()
            if not 0.0 <= value < self.ceiling
        ]

    def feature(self, data: SupervisedDataset, *, context: FitContext, seed: int) -> Feature:
        """Accuracies by curves of the losses that ``of`` predicts, and its predictions of all other metrics.

        Held-out accuracies are those of curves that were fitted without the run's fold. Arguments are those of
        :meth:`bomix.contracts.mean.Mean.feature`.

        Raises:
            FitError: No metric is an accuracy, or a name is not that of a metric.
        """
        import torch

        from bomix.surrogates.cross_validation.held_out import assign_folds
        from bomix.surrogates.means import sigmoid

        pairs = self._columns(context.metrics)
        base = self.of.feature(data, context=context, seed=seed)
        X, Y = data.X.double(), data.Y.double()
        known = {**chance_levels(context, [context.metrics[a] for a in pairs]), **(self.floor or {})}
        with torch.no_grad():
            uniform = base.predict(X.new_full((1, X.shape[-1]), 1.0 / X.shape[-1]))[0]
            seen = base.predict(X) if base.held_out is None else base.held_out
            held_out, fold = seen.clone(), torch.as_tensor(assign_folds(X, folds=_FOLDS, seed=seed))
        fitted = []
        for accuracy, loss in pairs.items():
            floor = known.get(context.metrics[accuracy])
            runs = (seen[:, loss], Y[:, accuracy])
            curve = sigmoid.fit(*runs, origin=uniform[loss], floor=floor, ceiling=self.ceiling)
            fitted.append(_Curve(accuracy, loss, curve))
            for number in sorted(set(fold.tolist())):
                rest = fold != number
                without = sigmoid.fit(
                    *(values[rest] for values in runs), origin=uniform[loss], floor=floor, ceiling=self.ceiling
                )
                held_out[~rest, accuracy] = without(seen[~rest, loss])
        return Feature(_Accuracies(base.predict, tuple(fitted)), held_out)

    def _columns(self, metrics: tuple[str, ...]) -> dict[int, int]:
        """Column of each accuracy to that of its loss."""
        named = self.loss
        if named is None:
            stems = {name: name.removesuffix(SUFFIX) for name in metrics if name.endswith(SUFFIX)}
            named = {name: stem for name, stem in stems.items() if stem in metrics}
        listed = ", ".join(metrics)
        if strays := [name for name in (*named, *named.values(), *(self.floor or {})) if name not in metrics]:
            raise FitError(f"mean of accuracies: there is no metric '{strays[0]}' (there are: {listed}); correct it")
        if not named:
            raise FitError(f"mean of accuracies: none of the metrics is one (there are: {listed}); name them in `loss`")
        if both := sorted(set(named) & set(named.values())):
            raise FitError(f"mean of accuracies: '{both[0]}' is named both as an accuracy and as a loss; correct it")
        return {metrics.index(accuracy): metrics.index(loss) for accuracy, loss in named.items()}


class _Curve(NamedTuple):
    """An accuracy of a loss: the columns of both, and the curve."""

    accuracy: int
    loss: int
    of: Sigmoid


@dataclass(frozen=True)
class _Accuracies:
    """Predictions of all metrics, ``batch x n x d`` weights to ``batch x n x m``: accuracies from predicted losses.

    Attributes:
        base: The predictions of another mean; its accuracies are replaced.
        curves: A curve for each accuracy. No metric is an accuracy in one curve and a loss in another.
    """

    base: Callable[[Tensor], Tensor]
    curves: tuple[_Curve, ...]

    def __call__(self, weights: Tensor) -> Tensor:
        """``batch x n x d`` weights to ``batch x n x m`` predictions, losses and accuracies."""
        import torch

        values = list(self.base(weights).unbind(dim=-1))
        for curve in self.curves:
            values[curve.accuracy] = curve.of(values[curve.loss])
        return torch.stack(values, dim=-1)


def chance_levels(context: FitContext, metrics: list[str]) -> dict[str, float]:
    """Accuracy of a guess, for each metric whose options are in the first artifact of a trial that can be read."""
    for trial in sorted(context.artifacts):
        if (folder := context.artifacts[trial].get(SCORED_TOKENS)) is not None:
            try:
                known = _chance_levels(folder)
            except DataError:
                continue  # whoever needs the probabilities themselves says what is wrong with them
            return {name: known[name] for name in metrics if name in known}
    return {}


@lru_cache(maxsize=8)
def _chance_levels(folder: str) -> Mapping[str, float]:
    """Mean of one over the number of options, for each multiple-choice set of an artifact."""
    import numpy as np

    found = {}
    for name, tokens in scored_tokens.read(Path(folder)).sets.items():
        if tokens.examples is not None:
            options = np.unique(tokens.examples, return_counts=True)[1]
            found[name] = float((1.0 / options).mean())
    return found
