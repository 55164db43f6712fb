"""The strategy that a study gets unless it asks for another: it looks at the study, chooses, and says what it chose."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bomix.protocols import Acquisition, Strategy, Surrogate
from bomix.strategies.acquisition import LogEI
from bomix.strategies.bayesian import Bayesian
from bomix.strategies.decision import MANY
from bomix.strategies.design import Sobol
from bomix.strategies.search import need_faults
from bomix.strategies.turbo import Turbo
from bomix.strategies.turns import count_faults, design_size
from bomix.surrogates.gp import GP

if TYPE_CHECKING:
    from bomix.errors import Fault
    from bomix.history import History
    from bomix.problem import Problem
    from bomix.trial import Candidate

SEVERAL = 16
"""Metrics from which on asks take the best hyperparameters: what one metric's are wrong by, the others make up for."""
GROWTH = 0.1
"""There, the share by which the record grows before hyperparameters are found anew: an ask would be all search."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Auto:
    """Bayesian optimisation as the number of domains and the budget ask for.

    The design takes two trials more than there are domains, at least 5, at most 32, and no more than half of the
    budget. Up to :data:`MANY` domains the whole space is searched, beyond them a trust region. From :data:`SEVERAL`
    metrics on, asks do without draws of the hyperparameters; predictions and the recommendation keep them.

    Attributes:
        surrogate: Model of every metric where it is not to be chosen.
        acquisition: What makes a mixture worth trying.
        design: What proposes the first trials.
        n_init: Trials of the design where it is not to be chosen.
    """

    surrogate: Surrogate | None = None
    acquisition: Acquisition = LogEI()
    design: Strategy = Sobol()
    n_init: int | None = None

    def faults(self) -> list[Fault]:
        """What is wrong with the fields, and what cannot work together."""
        return count_faults(n_init=self.n_init) + need_faults(self.acquisition, self.surrogate or GP())

    def problem_faults(self, problem: Problem) -> list[Fault]:
        """What does not fit the study, see the strategy that is chosen."""
        return self.chosen(problem).problem_faults(problem)

    def chosen(self, problem: Problem) -> Bayesian | Turbo:
        """The strategy for a problem."""
        n_init = self.n_init
        if n_init is None:
            n_init = design_size(None, problem)
            if problem.budget is not None:
                n_init = min(n_init, max(2, problem.budget // 2))
        kind = Bayesian if problem.space.dimension <= MANY else Turbo
        several = GP(draws=0, restarts=1, growth=GROWTH)
        surrogate = self.surrogate or (several if len(problem.metrics) >= SEVERAL else GP())
        return kind(surrogate=surrogate, acquisition=self.acquisition, design=self.design, n_init=n_init)

    def description(self, problem: Problem) -> str:
        """What is chosen and why, in a line."""
        chosen, d = self.chosen(problem), problem.space.dimension
        budget = "no budget" if problem.budget is None else f"{problem.budget} trials"
        how = "a trust region" if isinstance(chosen, Turbo) else "the whole space"
        return f"{chosen.n_init} trials of design, then {self.acquisition.origin} over {how} ({d} domains, {budget})"

    def expected_improvement(self, problem: Problem, history: History, *, seed: int) -> float | None:
        """What the strategy that is chosen expects, see :mod:`bomix.strategies.stopping`."""
        from bomix.strategies.stopping import expected_improvement

        return expected_improvement(problem, history, self.chosen(problem), seed=seed)

    def ask(self, problem: Problem, history: History, q: int, *, seed: int) -> list[Candidate]:
        """Propose ``q`` mixtures, one after the other, the earlier ones pending; see :class:`protocols.Strategy`."""
        if not history.asked:
            logger.info("auto: %s", self.description(problem))
        return self.chosen(problem).ask(problem, history, q, seed=seed)
