"""After runs were carried over: first what the change of the domains made unknown, then all of the space."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from bomix.acquisition.improvement import LogEI
from bomix.contracts.acquisition import Acquisition, objective_faults
from bomix.contracts.strategy import Strategy
from bomix.contracts.surrogate import Surrogate
from bomix.errors import Fault, count_faults
from bomix.io.imports.carried import carried, changed_domains
from bomix.posterior.belief import believe
from bomix.posterior.seeds import AskSeeds
from bomix.strategies.bayesian.search import best_of_pool
from bomix.strategies.bayesian.whole_space import Bayesian
from bomix.strategies.checks import need_faults, relative_strategy, strategy_faults, surrogate_faults, surrogate_of
from bomix.strategies.design_first import take
from bomix.strategies.designs import Sobol
from bomix.surrogates.gp.spec import GP
from bomix.trial import Candidate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bomix.history import History
    from bomix.posterior.belief import Belief
    from bomix.problem import Problem
    from bomix.space.polytope import Array
    from bomix.strategies.design_first import Choose

PER_DOMAIN, MORE_TRIALS = 2, 1
"""Trials along what changed: so many for each domain that did, and so many more."""
ORIGIN = "extension"
"""Origin of trials along what changed."""
_POOL = 256
"""Mixtures among which the next along what changed is chosen: the directions are few, so that they lie close."""
_HULL = 512
"""Mixtures between runs that were carried over among which the best is taken for the block."""
_FEW_AT_A_TIME = 3.0
"""Runs that such a mixture lies between, or so: of many, all would be near their mean."""
ORIGIN_WORD = 70
"""Word that sets what is drawn here apart from all else of a seed."""
_SMALLEST = 0.01
"""Smallest share that a changed domain is tried at besides zero."""


@dataclass(frozen=True)
class Extension:
    """What the change of the domains made unknown first, the ratios of all other domains kept; then another strategy.

    The domains that did not change become one, the block, with the ratios of the best mixture that the runs which were
    carried over let expect. Mixtures of the block and the changed domains are then all that is asked for, by an
    acquisition function; where nothing was carried over, or nothing is unknown, there are no such trials.

    Attributes:
        then: Strategy that goes on over the whole space.
        trials: Trials along what changed; None takes two for each changed domain and one more, at most half of the
            budget.
        surrogate: Model of every metric.
        acquisition: Acquisition function.
    """

    then: Strategy = Bayesian()
    trials: int | None = None
    surrogate: Surrogate = GP()
    acquisition: Acquisition = LogEI()

    expects: ClassVar[bool] = True
    """It has a surrogate."""

    def faults(self) -> list[Fault]:
        """What is wrong with the fields, and what cannot work together."""
        return count_faults(trials=self.trials) + need_faults(self.acquisition, self.surrogate)

    def problem_faults(self, problem: Problem) -> list[Fault]:
        """What does not fit the study: its objective, and what the strategy that goes on finds wrong."""
        unfit = objective_faults(self.acquisition, problem.objective)
        return unfit + surrogate_faults(self.surrogate, problem) + strategy_faults(self.then, problem, "then")

    def relative_to(self, folder: Path) -> Extension:
        """The same with paths of the strategy that goes on taken from a study's folder."""
        return replace(self, then=relative_strategy(self.then, folder))

    def goes_on(self, problem: Problem, history: History) -> bool:
        """Whether the next trial is one along what changed."""
        changed = changed_in(problem, history)
        return bool(changed) and history.n_asked < self._trials(problem, len(changed))

    def predicting(self, problem: Problem) -> Surrogate:
        """The surrogate of predictions: that of the strategy that goes on where it has one."""
        return surrogate_of(self.then, problem) or self.surrogate

    def ask(self, problem: Problem, history: History, q: int, *, seed: int) -> list[Candidate]:
        """Propose ``q`` mixtures, one after the other, the earlier ones pending."""
        found: list[Candidate] = []
        while len(found) < q:
            if not self.goes_on(problem, history):
                return found + self.then.ask(problem, history, q - len(found), seed=seed)
            found += take(problem, history, 1, design=Sobol(), size=0, choose=self._choose(seed), seed=seed)
            history = history.with_pending(found[-1:])
        return found

    def _trials(self, problem: Problem, changed: int) -> int:
        if self.trials is not None:
            return self.trials
        usual = PER_DOMAIN * changed + MORE_TRIALS
        return usual if problem.budget is None else min(usual, max(1, problem.budget // 2))

    def _choose(self, seed: int) -> Choose:
        """What proposes the next mixture of the block and the changed domains."""

        def choose(problem: Problem, history: History) -> Candidate:
            belief = believe(problem, history, self.surrogate, seed=seed)
            seeds = AskSeeds.of(seed, history.n_asked)
            rng = np.random.default_rng(np.random.SeedSequence([seed, ORIGIN_WORD]))
            best = _best_between(self._before(problem, history, seed), history, rng)
            pool = along(problem, best, changed_in(problem, history), rng)
            point = best_of_pool(belief, self.acquisition, pool, seed=seeds.acquisition)
            return Candidate(problem.space.to_weights(point), ORIGIN)

        return choose

    def _before(self, problem: Problem, history: History, seed: int) -> Belief:
        """The belief that runs carried over gave before any of the study's own, the same at every ask."""
        kept = tuple(record for record in history.records if carried(record) is not None)
        return believe(problem, replace(history, records=kept, withdrawn=()), self.surrogate, seed=seed)


def changed_in(problem: Problem, history: History) -> tuple[str, ...]:
    """The domains of a study that runs which were carried over cannot tell enough of; none where that is all."""
    names = [name for name in changed_domains(history.observations) if name in problem.space.domains]
    return tuple(names) if len(names) < problem.space.dimension else ()


def along(problem: Problem, best: Array, changed: Sequence[str], rng: np.random.Generator) -> Array:
    """Mixtures of the block and the changed domains, ``p x d``, within bounds and constraints.

    Args:
        problem: The space.
        best: ``d`` weights, whose ratios among domains that did not change are those of the block.
        changed: The domains that did.
        rng: What draws them: a half even over the shares, and a half in which shares of changed domains are of every
            order of magnitude.
    """
    space = problem.space
    own = np.array([name in changed for name in space.domains])
    block = np.where(own, 0.0, best)
    block = block / block.sum() if block.sum() > 0.0 else np.where(own, 0.0, 1.0 / (~own).sum())
    even = rng.dirichlet(np.ones(own.sum() + 1), _POOL // 2)[:, 1:]
    low, high = np.log(_SMALLEST), np.log(0.9)
    small = np.exp(rng.uniform(low, high, even.shape))
    small /= np.maximum(1.0, small.sum(axis=1, keepdims=True) / 0.9)
    shares = np.concatenate([even, small])
    points = (1.0 - shares.sum(axis=1, keepdims=True)) * block
    points[:, own] = shares
    return np.unique(space.snap(space.project(points)), axis=0)


def _best_between(belief: Belief, history: History, rng: np.random.Generator) -> Array:
    """The ``d`` weights of the lowest posterior mean among mixtures between runs that were carried over."""
    space = belief.problem.space
    runs = space.to_arrays(record.trial.weights for record in history.observations if carried(record) is not None)
    rows = rng.dirichlet(np.full(len(runs), _FEW_AT_A_TIME / len(runs)), _HULL) @ runs
    points = space.snap(space.project(np.concatenate([runs, rows])))
    import torch

    with torch.no_grad():
        values = belief.mean(torch.as_tensor(points))
    return np.asarray(points[int(values.argmin())])
