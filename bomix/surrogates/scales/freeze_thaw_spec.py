"""A decay over parameters and tokens as a surrogate, for many scales and for checkpoints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bomix.contracts.surrogate import Surrogate, SurrogateTraits
from bomix.contracts.traits import traits
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.scales.spec import first_surrogate

if TYPE_CHECKING:
    from botorch.models.model import Model
    from botorch.utils.datasets import SupervisedDataset

    from bomix.contracts.context import FitContext
    from bomix.errors import Fault
    from bomix.surrogates.scales.fitting import Start


@dataclass(frozen=True)
class FreezeThaw:
    """Each metric a process of the mixture, parameters and tokens that falls exponentially in their logarithms.

    Its covariance over scales is the exponential decay kernel of freeze-thaw optimisation, towards a limit, on both
    axes; see :mod:`bomix.surrogates.scales.decay`. Scales are not a chain: runs of many sizes, or of every checkpoint,
    inform each other by how far apart they are, and levels are continued beyond the largest one as curves are.
    Checkpoints of one training share noise, by as much as the runs say. The smallest scale of enough runs is modelled
    by any surrogate; from four runs of the target on, the surrogate of these alone is averaged in, as by
    ``multi_scale``.

    Attributes:
        of: Surrogate of the smallest scale; None takes the one that ``multi_scale`` takes.
    """

    of: Surrogate | None = None

    across_scales: ClassVar[bool] = True
    fantasizes: ClassVar[bool] = False

    def faults(self) -> list[Fault]:
        """What is wrong with the fields: nothing can be."""
        return []

    @property
    def differentiable(self) -> bool:
        """Whether the surrogate of the smallest scale is."""
        return traits(self.of or GP(), SurrogateTraits).differentiable

    def fit(self, data: SupervisedDataset, *, context: FitContext, seed: int) -> Model:
        """Fit the smallest scale, then the decay; see :meth:`bomix.contracts.surrogate.Surrogate.fit`.

        Where rows are of one scale and nothing else is asked for, that is the surrogate of that scale alone.

        Raises:
            FitError: Scales differ in what parameters and tokens do not say.
        """
        return self.fit_after(None, data, context=context, seed=seed)

    def fit_after(self, before: Start | None, data: SupervisedDataset, *, context: FitContext, seed: int) -> Model:
        """The same, with a model of the smallest scale that was fitted before, where its runs are the same."""
        from bomix.surrogates.scales import freeze_thaw

        first = first_surrogate(self.of, context)
        if context.target is None:
            return first.fit(data, context=context, seed=seed)
        return freeze_thaw.fit(first, data, context=context, seed=seed, before=before)
