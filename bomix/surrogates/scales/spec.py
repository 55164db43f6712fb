"""A surrogate across scales: small runs say what is likely, large ones how far that is to be believed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from bomix.contracts.surrogate import Surrogate, SurrogateTraits
from bomix.contracts.traits import traits
from bomix.errors import Fault
from bomix.surrogates.gp.presets import POOLED
from bomix.surrogates.gp.spec import GP

if TYPE_CHECKING:
    from botorch.models.model import Model
    from botorch.utils.datasets import SupervisedDataset

    from bomix.contracts.context import FitContext
    from bomix.surrogates.scales.fitting import Start

_MANY = 12
"""Domains and metrics from which on hyperparameters are shared, as the strategy ``auto`` does."""


@dataclass(frozen=True)
class MultiScale:
    """Each metric carried from scale to scale, with a slope near one and a discrepancy, learnt from runs of all scales.

    The smallest scale of enough runs is modelled by any surrogate; smaller ones hang on the chain's end, downwards. At
    each next one a metric is a line in what the one before says, plus a process of the mixture; slopes and
    discrepancies have strong priors that all metrics inform together. Without a run of the target its ranking is that
    of the smaller scales; each run of it counts as far as it disagrees. From four runs of the target on, the surrogate
    of these alone is averaged in, as far as held-out errors say.

    Attributes:
        of: Surrogate of the smallest scale, and of the target's runs alone; None takes ``gp``, which shares
            hyperparameters between metrics where domains and metrics are a dozen or more. The strategy ``auto`` names
            the one that it takes for a study of one scale.
        integrated: Whether the uncertainty of what links the scales is integrated; without, its mean stands for it, and
            predictions take a tenth of the time.
        mean: A surrogate across scales whose prediction of every scale is corrected, ``scaling_law`` say; None corrects
            none.
    """

    of: Surrogate | None = None
    integrated: bool = True
    mean: Surrogate | None = None

    across_scales: ClassVar[bool] = True
    fantasizes: ClassVar[bool] = False

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        if self.mean is None or traits(self.mean, SurrogateTraits).across_scales:
            return []
        name = type(self.mean).__name__
        return [Fault("mean", f"{name} knows nothing of scales; take 'scaling_law', or leave 'mean' out")]

    @property
    def differentiable(self) -> bool:
        """Whether the surrogate of the smallest scale is, and the mean."""
        parts = (self.of or GP(), self.mean)
        return all(traits(part, SurrogateTraits).differentiable for part in parts if part is not None)

    def fit(self, data: SupervisedDataset, *, context: FitContext, seed: int) -> Model:
        """Fit the smallest scale, then the links; see :meth:`bomix.contracts.surrogate.Surrogate.fit`.

        Where rows are of one scale and nothing else is asked for, that is the surrogate of that scale alone.
        """
        return self.fit_after(None, data, context=context, seed=seed)

    def fit_after(self, before: Start | None, data: SupervisedDataset, *, context: FitContext, seed: int) -> Model:
        """The same, with a model of the smallest scale that was fitted before, where its runs are the same."""
        from bomix.surrogates.scales import corrected, fitting

        first = first_surrogate(self.of, context)
        if context.target is None:
            return first.fit(data, context=context, seed=seed)
        if self.mean is not None:
            return corrected.fit(self.mean, replace(self, mean=None), data, context=context, seed=seed)
        return fitting.fit(first, data, context=context, seed=seed, integrated=self.integrated, before=before)


def first_surrogate(of: Surrogate | None, context: FitContext) -> Surrogate:
    """The surrogate of the smallest scale: the one that is named, or ``gp``.

    That shares hyperparameters between metrics where domains and metrics are a dozen or more.
    """
    return of or (POOLED if min(len(context.domains), len(context.metrics)) >= _MANY else GP())
