"""A decay over parameters and tokens as a surrogate, for many scales and for checkpoints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bomix.surrogates.scales.after_first import AfterFirst
from bomix.surrogates.scales.size_checks import size_faults

if TYPE_CHECKING:
    from botorch.models.model import Model
    from botorch.utils.datasets import SupervisedDataset

    from bomix.contracts.context import FitContext
    from bomix.contracts.surrogate import Surrogate
    from bomix.errors import Fault
    from bomix.scale import Scale
    from bomix.surrogates.scales.fitting import Start


@dataclass(frozen=True)
class FreezeThaw(AfterFirst):
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

    def scale_faults(self, scales: tuple[Scale, ...]) -> list[Fault]:
        """What sizes do not say of the scales of a study."""
        return size_faults(scales, "freeze_thaw")

    def _fit_others(
        self, first: Surrogate, before: Start | None, data: SupervisedDataset, *, context: FitContext, seed: int
    ) -> Model:
        """The decay over all scales, told by the runs of the others together."""
        from bomix.surrogates.scales import freeze_thaw

        return freeze_thaw.fit(first, data, context=context, seed=seed, before=before)
