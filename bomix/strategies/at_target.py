"""Which search of mixtures the target's scale gets: looks at domains, metrics, objective and budget, and chooses."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from bomix.acquisition.improvement import UCB, Greedy, LogEI
from bomix.acquisition.trust import trust
from bomix.contracts.acquisition import Acquisition, objective_faults
from bomix.contracts.objective import ObjectiveTraits
from bomix.contracts.strategy import Strategy, StrategyTraits
from bomix.contracts.surrogate import Surrogate
from bomix.contracts.traits import traits
from bomix.errors import count_faults
from bomix.laws.own_domain import without_own
from bomix.posterior.explored import MANY
from bomix.strategies.bayesian.turbo import Turbo
from bomix.strategies.bayesian.whole_space import Bayesian
from bomix.strategies.checks import need_faults, relative_strategy
from bomix.strategies.design_first import design_size, designed
from bomix.strategies.designs import Sobol
from bomix.strategies.replicates import repeated
from bomix.surrogates.gp.presets import GROUPED, LEARNT, POOLED, PREDICTING, QUICK, STEEP, SUMMED
from bomix.surrogates.gp.spec import GP
from bomix.surrogates.kernels.presets import MISFIT_KERNELS
from bomix.surrogates.means.law import LawMean
from bomix.surrogates.scales.spec import MultiScale

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
DRAWN_UP_TO = 48
"""Number of metrics that share hyperparameters up to which predictions draw these: the average over more takes the
place of draws. From forty runs of a hundred metrics (17 domains), twelve draws ranked the mean of others at 92.9
(Spearman x 100; error 0.0116, log density per metric 0.99), the best hyperparameters at 95.1 (0.0096, 1.03), in a sixth
of the time and with intervals that cover as much (97 %)."""
POOL_DESIGN = 3
"""Trials of the design where there is a pool: its mixtures are few, and every one that is spent on a design is one that
was not asked for because it promises much."""
BETA_PER_DOMAIN = 1.5
"""``beta`` for each domain, of the upper confidence bound where metrics share hyperparameters: at its best, a plane of
which nothing is known gains as many standard deviations as the root of the number of domains."""
TRUSTED_OF_WORST = 0.3
"""Share of the standard deviations that log-EI counts where metrics share hyperparameters and the objective is no
weighted sum: what is uncertain of the worst of many metrics is mostly how much worse it is. Of the largest excess at 20
domains (tuning seeds 0-5) the regret was 0.0201 with all of it, 0.0183 with a half, 0.0171 with this."""
NEVER_HALVED = 1_000_000
"""Failures in a row until a trust region halves under that bound: more than any study has, since a trial that explores
is no failure. After successes the region grows as others do."""

SUMMED_UP_TO = 2
"""Number of metrics up to which, beyond :data:`MANY` domains, each is taken to fall with most of the domains."""
IN_EPOCHS = replace(QUICK, mean=LawMean(form="epochs"))
"""The surrogate of asks where domains repeat: a law in passes over their text, and a process on what it leaves."""
PREDICTING_IN_EPOCHS = replace(QUICK, kernels=MISFIT_KERNELS, mean=LawMean(form="epochs", uncertain=True))
"""That of predictions and recommendations there, unsure of the law's parameters too: 90 % intervals about a law that is
taken for certain cover half of the true losses. The bound that asks go by was chosen with those."""
LAW_UP_TO = 640
"""Domains times metrics up to which that law is fitted at every ask. Behind 60 runs an ask of 80 domains and 8 metrics
takes 2.7 CPU-seconds with it and 0.5 without, of 40 and 13 2.2 and 0.6, of 100 and 1 0.9 and 0.5; beyond, of 200 and 4,
4.6 and 0.9, of 40 and 40 5.6 and 0.9."""
_LEARNT = (LEARNT, GROUPED, SUMMED)
"""Surrogates that learn which domains a metric falls with."""
_SEARCHED_WIDELY = (POOLED, *_LEARNT)
"""Surrogates of many domains, which are searched by an upper confidence bound."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class AtTarget:
    """What ``auto`` does where all that it asks for is of one scale, with the same fields."""

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

    def relative_to(self, folder: Path) -> Self:
        """The same with the pool's path, and those of the design, taken from a study's folder."""
        design = relative_strategy(self.design, folder)
        return replace(self, design=design, pool=None if self.pool is None else str(folder / self.pool))

    def chosen(self, problem: Problem) -> Bayesian | Turbo:
        """The strategy for a problem."""
        n_init, pooled = self.n_init, self.pool is not None or bool(problem.pool)
        if n_init is None:
            usual = design_size(None, problem, self.design)
            listed = traits(self.design, StrategyTraits).listed(problem)
            n_init = min(POOL_DESIGN + listed, usual) if pooled else usual
            if problem.budget is not None:
                n_init = min(n_init, max(2, problem.budget // 2))
        d = problem.domain_count
        own = self._own(problem)
        surrogate = self.surrogate or (MultiScale(of=own, integrated=False) if problem.scales else own)
        if self.surrogate is None and in_epochs(problem) and not pooled:
            surrogate = IN_EPOCHS
        parts: dict[str, Any] = {"surrogate": surrogate, "design": self.design, "n_init": n_init}
        exploring = UCB(beta=BETA_PER_DOMAIN * d)
        serves = self.acquisition is None and not objective_faults(exploring, problem.objective)
        explores = serves and self.surrogate is None and (surrogate == IN_EPOCHS or own in _SEARCHED_WIDELY)
        explores &= d > MANY or _is_weighted_sum(problem)
        if pooled:
            greedy = Greedy() if serves else self.acquisition or LogEI()
            if self.surrogate is not None:
                return Bayesian(acquisition=greedy, pool=self.pool, **parts)
            scores = _mostly_without_own(problem)
            pooling, alone = (replace(each, scores=scores) for each in (own, QUICK))
            parts["surrogate"] = MultiScale(of=pooling, integrated=False) if problem.scales else pooling
            return Bayesian(acquisition=greedy, pool=self.pool, alone=alone, **parts)
        if explores:
            return Turbo(acquisition=exploring, failures=NEVER_HALVED, **parts)
        acquisition = self.acquisition or LogEI()
        if serves and surrogate == POOLED:
            acquisition = LogEI(trusted=TRUSTED_OF_WORST)
        return (Bayesian if d <= MANY else Turbo)(acquisition=acquisition, **parts)

    def predicting(self, problem: Problem) -> Surrogate:
        """The surrogate of predictions and recommendations.

        Up to :data:`MANY` domains hyperparameters are drawn. Those that asks share are shared here too where most
        metrics are named after domains, or mapped to them; others, which may be mostly noise, have each their own.
        """
        if self.surrogate is not None:
            return self.surrogate
        if in_epochs(problem) and self.pool is None and not problem.pool:
            return PREDICTING_IN_EPOCHS
        of = self._predicting_one_scale(problem)
        return MultiScale(of=of) if problem.scales else of

    def _predicting_one_scale(self, problem: Problem) -> GP:
        """The surrogate of predictions where all runs are of one scale, see :meth:`predicting`."""
        own, metrics = self._own(problem), problem.metric_names
        if own == POOLED and len(metrics) > DRAWN_UP_TO:
            return own
        if own == POOLED and not _mostly_without_own(problem):
            return replace(own, draws=None, restarts=None, growth=0.0)
        return PREDICTING if own in (QUICK, POOLED) else own

    def _own(self, problem: Problem) -> GP:
        """The surrogate where none is named.

        A single metric, which falls with most domains, has that of many domains from :data:`POOLED_FROM` on: under an
        upper confidence bound alone, over the whole space.
        """
        alone = len(problem.metrics) == 1 and POOLED_FROM <= problem.domain_count <= MANY
        if alone and self.acquisition is None and self.pool is None and not problem.pool and _is_weighted_sum(problem):
            return SUMMED
        return _surrogate(problem)

    def description(self, problem: Problem) -> str:
        """One line on what is chosen, and the numbers that decide it."""
        chosen, d = self.chosen(problem), problem.domain_count
        budget = "no budget" if problem.budget is None else f"{problem.budget} trials"
        whole = "the pool" if self.pool is not None or problem.pool else "the whole space"
        how = "a trust region" if isinstance(chosen, Turbo) else whole
        said = f"{chosen.n_init} trials of design, then {chosen.acquisition.origin} over {how} ({d} domains, {budget})"
        return f"{said}; losses as a law in epochs" if chosen.surrogate == IN_EPOCHS else said

    def acting(self, problem: Problem, history: History) -> Strategy:
        """The strategy that is chosen; with few domains, another model and less trust in it for the first asks."""
        chosen = self.chosen(problem)
        if not (isinstance(chosen, Bayesian) and self._first_asks(problem, history, chosen)):
            return chosen
        return replace(chosen, surrogate=STEEP, acquisition=LogEI(careful=True))

    def settled(self, problem: Problem, history: History) -> bool:
        """Whether the next trial is one of the design in any case."""
        return traits(self.acting(problem, history), StrategyTraits).settled(problem, history)

    def _first_asks(self, problem: Problem, history: History, chosen: Bayesian) -> bool:
        """Whether trials are so few that what lies beyond them has to be known from elsewhere."""
        d, plain = problem.domain_count, (chosen.surrogate, chosen.acquisition) == (GP(), LogEI())
        named = self.surrogate is not None or self.acquisition is not None or self.pool is not None
        if named or not plain or d >= POOLED_FROM:
            return False
        return _is_weighted_sum(problem) and trust(designed(history) - repeated(problem, history), d) < 1.0

    def ask(self, problem: Problem, history: History, q: int, *, seed: int) -> list[Candidate]:
        """Propose ``q`` mixtures, one after the other, the earlier ones pending."""
        if not history.asked:
            logger.info("auto: %s", self.description(problem))
        return self.acting(problem, history).ask(problem, history, q, seed=seed)


def in_epochs(problem: Problem) -> bool:
    """Whether a run that the space allows reads some domain more than once, so that passes tell more than shares do.

    Not of several scales, whose runs are of several lengths, nor beyond :data:`LAW_UP_TO`.
    """
    if problem.scales or not problem.passes or problem.domain_count * len(problem.metrics) > LAW_UP_TO:
        return False
    space = problem.single
    passes = np.array([problem.passes.get(name, 0.0) for name in space.domains])
    return bool((passes * space.upper_array).max() > 1.0)


def _is_weighted_sum(problem: Problem) -> bool:
    """Whether the objective is a weighted sum of metrics; one that does not fit the metrics is refused elsewhere."""
    own, names = traits(problem.objective, ObjectiveTraits), problem.metric_names
    return bool(own.metric_faults(names)) or own.coefficients(names) is not None


def _mostly_without_own(problem: Problem) -> bool:
    """Whether most metrics have no domain of their own, by name or mapping: scores of tasks, as a rule, and noisy."""
    lacking = without_own(problem.own, problem.single.domains, problem.metric_names)
    return 2 * len(lacking) > len(problem.metrics)


def _surrogate(problem: Problem) -> GP:
    """The surrogate for as many domains and metrics."""
    d, m = problem.domain_count, len(problem.metrics)
    if d <= MANY:
        if min(d, m) >= POOLED_FROM:
            return POOLED
        return QUICK if m >= QUICK_FROM else GP()
    if m < POOLED_FROM:
        return SUMMED if m <= SUMMED_UP_TO else GROUPED
    return LEARNT
