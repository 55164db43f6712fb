"""Bayesian optimisation: a design first, then the mixture of the highest acquisition value under the surrogate."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from bomix.acquisition.improvement import LogEI
from bomix.contracts.acquisition import Acquisition
from bomix.contracts.strategy import Strategy
from bomix.contracts.surrogate import Surrogate
from bomix.errors import Fault, count_faults
from bomix.posterior.belief import believe, learns_across
from bomix.posterior.seeds import AskSeeds
from bomix.strategies.bayesian.reference_runs import reference_again
from bomix.strategies.bayesian.search import best_of_pool, most_promising, pool_faults, with_pool
from bomix.strategies.checks import need_faults, part_faults, relative_strategy
from bomix.strategies.design_first import design_goes_on, design_size, take
from bomix.strategies.designs import Sobol
from bomix.surrogates.gp.spec import GP
from bomix.trial import Candidate

if TYPE_CHECKING:
    from bomix.history import History
    from bomix.posterior.belief import Belief
    from bomix.problem import Problem
    from bomix.space.polytope import Array


@dataclasses.dataclass(frozen=True)
class Bayesian:
    """A design, then the maximiser of an acquisition function over the space.

    Attributes:
        surrogate: Model of every metric.
        acquisition: Acquisition function.
        design: Strategy that proposes the first trials; designs begin with the uniform and the natural mixture.
        n_init: Trials of the design, anchors and imported runs counted; None takes two more than there are domains, at
            least 5 and at most 32, or 2 where experts of all domains come first.
        pool: A CSV file with a column per domain, relative to the study: only its mixtures are proposed, by the design
            too, and recommended; of the design and the anchors, those that are nearest.
        repeats: Whether a leader is tried once more, on another seed, where that is worth more than a new mixture.
        alone: Surrogate of the objective as if it were the only metric, which takes the place of that of the metrics
            at an ask where it predicts the objective of the runs better, each from the others; None never asks it.
            Worth it where single metrics are mostly noise and their mean is not.
        raw: Points of the space that are scored to find starts; None takes fewer where domains are many, as chance
            finds little there and the best trials show the way.
        starts: Starts of the search for the best mixture.
    """

    surrogate: Surrogate = GP()
    acquisition: Acquisition = LogEI()
    design: Strategy = Sobol()
    n_init: int | None = None
    pool: str | None = None
    repeats: bool = False
    alone: Surrogate | None = None
    raw: int | None = None
    starts: int = 8

    def faults(self) -> list[Fault]:
        """What is wrong with the fields, and what cannot work together."""
        counts = [*count_faults(n_init=self.n_init), *count_faults(1, raw=self.raw, starts=self.starts)]
        needs = need_faults(self.acquisition, self.surrogate)
        return counts + needs + ([] if self.alone is None else need_faults(self.acquisition, self.alone))

    def problem_faults(self, problem: Problem) -> list[Fault]:
        """What does not fit the study: its objective, what the design needs, the pool."""
        found = part_faults(self.acquisition, self.surrogate, self.design, problem, self.n_init)
        return found + ([] if self.pool is None else pool_faults(self.pool, problem))

    def relative_to(self, folder: Path) -> Bayesian:
        """The same with the pool's path, and those of the design, taken from a study's folder."""
        design = relative_strategy(self.design, folder)
        return dataclasses.replace(self, design=design, pool=None if self.pool is None else str(folder / self.pool))

    def settled(self, problem: Problem, history: History) -> bool:
        """Whether the next trial is one of the design in any case."""
        problem = with_pool(problem, self.pool)
        size, across = design_size(self.n_init, problem, self.design), learns_across(self.surrogate, history)
        return design_goes_on(problem, history, design=self.design, size=size, across=across)

    def ask(self, problem: Problem, history: History, q: int, *, seed: int) -> list[Candidate]:
        """Propose ``q`` mixtures, one after the other, the earlier ones pending."""
        problem = with_pool(problem, self.pool)
        size = design_size(self.n_init, problem, self.design)

        def choose(problem: Problem, history: History) -> Candidate:
            if (reference := reference_again(problem, history)) is not None:
                return reference
            belief = self._belief(problem, history, seed)
            point = self._best(belief, AskSeeds.of(seed, history.n_asked))
            origin = self.acquisition.origin
            if self.repeats:
                from bomix.strategies.bayesian.replication import leader_to_repeat

                if (leader := leader_to_repeat(belief, point, history=history)) is not None:
                    point, origin = leader, "repeat"
            return Candidate(problem.space.to_weights(point), origin)

        across = learns_across(self.surrogate, history)
        return take(problem, history, q, design=self.design, size=size, choose=choose, seed=seed, across=across)

    def _belief(self, problem: Problem, history: History, seed: int) -> Belief:
        """What the ask rests on: the belief about every metric, or that about the objective alone."""
        if self.alone is None:
            return believe(problem, history, self.surrogate, seed=seed)
        from bomix.posterior.objective_alone import surer_belief

        return surer_belief(problem, history, self.surrogate, self.alone, seed=seed)

    def _best(self, belief: Belief, seeds: AskSeeds) -> Array:
        """The ``d`` weights of the highest acquisition value, out of the pool or over the space."""
        if (pool := belief.problem.pool_array) is not None:
            return best_of_pool(belief, self.acquisition, pool, seed=seeds.acquisition)
        point, _ = most_promising(
            belief, self.acquisition, self.surrogate, seeds=seeds, raw=self.raw, starts=self.starts
        )
        return point
