"""Gaussian processes whose metrics fill each other's gaps: for trials that lack some of the metrics."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bomix.errors import Fault
from bomix.surrogates.gp.spec import GP

if TYPE_CHECKING:
    from botorch.models.model import Model
    from botorch.utils.datasets import SupervisedDataset

    from bomix.contracts.context import FitContext
    from bomix.surrogates.gp.independent import IndependentGPs

logger = logging.getLogger(__name__)

MOST_ENTRIES = 2000
"""Metrics of all trials together, present or not, up to which gaps are filled; the time grows with the cube."""
MOST_REDRAWN = 1000
"""The same for hyperparameters that are drawn together with what is missing: every move fills all gaps anew."""
MIN_TRIALS = 4
"""Trials below which nothing is learnt of what metrics have in common."""


@dataclass(frozen=True)
class MultiTask(GP):
    """Gaussian processes with kernels of their own, coupled by the correlation of what drives them.

    Each metric has the kernels, the hyperparameters and the noise of the surrogate ``gp``, whose fields these are, all
    of them. Where a trial lacks some metrics, those that it has say what the others would have been, as far as they go
    together elsewhere; see :mod:`bomix.surrogates.gp.coupled`. Where no trial lacks any, each metric is predicted as by
    ``gp``, and only the correlation of the predictions differs. With ``correlated`` false the metrics have nothing in
    common, and gaps stay gaps: that is ``gp`` without correlation.

    Attributes:
        shrinkage: Trials that "the metrics have nothing in common" counts as; large values are ``gp``.
        together: Whether as many hyperparameters again are drawn together with what is missing, so that a metric
            which few trials have learns its lengthscales from the others, too; where there are draws, and gaps, up to
            a thousand metrics of all trials together. Not with ``pooling``, by which a metric learns from the others
            already.
    """

    shrinkage: float = 2.0
    together: bool = True

    fantasizes: ClassVar[bool] = False

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        found = super().faults()
        if not self.shrinkage > 0:
            found.append(Fault("shrinkage", f"shrinkage is {self.shrinkage}; give a number of trials above 0, 2 say"))
        return found

    def fit(self, data: SupervisedDataset, *, context: FitContext, seed: int) -> Model:
        """Fit every metric, and what they have in common; arguments as of :meth:`bomix.surrogates.gp.spec.GP.fit`.

        Returns:
            A model whose posterior at ``batch x q x d`` weights is ``batch x q x m``.
        """
        from bomix.surrogates.data.expert_rows import examples

        chosen = examples(data, context, experts=self.experts)
        independent = self._independent(chosen.data, chosen.context, seed=seed)
        return chosen.restored(self._coupled(independent, chosen.data, seed=seed) if self.correlated else independent)

    def _coupled(self, independent: IndependentGPs, data: SupervisedDataset, *, seed: int) -> IndependentGPs:
        """The same metrics, those that trials lack told by the others where that can be afforded."""
        import torch

        from bomix.surrogates.gp.coupled import CoupledGPs
        from bomix.surrogates.gp.gibbs import redrawn

        seen = ~data.Y[~data.Y.isnan().all(dim=-1)].isnan()
        if seen.numel() > MOST_ENTRIES and not seen.all():
            logger.warning("%d metrics of all trials are too many to fill gaps among; each stands alone", seen.numel())
            return independent
        with torch.no_grad():
            coupled = CoupledGPs(independent, shrinkage=self.shrinkage)
            several = len(independent.families[0].theta) > 1 and len(seen) >= MIN_TRIALS
            drawn = self.together and self.pooling is None and several
            if not drawn or seen.all() or seen.numel() > MOST_REDRAWN:
                return coupled
            again = redrawn(independent, coupled.correlation, shrinkage=self.shrinkage, seed=seed)
            return CoupledGPs(again, shrinkage=self.shrinkage)
