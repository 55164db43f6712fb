"""Gaussian processes that share what they have not seen: for trials that lack some of the metrics."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from bomix.contracts.kernel import Kernel
from bomix.contracts.mean import Mean
from bomix.errors import Fault
from bomix.surrogates.features.spec import Features, have_gradients
from bomix.surrogates.gp.spec import GP, MIXED_KERNELS

if TYPE_CHECKING:
    from botorch.models.model import Model
    from botorch.utils.datasets import SupervisedDataset

    from bomix.contracts.context import FitContext

logger = logging.getLogger(__name__)

MOST_ENTRIES = 2000
"""Metrics of all trials together, present or not, up to which gaps are filled; the time grows with the cube."""
MOST_REDRAWN = 1000
"""The same for hyperparameters that are drawn together with what is missing."""
MIN_TRIALS = 4
"""Trials below which nothing is learnt of what metrics have in common."""


@dataclass(frozen=True)
class MultiTask:
    """Gaussian processes with kernels of their own, coupled by the correlation of what drives them.

    Each metric has the kernels, the hyperparameters and the noise of the surrogate ``gp``. Where a trial lacks some
    metrics, those that it has say what the others would have been, as far as they go together elsewhere; see
    :mod:`bomix.surrogates.gp.coupled`. Where no trial lacks any, each metric is predicted as by ``gp``, and only the
    correlation of the predictions differs.

    Attributes:
        kernels: As of :class:`bomix.surrogates.gp.spec.GP`.
        mean: As there.
        draws: As there.
        restarts: As there.
        noise: As there.
        shrinkage: Trials that "the metrics have nothing in common" counts as; large values are ``gp``.
        together: Whether as many hyperparameters again are drawn together with what is missing, so that a metric
            which few trials have learns its lengthscales from the others, too; where there are draws, and gaps, up to
            a thousand metrics of all trials together.
        features: As of :class:`bomix.surrogates.gp.spec.GP`.
        experts: As there.
    """

    kernels: tuple[Kernel, ...] = MIXED_KERNELS
    mean: Mean | None = None
    draws: int | None = None
    restarts: int | None = None
    noise: Literal["inferred", "growing", "repeats"] = "inferred"
    shrinkage: float = 2.0
    together: bool = True
    features: Features | None = None
    experts: bool = True

    fantasizes: ClassVar[bool] = False

    @property
    def differentiable(self) -> bool:
        """Whether mean and features are."""
        return have_gradients(self.mean, self.features)

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        found = self._apart().faults()
        if not self.shrinkage > 0:
            found.append(Fault("shrinkage", f"shrinkage is {self.shrinkage}; give a number of trials above 0, 2 say"))
        return found

    def fit(self, data: SupervisedDataset, *, context: FitContext, seed: int) -> Model:
        """Fit every metric, and what they have in common; arguments as of :meth:`bomix.surrogates.gp.spec.GP.fit`.

        Returns:
            A model whose posterior at ``batch x q x d`` weights is ``batch x q x m``.
        """
        import torch

        from bomix.surrogates.data.expert_rows import examples
        from bomix.surrogates.gp.coupled import CoupledGPs
        from bomix.surrogates.gp.gibbs import redrawn
        from bomix.surrogates.gp.independent import IndependentGPs

        chosen = examples(data, context, experts=self.experts)
        data = chosen.data
        apart = self._apart().fit(data, context=chosen.context, seed=seed)
        assert isinstance(apart, IndependentGPs)
        seen = ~data.Y[~data.Y.isnan().all(dim=-1)].isnan()
        if seen.numel() > MOST_ENTRIES and not seen.all():
            logger.warning("%d metrics of all trials are too many to fill gaps among; each stands alone", seen.numel())
            return chosen.restored(apart)
        with torch.no_grad():
            coupled = CoupledGPs(apart, shrinkage=self.shrinkage)
            drawn = self.together and len(apart.families[0].theta) > 1 and len(seen) >= MIN_TRIALS
            if not drawn or seen.all() or seen.numel() > MOST_REDRAWN:
                return chosen.restored(coupled)
            again = redrawn(apart, coupled.correlation, shrinkage=self.shrinkage, seed=seed)
            return chosen.restored(CoupledGPs(again, shrinkage=self.shrinkage))

    def _apart(self) -> GP:
        """The metrics by themselves."""
        return GP(self.kernels, self.mean, self.draws, self.restarts, self.noise, features=self.features)
