"""The strategy that a study gets unless it asks for another: it looks at the study, chooses, and says what it chose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bomix.acquisition.improvement import LogEI
from bomix.contracts.objective import ObjectiveTraits
from bomix.contracts.surrogate import SurrogateTraits
from bomix.contracts.traits import traits
from bomix.strategies.at_target import AtTarget
from bomix.strategies.bayesian.affordable import usable
from bomix.strategies.bayesian.cost_aware import CostAware
from bomix.strategies.extension import Extension, changed_in

if TYPE_CHECKING:
    from bomix.contracts.strategy import Strategy
    from bomix.errors import Fault
    from bomix.history import History
    from bomix.problem import Problem


@dataclass(frozen=True)
class Auto(AtTarget):
    """Bayesian optimisation as the number of domains and the budget ask for.

    The design takes two trials more than there are domains, at least 5, at most 32, and no more than half of the
    budget. Up to ``MANY`` domains the whole space is searched by log-EI; below ``POOLED_FROM`` the first asks
    expect losses to rise steeply towards zero weight and trust standard deviations less. Beyond ``MANY``, and from
    ``POOLED_FROM`` domains and metrics on, a trust region is searched by an upper confidence bound that weighs
    uncertainty heavily: with many domains it pays to learn all slopes before the best is taken, and the recommendation
    is as a rule better than any trial. From as many on, up to ``MANY`` domains, metrics share hyperparameters;
    beyond it is learnt which domains each metric falls with, of which names and the study's mapping are the first
    guess. A metric that is alone is searched in the same way from ``POOLED_FROM`` domains on. Not so up to
    ``MANY`` domains where the objective is no weighted sum, the worst metric say: it turns on
    few slopes, and the whole space is searched by log-EI, near the lowest posterior mean.

    Where a mixture that is allowed reads a domain more than once, predictions come of a law in passes over the text and
    a process on what it leaves (``IN_EPOCHS``), and an upper confidence bound searches a trust region whatever the
    number of domains. Recommendations are unsure of that law's parameters as well (``PREDICTING_IN_EPOCHS``).

    Of a pool, ``POOL_DESIGN`` trials of design are followed by the mixture of the lowest posterior mean, as none is
    asked for twice; a model of the objective alone proposes where it predicts the runs better than those of the
    metrics.

    Where runs can be of several scales, ``cost_aware`` chooses the scale with the mixture, see
    :class:`~bomix.strategies.bayesian.cost_aware.CostAware`; of a pool, and for a trade-off, which has no one value
    that a small run could tell of, runs of the target alone are asked for.

    Where runs of an earlier study were carried over (``bomix extend``), what the change of the domains made unknown
    comes first, see :class:`~bomix.strategies.extension.Extension`.

    Attributes:
        surrogate: Model of every metric; None lets the strategy choose: in a study of several scales one that learns
            from the runs of all.
        acquisition: Acquisition function; None lets the strategy choose.
        design: Strategy that proposes the first trials.
        n_init: Trials of the design; None lets the strategy choose.
        pool: A CSV file with a column per domain, relative to the study: only its mixtures are proposed and
            recommended, whatever the number of domains; no trust region is needed then.
    """

    def problem_faults(self, problem: Problem) -> list[Fault]:
        """The faults that the strategy chosen for this problem finds in it."""
        over_scales = self._over_scales(problem)
        return super().problem_faults(problem) if over_scales is None else over_scales.problem_faults(problem)

    def description(self, problem: Problem) -> str:
        """One line on what is chosen, and the numbers that decide it."""
        over_scales = self._over_scales(problem)
        if over_scales is None:
            return super().description(problem)
        return f"cost_aware: {over_scales.description(problem)}"

    def acting(self, problem: Problem, history: History) -> Strategy:
        """The strategy that proposes next."""
        return self._over_scales(problem) or self._extension(problem, history) or super().acting(problem, history)

    def _extension(self, problem: Problem, history: History) -> Extension | None:
        """What asks for what a change of the domains made unknown, where runs were carried over; None else."""
        if self.pool is not None or problem.pool or not changed_in(problem, history):
            return None
        chosen = super().chosen(problem)
        along = Extension(surrogate=chosen.surrogate, acquisition=self.acquisition or LogEI())
        return along if along.goes_on(problem, history) and not along.problem_faults(problem) else None

    def _over_scales(self, problem: Problem) -> CostAware | None:
        """The strategy of a study whose runs can be of several scales; None where mixtures alone are chosen."""
        one_value = not traits(problem.objective, ObjectiveTraits).is_trade_off
        across = self.surrogate is None or traits(self.surrogate, SurrogateTraits).across_scales
        searched = self.pool is None and not problem.pool
        if not (len(usable(problem)) > 1 and one_value and across and searched):
            return None
        return CostAware(self.surrogate, self.acquisition, design=self.design, n_init=self.n_init)
