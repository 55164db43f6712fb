"""Anchored deltas as a surrogate: the small scale's predictions, and a shift."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bomix.surrogates.scales.after_first import AfterFirst

if TYPE_CHECKING:
    from botorch.models.model import Model
    from botorch.utils.datasets import SupervisedDataset

    from bomix.contracts.context import FitContext
    from bomix.contracts.surrogate import Surrogate
    from bomix.surrogates.scales.fitting import Start


@dataclass(frozen=True)
class Anchored(AfterFirst):
    """What the smallest scale of enough runs predicts, moved by the mean difference of a larger scale's runs.

    Mixtures are ordered as the small scale orders them; larger runs tell how far losses fall and how large the errors
    are, nothing else.

    Attributes:
        of: Surrogate of the smallest scale; None takes the one that ``multi_scale`` takes.
    """

    def _fit_others(
        self, first: Surrogate, before: Start | None, data: SupervisedDataset, *, context: FitContext, seed: int
    ) -> Model:
        """Shifts of all other scales, told by their runs."""
        from bomix.surrogates.scales import anchored

        return anchored.fit(first, data, context=context, seed=seed, before=before)
