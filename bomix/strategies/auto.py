"""The strategy that a study gets unless it asks for another: it looks at the study, chooses, and says what it chose."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from bomix.acquisition.improvement import UCB, LogEI
from bomix.contracts.acquisition import Acquisition, objective_faults
from bomix.contracts.strategy import Strategy
from bomix.contracts.surrogate import Surrogate
from bomix.errors import count_faults
from bomix.posterior.explored import MANY
from bomix.strategies.bayesian.turbo import Turbo
from bomix.strategies.bayesian.whole_space import Bayesian
from bomix.strategies.checks import need_faults, relative_strategy
from bomix.strategies.design_first import design_size
from bomix.strategies.designs import Sobol
from bomix.surrogates.gp.presets import ONE_SET, POOLED, PREDICTING, QUICK
from bomix.surrogates.gp.spec import GP

if TYPE_CHECKING:
    from bomix.errors import Fault
    from bomix.history import History
    from bomix.problem import Problem
    from bomix.trial import Candidate

POOLED_FROM = 12
"""Number of domains, and of metrics, from which on metrics share hyperparameters: where one metric has too few trials
to determine them, many together have enough."""
QUICK_FROM = 16
"""Number of metrics from which on, where domains are fewer, asks take the best hyperparameters of each metric instead
of draws, and look for them now and then only."""
BETA_PER_DOMAIN = 1.5
"""``beta`` for each domain, of the upper confidence bound where metrics share hyperparameters: at its best, a plane of
which nothing is known gains as many standard deviations as the root of the number of domains."""
NEVER_HALVED = 1_000_000
"""Failures in a row until a trust region halves under that bound: more than any study has, since a trial that explores
is no failure. After successes the region grows as others do."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Auto:
    """Bayesian optimisation as the number of domains and the budget ask for.

    The design takes two trials more than there are domains, at least 5, at most 32, and no more than half of the
    budget. Up to :data:`MANY` domains the whole space is searched by log-EI, beyond them a trust region. From
    :data:`POOLED_FROM` domains and metrics on, metrics share hyperparameters and a trust region is searched by an
    upper confidence bound that weighs uncertainty heavily: with many domains it pays to learn all slopes before the
    best is taken, and the recommendation is as a rule better than any trial.

    Attributes:
        surrogate: Model of every metric; None lets the strategy choose.
        acquisition: Acquisition function; None lets the strategy choose.
        design: Strategy that proposes the first trials.
        n_init: Trials of the design; None lets the strategy choose.
        pool: A CSV file with a column per domain, relative to the study: only its mixtures are proposed and
            recommended, whatever the number of domains; no trust region is needed then.
    """

    surrogate: Surrogate | None = None
    acquisition: Acquisition | None = None
    design: Strategy = Sobol()
    n_init: int | None = None
    pool: str | None = None

    expects: ClassVar[bool] = True
    """Whatever is chosen has a surrogate."""

    def faults(self) -> list[Fault]:
        """What is wrong with the fields, and what cannot work together."""
        return count_faults(n_init=self.n_init) + need_faults(self.acquisition or LogEI(), self.surrogate or GP())

    def problem_faults(self, problem: Problem) -> list[Fault]:
        """The faults that the strategy chosen for this problem finds in it."""
        return self.chosen(problem).problem_faults(problem)

    def relative_to(self, folder: Path) -> Auto:
        """The same with the pool's path, and those of the design, taken from a study's folder."""
        design = relative_strategy(self.design, folder)
        return replace(self, design=design, pool=None if self.pool is None else str(folder / self.pool))

    def chosen(self, problem: Problem) -> Bayesian | Turbo:
        """The strategy for a problem."""
        n_init = self.n_init
        if n_init is None:
            n_init = design_size(None, problem)
            if problem.budget is not None:
                n_init = min(n_init, max(2, problem.budget // 2))
        d = problem.space.dimension
        own = _surrogate(d, len(problem.metrics))
        surrogate = self.surrogate or own
        parts: dict[str, Any] = {"surrogate": surrogate, "design": self.design, "n_init": n_init}
        exploring = UCB(beta=BETA_PER_DOMAIN * d)
        serves = self.acquisition is None and not objective_faults(exploring, problem.objective)
        explores = serves and self.surrogate is None and own.pooling is not None
        if self.pool is not None:
            acquisition = exploring if explores else self.acquisition or LogEI()
            return Bayesian(acquisition=acquisition, pool=self.pool, **parts)
        if explores:
            return Turbo(acquisition=exploring, failures=NEVER_HALVED, **parts)
        acquisition = self.acquisition or LogEI()
        return (Bayesian if d <= MANY else Turbo)(acquisition=acquisition, **parts)

    def predicting(self, problem: Problem) -> Surrogate:
        """The surrogate of predictions and recommendations.

        Up to :data:`MANY` domains its hyperparameters are drawn and each metric's own; beyond, it is that of asks.
        """
        if self.surrogate is not None:
            return self.surrogate
        own = _surrogate(problem.space.dimension, len(problem.metrics))
        return PREDICTING if own in (QUICK, POOLED) else own

    def description(self, problem: Problem) -> str:
        """One line on what is chosen, and the numbers that decide it."""
        chosen, d = self.chosen(problem), problem.space.dimension
        budget = "no budget" if problem.budget is None else f"{problem.budget} trials"
        how = "a trust region" if isinstance(chosen, Turbo) else "the whole space" if self.pool is None else "the pool"
        return f"{chosen.n_init} trials of design, then {chosen.acquisition.origin} over {how} ({d} domains, {budget})"

    def acting(self, problem: Problem, history: History) -> Strategy:
        """The strategy that is chosen, whatever the record says."""
        return self.chosen(problem)

    def ask(self, problem: Problem, history: History, q: int, *, seed: int) -> list[Candidate]:
        """Propose ``q`` mixtures, one after the other, the earlier ones pending."""
        if not history.asked:
            logger.info("auto: %s", self.description(problem))
        return self.chosen(problem).ask(problem, history, q, seed=seed)


def _surrogate(d: int, m: int) -> GP:
    """The surrogate for ``d`` domains and ``m`` metrics."""
    if min(d, m) >= POOLED_FROM:
        return POOLED if d <= MANY else ONE_SET
    return QUICK if m >= QUICK_FROM else GP()
