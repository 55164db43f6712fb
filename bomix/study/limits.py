"""What ends the search of a study before the next ask: its budget, and what still fits into it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bomix.contracts.strategy import StrategyTraits
from bomix.contracts.traits import traits
from bomix.errors import Fault
from bomix.history import History
from bomix.strategies.bayesian.affordable import left
from bomix.strategies.replicates import next_replicate

if TYPE_CHECKING:
    from bomix.config.spec import StudySpec
    from bomix.contracts.strategy import Strategy
    from bomix.problem import Problem, StudyScale


def over(spec: StudySpec, problem: Problem, history: History) -> str | None:
    """Why the search asks for no more by its budget, in words; trials that are pending may be the last ones.

    Args:
        spec: The study file.
        problem: The scales of the study.
        history: The trials so far.
    """
    counted = spec.counted(history)
    if (limit := spec.budget.spent(counted, problem.scales)) is not None:
        return f"the budget of {limit} is spent"
    if (limit := spec.budget.asked_for(counted, problem.scales)) is not None:
        return f"the budget of {limit} is asked for"
    return too_dear(problem, history, spec.strategy)


def too_dear(problem: Problem, history: History, strategy: Strategy) -> str | None:
    """Why no run fits into what is left of the cost that the search may take, in words; None where one does.

    A strategy may also say itself that what is left is worth no run.

    Args:
        problem: The scales and the cost.
        history: The trials so far; those that are pending count.
        strategy: The study's strategy, which says of what scales its runs may be.
    """
    if problem.cost is None:
        return None
    own = _acting(strategy, problem, history)
    cheapest, rest = _cheapest(own, problem, history), left(problem, history)
    if cheapest is not None and cheapest.cost > rest:
        return (
            f"{max(0.0, rest):.3g} is left of a cost of {problem.cost:g}, into which no run fits: one of "
            f"{cheapest.name} costs {cheapest.cost:g}; raise budget.cost for more"
        )
    return None if next_replicate(problem, history) is not None else own.ended(problem, history)


def never_fits(problem: Problem, strategy: Strategy, *, unit: str) -> list[Fault]:
    """The fault of a budget in cost that holds no run at all of what a strategy may ask for first.

    Args:
        problem: The scales and the cost.
        strategy: The study's strategy.
        unit: What costs are in, in words; empty where nobody said.
    """
    if problem.cost is None:
        return []
    nothing = History(scale=problem.scale, scales=tuple(each.scale for each in problem.scales))
    cheapest = _cheapest(_acting(strategy, problem, nothing), problem, nothing)
    if cheapest is None or cheapest.cost <= left(problem, nothing):
        return []
    what = (
        f"no run fits into a cost of {problem.cost:g}{unit}: the cheapest that may be asked for, of '{cheapest.name}', "
        f"costs {cheapest.cost:g}{unit}; raise it, or say it in runs, as '8 runs of {cheapest.name}'"
    )
    return [Fault("budget.cost", what)]


def _cheapest(strategy: StrategyTraits, problem: Problem, history: History) -> StudyScale | None:
    """The cheapest scale that the next run may be of: what a strategy offers, or that of trials that name none."""
    offers = None if strategy.offers is None else strategy.offers(problem)
    if offers is None or next_replicate(problem, history) is not None:
        offers = tuple(each for each in problem.scales if each.scale == problem.default_scale)
    return min(offers, key=lambda each: each.cost, default=None)


def _acting(strategy: Strategy, problem: Problem, history: History) -> StrategyTraits:
    """What a strategy has, or the one that it hands its asks on to."""
    own = traits(strategy, StrategyTraits)
    if own.offers is None and own.acting is not None:
        return _acting(own.acting(problem, history), problem, history)
    return own
