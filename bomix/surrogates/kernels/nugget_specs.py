"""What distinct mixtures do not share as it stands in a study file; :mod:`.nugget` computes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bomix.contracts.covariance import Covariance, KernelContext


@dataclass(frozen=True)
class Nugget:
    """One for a mixture with itself, zero for any other: what a loss has that no other mixture tells of.

    Beside the noise of a run it says that a part of what looks like noise is the mixture's, and comes again when the
    mixture is run again. Repeats tell the two apart; without any, their priors do.
    """

    def bind(self, context: KernelContext) -> Covariance:
        """The covariance function in a context; it has no hyperparameters."""
        from bomix.surrogates.kernels.nugget import NuggetCovariance

        return NuggetCovariance(context)
