"""One Gaussian process per metric: the surrogate that a study gets unless it asks for another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bomix.surrogates.gp.settings import GPSettings

if TYPE_CHECKING:
    from botorch.models.model import Model
    from botorch.utils.datasets import SupervisedDataset

    from bomix.contracts.context import FitContext
    from bomix.surrogates.gp.independent import IndependentGPs


@dataclass(frozen=True)
class GP(GPSettings):
    """Gaussian processes on the simplex, a mixture of families of kernels, hyperparameters drawn or optimised.

    Each metric is standardised by its own mean and standard deviation and has its own hyperparameters and noise; the
    correlation between metrics comes from leave-one-out residuals. Several kernels are several models, of which the
    belief is an equal mixture. A metric without spread (a single trial, constant values) keeps its mean and is
    uncertain by a few units; one that no trial has is the same about zero. Losses far from all others (a diverged
    run) are winsorised.

    Its fields are those of :class:`~bomix.surrogates.gp.settings.GPSettings`.
    """

    fantasizes: ClassVar[bool] = True

    def fit(self, data: SupervisedDataset, *, context: FitContext, seed: int) -> Model:
        """Fit every metric.

        Args:
            data: ``X`` is ``n x d``, ``Y`` ``n x m``, NaN where a trial lacks a metric; ``n`` may be 0. ``Yvar``,
                where it is there, is the noise variance of the runs, ``n x m``, NaN where unknown.
            context: The space behind the columns.
            seed: Seed of restarts and draws.

        Returns:
            A model whose posterior at ``batch x q x d`` weights is ``batch x q x m``.
        """
        from bomix.surrogates.data.expert_rows import examples

        chosen = examples(data, context, experts=self.experts)
        return chosen.restored(self._independent(chosen.data, chosen.context, seed=seed))

    def _independent(self, data: SupervisedDataset, context: FitContext, *, seed: int) -> IndependentGPs:
        """One Gaussian process per metric, in three steps."""
        from bomix.surrogates.gp.hyperparameters import hyperparameters
        from bomix.surrogates.gp.independent import posterior
        from bomix.surrogates.gp.inputs import inputs

        seen = inputs(data, context, self, seed=seed)
        theta = hyperparameters(seen, self, seed=seed)
        return posterior(seen, theta, correlated=self.correlated, stacked=self.shares == "stacked", common=self.scores)
