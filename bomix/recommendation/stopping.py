"""When more trials are not worth it: the improvement that the best candidate promises has become small."""

from __future__ import annotations

import math
from collections.abc import MutableMapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bomix.acquisition.improvement import LogEI, together
from bomix.contracts.strategy import StrategyTraits
from bomix.contracts.surrogate import SurrogateTraits
from bomix.contracts.traits import traits
from bomix.errors import FitError
from bomix.posterior.belief import believe, learns_across
from bomix.posterior.explored import explored
from bomix.posterior.seeds import AskSeeds
from bomix.recommendation.decision import as_tensor, minimiser
from bomix.strategies.bayesian.search import with_pool
from bomix.strategies.design_first import design_size, too_few
from bomix.trial import CONFIRM, Record, Status

if TYPE_CHECKING:
    from botorch.acquisition.acquisition import AcquisitionFunction
    from torch import Tensor

    from bomix.config.budget import BudgetSpec
    from bomix.contracts.strategy import Strategy
    from bomix.contracts.surrogate import Surrogate
    from bomix.history import History
    from bomix.problem import Problem

Seen = MutableMapping[tuple[int, ...], float | None]
"""Ids of the trials that an expectation stands on, and the expectation: what was computed once need not be again."""


def why_stop(
    problem: Problem,
    history: History,
    strategy: Strategy,
    budget: BudgetSpec,
    *,
    seed: int,
    seen: Seen | None = None,
) -> str | None:
    """Why no further trial is worth it; None where one is.

    A pure function of the record: what was expected at earlier asks is what the record without the trials since then
    expects. Pending trials and the present round of confirmations do not count, so that a search that has ended stays
    ended when its recommendation is confirmed.

    Args:
        problem: The space, the metrics and the objective.
        history: The record.
        strategy: The study's strategy. Its own ``expected_improvement`` decides where it has that method, else its
            surrogate does, once the design is over; see :class:`~bomix.contracts.strategy.StrategyTraits`.
        budget: Its ``improvement``, in the objective's unit, is the least worth a trial; its ``patience`` is the number
            of asks in a row that must expect less.
        seed: The study's seed.
        seen: Expectations computed before, which are taken from here; new ones are added.

    Returns:
        The reason in words; None where the search should go on.
    """
    if budget.improvement is None:
        return None
    present = {record.trial.id for record in history.confirming}
    records = tuple(record for record in history.tried if _counts(record) and record.trial.id not in present)
    searched = [record.trial.id for record in records if record.trial.origin != CONFIRM]
    if len(searched) < budget.patience:
        return None
    seen = {} if seen is None else seen
    latest = math.nan
    for back in range(budget.patience):
        # The newest first: as a rule it alone says that the search goes on.
        end = searched[-back] if back else math.inf
        known = replace(history, records=tuple(record for record in records if record.trial.id < end))
        key = tuple(record.trial.id for record in known.records)
        if key not in seen:
            seen[key] = expected_improvement(problem, known, strategy, seed=seed)
        found = seen[key]
        if found is None or found >= budget.improvement:
            return None
        latest = latest if back else found
    asks = f"at {budget.patience} asks in a row" if budget.patience > 1 else "at the last ask"
    return f"an expected improvement below {budget.improvement:g} {asks} (now {latest:.2g})"


def expected_improvement(problem: Problem, history: History, strategy: Strategy, *, seed: int) -> float | None:
    """Expected improvement of the best candidate over the best mixture known, in the unit of the objective.

    Known are the mixtures tried that the space allows, and the minimiser of the posterior mean over what was explored,
    of which candidates come too: up to :data:`~bomix.posterior.explored.MANY` domains that is the whole space. Of a
    pool, known is what was tried, and candidates are what is left. The belief is that of asks; what a study
    recommends may differ by the draws of hyperparameters, a shrinking or a smoothing.

    Args:
        problem: The space, the metrics and the objective.
        history: The record.
        strategy: The study's strategy; where it hands its asks on, the strategy that acts decides.
        seed: The study's seed.

    Returns:
        A number not below zero; None where the strategy cannot tell: it has no surrogate, is still in its design, or
        nothing could be fitted.
    """
    own = traits(strategy, StrategyTraits)
    if own.expected_improvement is not None:
        return own.expected_improvement(problem, history, seed=seed)
    if own.acting is not None:
        return expected_improvement(problem, history, own.acting(problem, history), seed=seed)
    if own.surrogate is None:
        return None
    if too_few(problem, history, _design_trials(own, problem), across=learns_across(own.surrogate, history)):
        return None
    from bomix.numerics.determinism import deterministic

    try:
        with deterministic():
            return _best_expected(with_pool(problem, own.pool), history, own.surrogate, seed=seed)
    except FitError:
        return None


def _design_trials(own: StrategyTraits, problem: Problem) -> int:
    """Trials that a strategy proposes without looking at results."""
    return design_size(own.n_init, problem, own.design) if own.design_trials is None else own.design_trials(problem)


def _best_expected(problem: Problem, history: History, surrogate: Surrogate, *, seed: int) -> float:
    from bomix.optimization.multistart import Search, best_of, optimize, value_at
    from bomix.space.weights import is_among

    seeds = AskSeeds.of(seed, history.n_asked)
    belief = believe(problem, history, surrogate, seed=seed)
    unit = belief.aggregate.unit

    def improvement(known: Tensor) -> AcquisitionFunction:
        return LogEI().build(belief.model, belief.aggregate, X_observed=known, X_pending=None, seed=seeds.acquisition)

    if (pool := problem.pool_array) is not None:
        # What is left of the pool, and nothing once it is used up.
        acquisition = improvement(belief.X_inside)
        left = [point for point in pool if not is_among(point, belief.asked)]
        return unit * math.exp(value_at(acquisition, best_of(acquisition, np.array(left)))) if left else 0.0
    part = explored(problem.space, history, across=learns_across(surrogate, history))
    # A search that learns what losses look like need not try the mixture that it would recommend.
    recommended = minimiser(belief, surrogate, part, seed=seeds.search, search=Search())
    acquisition = improvement(together(belief.X_inside, as_tensor([recommended])))
    best = optimize(
        acquisition,
        part,
        seed=seeds.search,
        near=np.concatenate([recommended[None], belief.ranked()]),
        avoid=belief.busy,
        gradients=traits(surrogate, SurrogateTraits).differentiable,
    )
    return unit * math.exp(value_at(acquisition, best))


def _counts(record: Record) -> bool:
    """Whether a trial has come back."""
    return record.status is Status.COMPLETED
