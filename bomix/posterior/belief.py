"""The belief that decisions rest on: a model of every metric, fitted to the record, and the objective on top of it.

An objective that compares with the uniform or the natural mixture takes what the model expects of that mixture, not
what its few runs measured: all runs tell of it, and a noisy reference makes the wrong metric the worst one.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bomix.contracts.surrogate import ModelTraits
from bomix.contracts.traits import traits
from bomix.objectives.reference import compared_with, require_reference, resolved, with_reference
from bomix.posterior.seeds import fitting_seed
from bomix.trial import CONFIRM, Status

if TYPE_CHECKING:
    from botorch.models.model import Model
    from botorch.utils.datasets import SupervisedDataset
    from torch import Tensor

    from bomix.contracts.surrogate import Surrogate
    from bomix.history import History
    from bomix.posterior.objective import ModelObjective
    from bomix.problem import Problem
    from bomix.space.polytope import Array

logger = logging.getLogger(__name__)

_ROOM = 1e-3
"""How far beyond a bound a realised weight may lie and still count as inside."""


@dataclass(frozen=True)
class Belief:
    """A surrogate's model of the record.

    Attributes:
        problem: The space, the metrics and the objective, compared with what the model expects of the reference.
        model: The model of all ``m`` metrics, in the units of the aggregate.
        data: The ``n`` runs that it was fitted to, in the same units.
        aggregate: The objective as a function of the model's outputs.
        busy: ``p x d`` mixtures that need no second trial: pending ones and those that failed, see
            :func:`busy_mixtures`.
        asked: ``r x d`` mixtures that need not be proposed as new.
    """

    problem: Problem
    model: Model
    data: SupervisedDataset
    aggregate: ModelObjective
    busy: Array
    asked: Array

    @property
    def X_pending(self) -> Tensor | None:
        """The busy mixtures as a tensor; None where there is none."""
        import torch

        return torch.as_tensor(self.busy) if len(self.busy) else None

    @property
    def X_inside(self) -> Tensor:
        """The ``n x d`` mixtures that the model learnt from and the space, or the pool, allows; all where it has none.

        What lies outside, as experts may and imported runs, is nothing to improve on.
        """
        import torch

        X, pool = self.data.X, self.problem.pool_array
        allowed = self.problem.space.contains(X.numpy(), tolerance=_ROOM)
        if pool is not None:
            allowed &= np.array([np.abs(pool - row).max(axis=1).min() <= _ROOM for row in X.numpy()], dtype=bool)
        inside = torch.as_tensor(allowed)
        return X[inside] if inside.any() else X

    def mean(self, X: Tensor) -> Tensor:
        """Posterior mean of the objective at ``n x d`` mixtures, ``n``; lower is better."""
        return self.aggregate.mean(self.model, X)

    def negated_mean(self, X: Tensor) -> Tensor:
        """The negated objective at the posterior means, ``n x 1 x d`` mixtures to ``n``; higher is better.

        No variance is computed, so that it costs far less than an acquisition function.
        """
        from bomix.surrogates.models.joint import mean_at

        return -self.aggregate(mean_at(self.model, X.squeeze(-2)))

    def ranked(self) -> Array:
        """The ``n x d`` mixtures tried, the one with the lowest posterior mean first."""
        X = self.data.X
        at_runs = None if self.aggregate.coefficients is None else traits(self.model, ModelTraits).fitted()
        values = self.mean(X) if at_runs is None else self.aggregate(at_runs)
        return np.asarray(X[values.argsort(stable=True)].numpy())


def believe(problem: Problem, history: History, surrogate: Surrogate, *, seed: int) -> Belief:
    """Fit a surrogate to the record as the next ask would.

    Args:
        problem: The space, the metrics and the objective.
        history: The record to fit to.
        surrogate: The surrogate that is fitted; a simpler one steps in where it cannot be.
        seed: The study's seed.

    Raises:
        StudyError: No trial has come back yet.
        FitError: No surrogate could be fitted, or what the objective compares with is not measured yet.
    """
    from bomix.posterior.objective import ModelObjective
    from bomix.surrogates.combined import fallback
    from bomix.surrogates.data.dataset import fit_context, to_dataset
    from bomix.surrogates.data.quarantine import learnt
    from bomix.surrogates.data.units import in_units

    history = learnt(problem, history)
    history.require_observations()
    problem = resolved(problem, history)
    require_reference(problem)
    reported = to_dataset(problem, history)
    aggregate = ModelObjective.of(problem, reported)
    data = in_units(reported, aggregate.units_of_metrics)
    for name, unseen in zip(problem.metric_names, data.Y.isnan().all(dim=0).tolist(), strict=True):
        if unseen:
            logger.warning("no trial has measured metric '%s': what is said of it is a guess", name)
    model = fallback.fit(surrogate, data, context=fit_context(problem, history), seed=fitting_seed(history, seed=seed))
    problem = _with_believed_reference(problem, model, aggregate)
    aggregate = replace(aggregate, objective=problem.objective)
    asked = problem.space.to_arrays(record.trial.weights for record in history.tried)
    return Belief(problem, model, data, aggregate, busy_mixtures(problem, history), asked)


def _with_believed_reference(problem: Problem, model: Model, aggregate: ModelObjective) -> Problem:
    """The problem whose objective compares with the model's means at the reference; the same where it has none."""
    import torch

    from bomix.surrogates.models.joint import mean_at

    if (weights := compared_with(problem)) is None:
        return problem
    X = torch.as_tensor(problem.space.to_array(weights), dtype=torch.float64)
    with torch.no_grad():
        means = (mean_at(model, X.unsqueeze(0))[0].numpy() * aggregate.factors).tolist()
    losses = dict(zip(problem.metric_names, means, strict=True))
    return replace(problem, objective=with_reference(problem.objective, losses))


def busy_mixtures(problem: Problem, history: History) -> Array:
    """``p x d`` mixtures that need no second trial: pending ones, then those that failed.

    Confirmations do not count, nor do trials of another scale than the study's, experts excepted: what became of a
    mixture at another scale says nothing of it at the study's, see :attr:`bomix.history.History.tried`.
    """
    counted = [record for record in history.tried if record.trial.origin != CONFIRM]
    records = [record for status in (Status.PENDING, Status.FAILED) for record in counted if record.status is status]
    return problem.space.to_arrays([record.trial.weights for record in records])
