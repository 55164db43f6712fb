"""Data mixture as regression: simulate very many mixtures, predict them all, average the best.

References:
    [Liu2025] RegMix: data mixture as regression for language model pre-training.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from bomix.contracts.strategy import Strategy
from bomix.contracts.surrogate import Surrogate
from bomix.errors import Fault, count_faults
from bomix.objectives.reference import require_reference, resolved
from bomix.posterior.belief import believe, learns_across
from bomix.posterior.expected import on_arrays, predicted
from bomix.posterior.seeds import RegressionSeeds, fitting_seed
from bomix.space import constrained
from bomix.strategies.checks import design_faults
from bomix.strategies.design_first import design_goes_on, design_size, take
from bomix.strategies.designs import Dirichlet, even, temperature_faults, tempered
from bomix.strategies.regression.next_best import Found, fresh
from bomix.surrogates.regression.specs import LightGBM
from bomix.trial import Candidate

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.history import History
    from bomix.problem import Problem
    from bomix.space.mixture_space import MixtureSpace
    from bomix.space.polytope import Array

_AT_ONCE = 2**16
"""Mixtures drawn at a time, of which the best are kept: with a hundred domains, 52 MB of doubles. Draws of another
number are other draws."""


@dataclass(frozen=True)
class RegMix:
    """A design first, then the average of the best of simulated mixtures, as in [Liu2025]_, sections 3.3 and 3.4.

    Simulated are draws of ``Dirichlet(c p)``, ``p`` the shares of the tokens (uniform where they are unknown) and
    ``c`` drawn anew each time; a draw that breaks a bound is projected, one that breaks a constraint moved towards the
    middle of the space until all hold, since a million projections under constraints take minutes. What is predicted
    there is the mean of the surrogate's belief.

    Attributes:
        surrogate: The surrogate that predicts. The published setting is ``lightgbm`` with a ``leaf`` of 20, for
            hundreds of trials.
        n_init: Trials of the design, imported runs counted; None takes all trials of the study but the last, as
            published, or where their number is unknown two more than there are domains, at least 5 and at most 32.
        design: Strategy that proposes them.
        target: Target of the regression: the ``objective``, as published, or every one of the ``metrics``, of whose
            predictions the objective is then taken: more exact, and slower by their number.
        simulated: Number of mixtures that are predicted.
        averaged: Number of the best of them, whose average is proposed.
        concentration: Smallest and largest ``c``, uniformly drawn.
        temperature: The shares are taken to the power ``1 / temperature`` first.
    """

    surrogate: Surrogate = LightGBM()
    n_init: int | None = None
    design: Strategy = Dirichlet()
    target: Literal["objective", "metrics"] = "objective"
    simulated: int = 1_000_000
    averaged: int = 100
    concentration: tuple[float, ...] = (0.1, 5.0)
    temperature: float = 1.0

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        found = count_faults(n_init=self.n_init) + count_faults(1, simulated=self.simulated, averaged=self.averaged)
        if self.averaged > self.simulated:
            text = f"averaged is {self.averaged}, more than the {self.simulated} that are simulated; give fewer"
            found.append(Fault("averaged", text))
        if len(self.concentration) != 2 or not 0.0 < self.concentration[0] <= self.concentration[1]:
            shown = list(self.concentration)
            found.append(Fault("concentration", f"expected [smallest, largest], both above 0, found {shown}"))
        if self.surrogate is type(self).surrogate:  # a default that no file names is checked by no one else
            found += [Fault(f"surrogate.{fault.where}", fault.what) for fault in LightGBM().faults()]
        return found + temperature_faults(self.temperature)

    def problem_faults(self, problem: Problem) -> list[Fault]:
        """What the design needs and the problem does not know."""
        return design_faults(self.design, problem, self.n_init)

    def design_trials(self, problem: Problem) -> int:
        """Trials of the design in this study."""
        if self.n_init is None and problem.budget is not None:
            return problem.budget - 1
        return design_size(self.n_init, problem, self.design)

    def settled(self, problem: Problem, history: History) -> bool:
        """Whether the next trial is one of the design in any case."""
        size, across = self.design_trials(problem), learns_across(self.surrogate, history)
        return design_goes_on(problem, history, design=self.design, size=size, across=across)

    def ask(self, problem: Problem, history: History, q: int, *, seed: int) -> list[Candidate]:
        """Propose ``q`` mixtures; see :class:`bomix.contracts.strategy.Strategy`."""

        def choose(problem: Problem, history: History) -> Candidate:
            seeds = RegressionSeeds.of(seed, history.n_asked)
            found = self._minimise(problem, history, seed, seeds.search)
            return Candidate(problem.space.to_weights(fresh(found, problem, history, seed=seeds.directions)), "regmix")

        size = self.design_trials(problem)
        across = learns_across(self.surrogate, history)
        return take(problem, history, q, design=self.design, size=size, choose=choose, seed=seed, across=across)

    def _minimise(self, problem: Problem, history: History, seed: int, search_seed: int) -> Found:
        fit = self._metrics if self.target == "metrics" else self._objective
        values, space = on_arrays(fit(problem, history, seed)), problem.space
        best = self.best_simulated(values, problem, np.random.default_rng(search_seed))
        return Found(space.snap(space.project(best.mean(axis=0))), values, space)

    def best_simulated(self, values: Callable[[Array], Array], problem: Problem, rng: np.random.Generator) -> Array:
        """The ``averaged`` mixtures of the lowest values among the ``simulated`` ones, the best first.

        Args:
            values: ``n x d`` mixtures to ``n`` values; lower is better.
            problem: The space, and the shares of the tokens where they are known.
            rng: Source of the simulated mixtures.
        """
        d = problem.space.dimension
        prior = even(problem) if problem.natural is None else tempered(problem, self.temperature)
        points, scores = np.empty((0, d)), np.empty(0)
        for first in range(0, self.simulated, _AT_ONCE):
            count = min(_AT_ONCE, self.simulated - first)
            drawn = _within(problem.space, _drawn(prior, self.concentration, count, rng))
            points, scores = np.concatenate([points, drawn]), np.concatenate([scores, values(drawn)])
            order = np.argsort(scores, kind="stable")[: self.averaged]
            points, scores = points[order], scores[order]
        return points

    def _metrics(self, problem: Problem, history: History, seed: int) -> Callable[[Tensor], Tensor]:
        """The objective of predicted metrics, ``n x d`` weights to ``n``."""
        return predicted(believe(problem, history, self.surrogate, seed=seed))

    def _objective(self, problem: Problem, history: History, seed: int) -> Callable[[Tensor], Tensor]:
        """The objective as predicted itself, ``n x d`` weights to ``n``."""
        from botorch.utils.datasets import SupervisedDataset

        from bomix.posterior.objective import ModelObjective
        from bomix.surrogates.combined import fallback
        from bomix.surrogates.data.dataset import fit_context, to_dataset
        from bomix.surrogates.data.units import in_units, units
        from bomix.surrogates.models.joint import mean_at

        problem = resolved(problem, history)
        require_reference(problem)
        data, name = to_dataset(problem, history), "objective"
        target = ModelObjective.of(problem)(data.Y).unsqueeze(-1)
        whole = SupervisedDataset(data.X, target, feature_names=list(problem.space.domains), outcome_names=[name])
        context = replace(fit_context(problem, history), metrics=(name,))
        whole = in_units(whole, units(whole.Y))
        model = fallback.fit(self.surrogate, whole, context=context, seed=fitting_seed(history, seed=seed))
        return lambda X: mean_at(model, X).squeeze(-1)


def _drawn(prior: Array, concentration: tuple[float, ...], count: int, rng: np.random.Generator) -> Array:
    """``count x d`` draws of Dirichlet distributions about a prior, bounds not regarded."""
    strength = rng.uniform(concentration[0], concentration[1], size=(count, 1))
    parts = rng.standard_gamma(strength * prior)
    total = parts.sum(axis=1, keepdims=True)
    # Where all parts are too small for a number, so sparse a draw is one domain alone.
    lost = np.flatnonzero(total[:, 0] == 0.0)
    parts[lost, rng.choice(len(prior), size=len(lost), p=prior)] = total[lost] = 1.0
    return np.asarray(parts / total)


def _within(space: MixtureSpace, points: Array) -> Array:
    """Points of which those that break a bound are projected, or moved inside where there are constraints."""
    if space.rows is not None:
        return constrained.pulled_inside(points, space.lower_array, space.upper_array, space.rows)
    outside = ((points < space.lower_array) | (points > space.upper_array)).any(axis=1)
    points[outside] = space.project(points[outside])
    return points
