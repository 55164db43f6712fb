"""How a budget is best spent over scales: what a few allocations are expected to bring, before it is spent.

Before there are runs, functions are drawn with as many domains and metrics as the study has, at several rank agreements
of neighbouring scales, which nobody knows yet. Once there are, functions are drawn from the model across scales, and
what was run is known from the start.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bomix.errors import Fault, raise_faults
from bomix.evaluators.synthetic.spec import Synthetic
from bomix.recommendation.spending import Allocation, World, allocations, regret
from bomix.space.polytope import Array
from bomix.strategies.bayesian.affordable import usable
from bomix.strategies.design_first import design_size

if TYPE_CHECKING:
    from bomix.contracts.surrogate import Surrogate
    from bomix.history import History
    from bomix.problem import Problem

AGREEMENTS = (0.3, 0.6, 0.8, 0.95)
"""Rank agreements of neighbouring scales that are simulated: from scales that mislead to nearly one function."""
MIXTURES = 300
"""Mixtures of the space that can be run in a simulation; the best of them is what regret is measured from."""
_LEAST_RUNS = 6
"""Runs at two scales from which on the model is asked and not the functions: fewer teach it little."""
_TRIED = 40
"""Mixtures tried, the best, that can be run again in a simulation from the model."""
_OF_MODEL = 120
"""Mixtures in such a simulation, these included: covariances of every metric at every scale take the square of it."""


@dataclass(frozen=True)
class Outlook:
    """What an allocation is expected to bring in one state of the world.

    Attributes:
        regret: Mean regret of the mixture that is recommended in the end, in the objective's unit.
        error: Standard error of that mean over the functions.
    """

    regret: float
    error: float

    @property
    def interval(self) -> tuple[float, float]:
        """Central 95 % interval of the mean, not below zero."""
        return max(0.0, self.regret - 2.0 * self.error), self.regret + 2.0 * self.error


@dataclass(frozen=True)
class SpendingPlan:
    """Allocations of a budget and what they are expected to bring.

    Attributes:
        scales: Names of the scales, the cheapest first, the target last.
        costs: Cost of a run of each.
        budget: What is to be spent.
        states: What was simulated: ``0.8`` for a rank agreement, or ``posterior``.
        allocations: The allocations.
        outlooks: One row for each allocation, one entry for each state.
        functions: Functions of each state.
        agreement: Rank agreement of each scale with the target that the model expects; empty without runs.
    """

    scales: tuple[str, ...]
    costs: tuple[float, ...]
    budget: float
    states: tuple[str, ...]
    allocations: tuple[Allocation, ...]
    outlooks: tuple[tuple[Outlook, ...], ...]
    functions: int
    agreement: tuple[float, ...] = ()

    @property
    def recommended(self) -> int:
        """Number of the allocation with the lowest regret, the states taken for equally likely."""
        means = [sum(each.regret for each in row) for row in self.outlooks]
        return int(np.argmin(means))

    @property
    def near(self) -> tuple[int, ...]:
        """Numbers of the other allocations whose mean regret is within two standard errors of the recommended one."""
        means = np.array([[each.regret for each in row] for row in self.outlooks]).mean(axis=1)
        errors = np.array([[each.error for each in row] for row in self.outlooks])
        variance = (errors**2).sum(axis=1) / errors.shape[1] ** 2
        best = self.recommended
        within = means - means[best] <= 2.0 * np.sqrt(variance + variance[best])
        return tuple(number for number in np.flatnonzero(within).tolist() if number != best)

    @property
    def trusted(self) -> tuple[float | None, ...]:
        """For each scale below the target the least agreement from which on it pays, None where it never does.

        It pays where some allocation with runs of it, and of no other scale below the target, is expected to bring less
        regret than all at the target. Empty where the model was asked.
        """
        if self.agreement:
            return ()
        found: list[float | None] = []
        for number in range(len(self.scales) - 1):
            with_it = [
                row
                for allocation, row in zip(self.allocations, self.outlooks, strict=True)
                if allocation.runs[number] and sum(allocation.runs[:-1]) == allocation.runs[number]
            ]
            pays = [
                min((row[state].regret for row in with_it), default=math.inf) < self.outlooks[0][state].regret
                for state in range(len(self.states))
            ]
            last_miss = max((state for state, each in enumerate(pays) if not each), default=-1)
            found.append(float(self.states[last_miss + 1]) if last_miss + 1 < len(self.states) else None)
        return tuple(found)


def plan_spending(
    problem: Problem, history: History, surrogate: Surrogate, *, budget: float, functions: int, seed: int
) -> SpendingPlan:
    """Simulate a few allocations of a budget.

    Args:
        problem: A study of several scales.
        history: Its runs, if any.
        surrogate: Model across scales, for functions drawn from the runs.
        budget: Cost that may be spent, in the unit of the scales' costs.
        functions: Functions that are drawn for each state.
        seed: Decides everything random.

    Raises:
        FaultsError: The study has no two scales that are trained, or has given the smaller ones up, or the budget is
            below a run of the target.
    """
    scales = usable(problem)
    _refuse(problem, history, budget)
    names, costs = tuple(each.name for each in scales), tuple(each.cost for each in scales)
    ways = allocations(names, costs, budget)
    runs = [sum(history.counted_as(record) == each.scale for record in history.informative) for each in scales]
    design, agreement = design_size(None, problem), tuple[float, ...]()
    if sum(count >= _LEAST_RUNS for count in runs) >= 2:
        worlds, agreement = _of_model(problem, history, surrogate, functions, seed)
        states = {"posterior": worlds}
    else:
        states = {f"{each:g}": _drawn(problem, len(scales), each, functions, seed) for each in AGREEMENTS}
    outlooks = tuple(tuple(_outlook(worlds, way, design, seed) for worlds in states.values()) for way in ways)
    return SpendingPlan(names, costs, budget, tuple(states), tuple(ways), outlooks, functions, agreement)


def _refuse(problem: Problem, history: History, budget: float) -> None:
    """Refuse a study of one scale, a target not trained, smaller scales given up, and too little to spend."""
    scales = usable(problem)
    if len(scales) < 2:
        what = "the study has no two scales that are trained, so that there is nothing to divide; name them (scales)"
        raise_faults([Fault("scales", what)])
    if scales[-1].scale != problem.scale:
        what = "the scale that is decided about is not trained here, so that no allocation reaches it"
        raise_faults([Fault("target.scale", f"{what}; name one that is")])
    if history.target_alone:
        what = (
            "left-out runs said that smaller scales mislead, and the search gave them up for good, so that there is "
            f"nothing to divide: all that is left goes to {scales[-1].name} (`bomix optimize`)"
        )
        raise_faults([Fault("trials", what)])
    if not budget >= scales[-1].cost:
        what = f"{budget:g} is less than one run of {scales[-1].name} costs ({scales[-1].cost:g}); give more"
        raise_faults([Fault("cost", what)])


def _outlook(worlds: Sequence[World], way: Allocation, design: int, seed: int) -> Outlook:
    """What an allocation brings on average over some functions."""
    found = np.array([regret(world, way, design=design, seed=seed + number) for number, world in enumerate(worlds)])
    error = found.std(ddof=1) / math.sqrt(len(found)) if len(found) > 1 else math.nan
    return Outlook(float(found.mean()), float(error))


def _drawn(problem: Problem, count: int, agreement: float, functions: int, seed: int) -> list[World]:
    """Functions with as many domains and metrics as the study has; the objective is the mean of the metrics."""
    d, m = problem.space.dimension, len(problem.metrics)
    X = _mixtures(problem, seed)
    found = []
    for number in range(functions):
        function = Synthetic(domains=d, useless=max(0, d - m), seed=seed + number, agreement=agreement)
        at = [replace(function, below=below) for below in reversed(range(count))]
        values = np.array([each.value(X) for each in at])
        # Slopes are learnt from the metrics; what is left to find out are ranks.
        ratio = values[-1].std() / values.std(axis=1)
        found.append(World(X, values * ratio[:, None], function.noise * ratio))
    return found


def _of_model(
    problem: Problem, history: History, surrogate: Surrogate, functions: int, seed: int
) -> tuple[list[World], tuple[float, ...]]:
    """Functions drawn from the model of the runs, and how its scales are expected to agree with the target in rank."""
    from bomix.numerics.determinism import deterministic
    from bomix.numerics.repeats import distinct
    from bomix.posterior.belief import believe
    from bomix.recommendation.spending_draws import Objectives
    from bomix.space.weights import SAME_MIXTURE
    from bomix.surrogates.data.quarantine import learnt
    from bomix.surrogates.models.scales import MultiScaleModel

    scales = [each.scale for each in usable(problem)]
    with deterministic():
        belief = believe(problem, history, surrogate, seed=seed)
        if not isinstance(belief.model, MultiScaleModel):
            what = "it learns from one scale; take 'multi_scale'"
            raise_faults([Fault("strategy.surrogate", what)])
        assert isinstance(belief.model, MultiScaleModel)
        near = belief.ranked()[:_TRIED]
        others = _mixtures(problem, seed, count=_OF_MODEL - len(near))
        X = distinct(np.concatenate([near, others]), tolerance=SAME_MIXTURE)
        objectives = Objectives.of(belief.model, belief.aggregate, X, scales)
    draws = objectives.drawn(functions, np.random.default_rng(seed))
    rows = learnt(problem, history).informative
    numbers = np.array([scales.index(scale) if (scale := history.counted_as(row)) in scales else -1 for row in rows])
    observed = belief.aggregate(belief.data.Y).numpy()
    kept = (numbers >= 0) & np.isfinite(observed)
    # Slopes are known from the metrics; what is left to find out are ranks.
    spread = draws.std(axis=(0, 2))
    ratio, unit = spread[-1] / spread, belief.aggregate.unit
    shown = unit * observed[kept] * ratio[numbers[kept]]
    seen = belief.data.X.numpy()[kept]
    worlds = [
        World(X, unit * values * ratio[:, None], unit * objectives.noise * ratio, seen, numbers[kept], shown)
        for values in draws
    ]
    return worlds, tuple(np.mean([_rank_agreement(values) for values in draws], axis=0).tolist())


def _rank_agreement(values: Array) -> Array:
    """Spearman's correlation of each row of ``s x p`` values with the last, the last left out."""
    ranks = np.argsort(np.argsort(values, axis=1, kind="stable"), axis=1, kind="stable")
    return np.atleast_2d(np.corrcoef(ranks))[-1, :-1]


def _mixtures(problem: Problem, seed: int, *, count: int = MIXTURES) -> Array:
    """Mixtures that can be run in a simulation: of the pool, or spread over the space with the anchors."""
    pool, space = problem.pool_array, problem.space
    if pool is not None:
        return pool
    anchors = space.to_arrays(list(problem.anchors().values()))
    return np.concatenate([anchors, space.sobol(max(count - len(anchors), 1), seed=seed)])
