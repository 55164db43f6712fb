"""Bayesian optimisation in random low-dimensional parts of the space, one for each ask [Kirschner2019]_.

A linear embedding of a small simplex whose corners are mixtures of the space stays in the space whatever the bounds:
every point of it is a mixture of mixtures.

References:
    [Kirschner2019] Adaptive and safe Bayesian optimization in high dimensions via one-dimensional subspaces.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bomix.acquisition.improvement import LogEI
from bomix.contracts.acquisition import Acquisition, AcquisitionTraits
from bomix.contracts.strategy import Strategy
from bomix.contracts.surrogate import Surrogate, SurrogateTraits
from bomix.contracts.traits import traits
from bomix.errors import Fault, count_faults
from bomix.numerics.repeats import distinct
from bomix.posterior.belief import believe, learns_across
from bomix.posterior.seeds import AskSeeds
from bomix.space.mixture_space import MixtureSpace
from bomix.space.weights import SAME_MIXTURE
from bomix.strategies.bayesian.reference_runs import reference_again
from bomix.strategies.bayesian.search import acquisition_function, not_pending
from bomix.strategies.checks import need_faults, part_faults
from bomix.strategies.design_first import design_goes_on, design_size, take
from bomix.strategies.designs import Sobol
from bomix.surrogates.gp.spec import GP
from bomix.trial import Candidate

if TYPE_CHECKING:
    from bomix.history import History
    from bomix.posterior.belief import Belief
    from bomix.problem import Problem
    from bomix.space.polytope import Array

_SPARSE = 0.1
"""Concentration of the Dirichlet distribution of the corners: each is mostly one or two domains, so that mixtures of a
few corners reach far into the space."""


@dataclass(frozen=True)
class Embedded:
    """A design, then the maximiser of an acquisition function over mixtures of a few mixtures.

    The corners of each ask's small simplex are the best trial, the uniform mixture and random mixtures, few domains
    in each.

    Attributes:
        surrogate: Model of every metric.
        acquisition: Acquisition function.
        design: Strategy that proposes the first trials.
        n_init: Trials of the design, anchors and imported runs counted; None takes two more than there are domains, at
            least 5 and at most 32, or 2 where experts of all domains come first.
        corners: Number of corners of each ask's small simplex.
    """

    surrogate: Surrogate = GP()
    acquisition: Acquisition = LogEI()
    design: Strategy = Sobol()
    n_init: int | None = None
    corners: int = 10

    def faults(self) -> list[Fault]:
        """What is wrong with the fields, and what cannot work together."""
        counts = [*count_faults(n_init=self.n_init), *count_faults(3, corners=self.corners)]
        return counts + need_faults(self.acquisition, self.surrogate)

    def problem_faults(self, problem: Problem) -> list[Fault]:
        """What does not fit the study: its objective, what the design needs."""
        return part_faults(self.acquisition, self.surrogate, self.design, problem, self.n_init)

    def settled(self, problem: Problem, history: History) -> bool:
        """Whether the next trial is one of the design in any case."""
        size, across = design_size(self.n_init, problem, self.design), learns_across(self.surrogate, history)
        return design_goes_on(problem, history, design=self.design, size=size, across=across)

    def ask(self, problem: Problem, history: History, q: int, *, seed: int) -> list[Candidate]:
        """Propose ``q`` mixtures, one after the other, the earlier ones pending."""

        def choose(problem: Problem, history: History) -> Candidate:
            if (reference := reference_again(problem, history)) is not None:
                return reference
            belief = believe(problem, history, self.surrogate, seed=seed)
            seeds = AskSeeds.of(seed, history.n_asked)
            point = self._best(belief, _corners(belief, self.corners, seeds.subspace), seeds)
            return Candidate(problem.space.to_weights(point), "embedded")

        size = design_size(self.n_init, problem, self.design)
        across = learns_across(self.surrogate, history)
        return take(problem, history, q, design=self.design, size=size, choose=choose, seed=seed, across=across)

    def _best(self, belief: Belief, corners: Array, seeds: AskSeeds) -> Array:
        """The ``d`` weights of the best mixture of ``e x d`` corners that is not pending already."""
        import torch

        from bomix.optimization.multistart import optimize

        acquisition, onto = acquisition_function(belief, self.acquisition, seeds.acquisition), torch.as_tensor(corners)
        found = optimize(
            lambda X: acquisition(X @ onto),
            MixtureSpace([f"corner_{index:03d}" for index in range(len(corners))]),
            seed=seeds.search,
            near=np.eye(len(corners))[:2],
            gradients=traits(self.surrogate, SurrogateTraits).differentiable,
            joint=traits(self.acquisition, AcquisitionTraits).joint,
        )
        return not_pending(belief.problem.space.snap(found @ corners), belief, seed=seeds.search)


def _corners(belief: Belief, count: int, seed: int) -> Array:
    """``e x d`` corners: the best trial, the uniform mixture, and random mixtures of few domains."""
    space, rng = belief.problem.space, np.random.default_rng(seed)
    known = np.concatenate([space.project(belief.ranked()[:1]), space.uniform()[None]])
    known = distinct(known, tolerance=SAME_MIXTURE)
    drawn = rng.dirichlet(np.full(space.dimension, _SPARSE), size=count - len(known))
    return np.concatenate([known, space.project(drawn)])
