"""The surrogate of the smallest scale, whose runs are many: what it costs to find its hyperparameters is bounded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from bomix.surrogates.gp.hyperparameters import DRAWS_UP_TO, hyperparameters
from bomix.surrogates.gp.independent import posterior
from bomix.surrogates.gp.inputs import inputs
from bomix.surrogates.gp.presets import QUICK
from bomix.surrogates.gp.spec import GP

if TYPE_CHECKING:
    from botorch.utils.datasets import SupervisedDataset

    from bomix.contracts.context import FitContext
    from bomix.contracts.surrogate import Surrogate
    from bomix.surrogates.gp.independent import IndependentGPs

DECIDING = 96
"""Runs that hyperparameters which metrics share are found from: an evaluation of 160 costs twice as much. Ranks of the
mean from 128 small and 8 or 24 large runs (17 domains, 13 metrics, agreement 0.8, tuning seeds 0-3) were 92.1 and 95.2
with all of them deciding, 92.0 and 95.3 with these, and 91.8 and 95.0 with 64."""
_OF_EACH = 30
"""Evaluations of the search for a metric's own about what is shared: twice as many moved predictions by half of a run's
noise, and each takes 13 factors."""


@dataclass(frozen=True)
class DecidedBySome(GP):
    """Gaussian processes of all runs, the hyperparameters of which :data:`DECIDING` of them decide.

    Those are evenly spaced in an order that the order of the record does not enter.
    """

    def _independent(self, data: SupervisedDataset, context: FitContext, *, seed: int) -> IndependentGPs:
        """One Gaussian process per metric, in the steps of ``GP``, some of the runs in the second."""
        seen = inputs(data, context, self, seed=seed)
        decide = seen
        if len(seen.order) > DECIDING:
            some = torch.linspace(0, len(seen.order) - 1, DECIDING).round().long()
            decide = replace(seen, order=seen.order[some])
        theta = hyperparameters(decide, self, seed=seed, evaluations=_OF_EACH)
        return posterior(seen, theta, correlated=self.correlated, stacked=self.shares == "stacked", common=self.scores)


def economical(surrogate: Surrogate, n: int) -> Surrogate:
    """The surrogate of ``n`` small runs.

    Where no hyperparameters are drawn for as many, they are found once for nearly as many; where metrics share the best
    ones, a part of the runs decides.
    """
    if not isinstance(surrogate, GP):
        return surrogate
    if surrogate.draws is None and n > DRAWS_UP_TO:
        surrogate = replace(surrogate, draws=0, restarts=1, growth=QUICK.growth)
    if type(surrogate) is not GP or surrogate.draws != 0 or surrogate.pooling is None:
        return surrogate
    return DecidedBySome(**vars(surrogate))
