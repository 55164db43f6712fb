"""Minimise any prediction under any objective, gradients or not: CMA-ES over weights that are normalised afterwards.

The search runs over ``k`` non-negative parameters, one for each domain, whose shares are the mixture [Belenki2025]_;
there the optimiser was Vizier, here it is the evolution strategy with an adapted covariance [Hansen2001]_. Several of
them run side by side from different starts, and the populations of all are predicted as one batch.

References:
    [Belenki2025] Optimizing pre-training data mixtures with mixtures of data expert models.
    [Hansen2001] Completely derandomized self-adaptation in evolution strategies.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from bomix.contracts.strategy import Strategy
from bomix.contracts.surrogate import Surrogate
from bomix.errors import Fault, count_faults, raise_faults
from bomix.numerics.constants import TINY
from bomix.optimization import start_points
from bomix.posterior.belief import believe, learns_across
from bomix.posterior.expected import on_arrays, predicted
from bomix.posterior.seeds import RegressionSeeds
from bomix.strategies.checks import design_faults
from bomix.strategies.design_first import design_goes_on, design_size, take
from bomix.strategies.designs import Sobol
from bomix.strategies.regression.next_best import Found, fresh
from bomix.surrogates.gp.spec import GP
from bomix.trial import Candidate

if TYPE_CHECKING:
    from bomix.history import History
    from bomix.problem import Problem
    from bomix.space.mixture_space import MixtureSpace
    from bomix.space.polytope import Array

_RAW = 512
"""Mixtures of the whole space that are predicted to find starts: a twentieth of the default budget of evaluations."""
_START_DISTANCE = 0.05
"""Starts differ by more than this in some weight: searches begin so wide that nearer ones would be the same search."""
_SIGMA = 0.2
"""Standard deviation of the first steps, parameters being in [0, 1]: a third of that range is customary, and starts
are good already."""
_MIDDLE = 0.5
"""Largest parameter of a start: in the middle of its range, with room for a weight to become twice as large."""
_FLAT = 1e-9
"""Differences of the objective below it are none: far below what any surrogate can tell apart."""


@dataclass(frozen=True)
class BlackBox:
    """A design first, then the minimiser of the predicted objective, found by evaluations alone.

    Parameters that the bounds forbid are normalised and projected; the result's negligible weights become zero where
    the prediction does not mind.

    Attributes:
        surrogate: The surrogate that predicts; it needs no gradients.
        n_init: Trials of the design, anchors and imported runs counted; None takes two more than there are domains, at
            least 5 and at most 32, or 2 where experts of all domains come first.
        design: Strategy that proposes them.
        evaluations: Mixtures predicted by all searches together.
        starts: Searches that run side by side.
        population: Mixtures that each predicts at a time; None takes ``4 + 3 log(k)``, at least 16.
    """

    surrogate: Surrogate = GP()
    n_init: int | None = None
    design: Strategy = Sobol()
    evaluations: int = 10_000
    starts: int = 4
    population: int | None = None

    def faults(self) -> list[Fault]:
        """What is wrong with the fields, and whether the package ``cma`` is there."""
        found = [*_cma_faults(), *count_faults(n_init=self.n_init), *count_faults(4, population=self.population)]
        return found + count_faults(1, evaluations=self.evaluations, starts=self.starts)

    def problem_faults(self, problem: Problem) -> list[Fault]:
        """What the design needs and the problem does not know."""
        return design_faults(self.design, problem, self.n_init)

    def settled(self, problem: Problem, history: History) -> bool:
        """Whether the next trial is one of the design in any case."""
        size, across = design_size(self.n_init, problem, self.design), learns_across(self.surrogate, history)
        return design_goes_on(problem, history, design=self.design, size=size, across=across)

    def ask(self, problem: Problem, history: History, q: int, *, seed: int) -> list[Candidate]:
        """Propose ``q`` mixtures; see :class:`bomix.contracts.strategy.Strategy`.

        Raises:
            FaultsError: The package ``cma`` is not installed.
        """
        raise_faults(_cma_faults())
        size = design_size(self.n_init, problem, self.design)

        def choose(problem: Problem, history: History) -> Candidate:
            seeds = RegressionSeeds.of(seed, history.n_asked)
            found = self._minimise(problem, history, seed, seeds.search)
            return Candidate(
                problem.space.to_weights(fresh(found, problem, history, seed=seeds.directions)), "blackbox"
            )

        across = learns_across(self.surrogate, history)
        return take(problem, history, q, design=self.design, size=size, choose=choose, seed=seed, across=across)

    def _minimise(self, problem: Problem, history: History, seed: int, search_seed: int) -> Found:
        belief = believe(problem, history, self.surrogate, seed=seed)
        values = on_arrays(predicted(belief))
        point = self.search(values, problem.space, seed=search_seed, near=belief.data.X.numpy())
        return Found(point, values, problem.space)

    def search(
        self, values: Callable[[Array], Array], space: MixtureSpace, *, seed: int, near: Array | None = None
    ) -> Array:
        """The mixture of the lowest value that was found, ``d`` array.

        Args:
            values: ``n x d`` mixtures to ``n`` values, lower is better.
            space: The mixtures that are allowed.
            seed: Seed of the points scored for starts and of every search.
            near: ``n x d`` mixtures worth starting at.
        """

        def scored(points: Array) -> Array:
            return np.nan_to_num(values(points), nan=np.inf)

        known = space.project(near) if near is not None else np.empty((0, space.dimension))
        points = np.concatenate([space.uniform()[None], space.sobol(_RAW, seed=seed), known])
        scores = scored(points)
        best, least = points[np.argmin(scores)], float(scores.min())
        order = np.argsort(scores, kind="stable")
        searches = [
            self._evolution(start, np.random.default_rng([seed, index]))
            for index, start in enumerate(start_points.spaced(points[order], self.starts, min_distance=_START_DISTANCE))
        ]
        left = self.evaluations if space.dimension > 1 else 0
        while left > 0 and searches:
            asked = [search.ask() for search in searches]
            points = space.project(_normalised(np.concatenate(asked)))
            scores = scored(points)
            left -= len(points)
            if (lowest := float(scores.min())) < least:
                best, least = points[np.argmin(scores)], lowest
            ends = np.cumsum([len(some) for some in asked])[:-1]
            for search, some, theirs in zip(searches, asked, np.split(scores, ends), strict=True):
                search.tell(some, theirs.tolist())
            searches = [search for search in searches if not search.stop()]
        exact, snapped = space.snap(best, threshold=0.0), space.snap(best)
        at_exact, at_snapped = scored(np.stack([exact, snapped]))
        return np.asarray(exact if at_exact < at_snapped - _FLAT else snapped)

    def _evolution(self, start: Array, rng: np.random.Generator) -> Any:
        """A search from a mixture; the package itself would seed the generator that all share."""
        import cma  # type: ignore[import-untyped]

        population = self.population or max(16, 4 + int(3 * math.log(len(start))))
        options = {
            "bounds": [0.0, 1.0],
            "popsize": population,
            "randn": lambda *shape: rng.standard_normal(shape),
            "seed": math.nan,
            "maxiter": self.evaluations,
            "tolfun": _FLAT,
            "tolx": 1e-5,
            "tolflatfitness": 20,
            "verbose": -9,
        }
        return cma.CMAEvolutionStrategy(_MIDDLE * start / start.max(), _SIGMA, options)


def _normalised(parameters: Array) -> Array:
    """``n x k`` non-negative parameters as shares; equal ones where all are zero."""
    total = parameters.sum(axis=1, keepdims=True)
    return np.asarray(np.where(total > 0.0, parameters / np.maximum(total, TINY), 1.0 / parameters.shape[1]))


def _cma_faults() -> list[Fault]:
    if find_spec("cma") is not None:
        return []
    return [Fault("kind", "the package 'cma' is not installed; run: pip install 'bomix[cmaes]'")]
