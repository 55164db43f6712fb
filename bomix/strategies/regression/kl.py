"""Minimise the objective and keep near a prior: ``sum_j a_j L_j(w) + strength * KL(w || prior)``, under all bounds.

The penalty says how much lower the objective must be to be worth leaving the shares of the prior for. It holds what a
prediction alone cannot: mixtures that were never tried, where the prediction is most wrong, lie far from the prior.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from bomix.contracts.strategy import Strategy
from bomix.contracts.surrogate import Surrogate
from bomix.errors import Fault, count_faults, raise_faults
from bomix.posterior.belief import believe, learns_across
from bomix.posterior.expected import on_arrays, predicted
from bomix.posterior.seeds import RegressionSeeds
from bomix.space.bounds import ROUNDING, number, unknown_name
from bomix.space.programme import feasible
from bomix.space.weights import normalized
from bomix.strategies.checks import design_faults
from bomix.strategies.design_first import design_goes_on, design_size, take
from bomix.strategies.designs import Sobol
from bomix.strategies.regression.law import shape_of
from bomix.strategies.regression.next_best import NEGLIGIBLE, Found, fresh, gradient_faults
from bomix.surrogates.laws.spec import LawRegression
from bomix.trial import Candidate

if TYPE_CHECKING:
    from bomix.history import History
    from bomix.problem import Problem
    from bomix.space.polytope import Array


@dataclass(frozen=True)
class KLProposer:
    """A design first, then the minimiser of the predicted objective plus ``strength * KL(w || prior)``.

    Under laws whose weighted sum is convex the minimum is exact; under another surrogate, or an objective that is no
    weighted sum, it is the best of many starts, finished to the same precision.

    Attributes:
        strength: Cost of one nat of divergence, in the objective's unit; 0 leaves the prediction alone.
        prior: The shares to keep near: ``natural``, those of the tokens (uniform where they are unknown); ``uniform``;
            or domain to share, normalised. A weight whose share is zero stays at its lower bound.
        surrogate: The surrogate that predicts; it must be differentiable.
        n_init: Trials of the design, anchors and imported runs counted; None takes two more than there are domains, at
            least 5 and at most 32, or 2 where experts of all domains come first.
        design: Strategy that proposes them.
    """

    strength: float = 0.05
    prior: Literal["natural", "uniform"] | Mapping[str, float] = "natural"
    surrogate: Surrogate = LawRegression()
    n_init: int | None = None
    design: Strategy = Sobol()

    def faults(self) -> list[Fault]:
        """What is wrong with the fields."""
        found = count_faults(n_init=self.n_init)
        if self.strength < 0.0:
            found.append(Fault("strength", f"strength is {self.strength:g}; give 0 or more"))
        if isinstance(self.prior, Mapping):
            found += _share_faults(self.prior)
        return found + gradient_faults(self.surrogate, cure="take a law or 'gp', or the strategy 'blackbox'")

    def problem_faults(self, problem: Problem) -> list[Fault]:
        """A prior that names other domains, or whose domains may not fill a mixture; what the design needs."""
        return self.prior_faults(problem) + design_faults(self.design, problem, self.n_init)

    def prior_faults(self, problem: Problem) -> list[Fault]:
        """What keeps the prior from fitting the space."""
        names, space = problem.space.domains, problem.space
        known = problem.single.domains if self._of_both(problem) else names
        if isinstance(self.prior, Mapping) and (strays := [name for name in self.prior if name not in known]):
            return [Fault(f"prior.{name}", unknown_name("domain", name, known)) for name in strays]
        if isinstance(self.prior, Mapping) and _share_faults(self.prior):
            return []  # said by the fields' own check
        shares = self.shares(problem)
        if float(np.where(shares > 0.0, space.upper_array, space.lower_array).sum()) >= 1.0 - ROUNDING:
            return self._constraint_faults(problem, shares)
        without = ", ".join(name for name, share in zip(names, shares, strict=True) if share == 0.0)
        text = f"the bounds allow no mixture without more of the domains whose share in the prior is zero ({without})"
        return [Fault("prior", f"{text}; give these a share above zero, or raise the upper bounds of the others")]

    def _constraint_faults(self, problem: Problem, shares: Array) -> list[Fault]:
        """A prior whose zeros the constraints do not allow."""
        space = problem.space
        upper = np.where(shares > 0.0, space.upper_array, space.lower_array)
        if space.rows is None or feasible(space.lower_array, upper, space.rows) is not None:
            return []
        zero = ", ".join(name for name, share in zip(space.domains, shares, strict=True) if share == 0.0)
        text = f"the constraints allow no mixture without the domains whose share in the prior is zero ({zero})"
        return [Fault("prior", f"{text}; give these a share above zero, or loosen a constraint")]

    def _of_both(self, problem: Problem) -> bool:
        """Whether the prior is one mixture for both of two phases: it names domains, no weights of a phase."""
        if problem.phases is None or not isinstance(self.prior, Mapping):
            return False
        return not problem.phases.are_columns(tuple(self.prior))

    def shares(self, problem: Problem) -> Array:
        """The prior in columns, ``d`` shares that sum to one; bounds are not regarded."""
        space = problem.space
        if isinstance(self.prior, Mapping):
            names = problem.single.domains if self._of_both(problem) else space.domains
            prior = normalized({name: self.prior.get(name, 0.0) for name in names})
            return space.to_array(problem.phases.tied(prior) if problem.phases and self._of_both(problem) else prior)
        if self.prior == "natural" and problem.natural is not None:
            return space.to_array(normalized(problem.natural))
        return np.full(space.dimension, 1.0 / space.dimension)

    def settled(self, problem: Problem, history: History) -> bool:
        """Whether the next trial is one of the design in any case."""
        size, across = design_size(self.n_init, problem, self.design), learns_across(self.surrogate, history)
        return design_goes_on(problem, history, design=self.design, size=size, across=across)

    def ask(self, problem: Problem, history: History, q: int, *, seed: int) -> list[Candidate]:
        """Propose ``q`` mixtures; see :class:`bomix.contracts.strategy.Strategy`.

        Raises:
            FaultsError: The prior does not fit the space.
        """
        raise_faults(self.prior_faults(problem), "the prior does not fit the space")
        size = design_size(self.n_init, problem, self.design)

        def choose(problem: Problem, history: History) -> Candidate:
            seeds = RegressionSeeds.of(seed, history.n_asked)
            found = self._minimise(problem, history, seed, seeds.search)
            return Candidate(problem.space.to_weights(fresh(found, problem, history, seed=seeds.directions)), "kl")

        across = learns_across(self.surrogate, history)
        return take(problem, history, q, design=self.design, size=size, choose=choose, seed=seed, across=across)

    def _minimise(self, problem: Problem, history: History, seed: int, search_seed: int) -> Found:
        from bomix.optimization.minimize import minimise, penalised, restricted
        from bomix.optimization.relative_entropy import KLPenalty

        belief, prior = believe(problem, history, self.surrogate, seed=seed), self.shares(problem)
        function = predicted(belief)
        penalty = KLPenalty(prior, self.strength / belief.aggregate.unit) if self.strength > 0.0 else None
        space = restricted(problem.space, prior > 0.0)
        found = minimise(
            function,
            space,
            shape=shape_of(belief),
            seed=search_seed,
            penalty=penalty,
            near=np.concatenate([problem.space.project(prior)[None], belief.data.X.numpy()]),
        )
        return Found(space.snap(found.point, threshold=NEGLIGIBLE), on_arrays(penalised(function, penalty)), space)


def _share_faults(prior: Mapping[str, float]) -> list[Fault]:
    """Faults of shares that are not numbers from 0 on."""
    found = [
        Fault(f"prior.{name}", f"the share of domain '{name}' is {share!r}; give 0 or more")
        for name, share in prior.items()
        if (value := number(share)) is None or value < 0.0
    ]
    if not found and not any(prior.values()):
        found.append(Fault("prior", "no domain has a share above zero; give at least one"))
    return found
