"""What ends the search of a study before the next ask: its budget, and what still fits into it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bomix.contracts.strategy import StrategyTraits
from bomix.contracts.traits import traits
from bomix.strategies.bayesian.affordable import left
from bomix.strategies.replicates import next_replicate

if TYPE_CHECKING:
    from bomix.contracts.strategy import Strategy
    from bomix.history import History
    from bomix.problem import Problem, StudyScale
    from bomix.study.records import Records


def over(records: Records) -> str | None:
    """Why the search asks for no more by its budget, in words; trials that are pending may be the last ones.

    Args:
        records: The spec and the trials of the study.
    """
    spec, problem, history = records.spec, records.problem, records.history
    counted = spec.counted(history)
    if (limit := spec.budget.spent(counted, problem.scales)) is not None:
        return f"the budget of {limit} is spent"
    if (limit := spec.budget.asked_for(counted, problem.scales)) is not None:
        return f"the budget of {limit} is asked for"
    return too_dear(problem, history, spec.strategy)


def too_dear(problem: Problem, history: History, strategy: Strategy) -> str | None:
    """Why no run fits into what is left of the cost that the search may take, in words; None where one does.

    Args:
        problem: The scales and the cost.
        history: The trials so far; those that are pending count.
        strategy: The study's strategy, which says of what scales its runs may be.
    """
    if problem.cost is None:
        return None
    offers = _offers(strategy, problem, history)
    if offers is None or next_replicate(problem, history) is not None:
        offers = tuple(each for each in problem.scales if each.scale == problem.default_scale)
    rest = left(problem, history)
    if not offers or any(each.cost <= rest for each in offers):
        return None
    cheapest = min(offers, key=lambda each: each.cost)
    return (
        f"{max(0.0, rest):.3g} is left of a cost of {problem.cost:g}, into which no run fits: one of {cheapest.name} "
        f"costs {cheapest.cost:g}; raise budget.cost for more"
    )


def _offers(strategy: Strategy, problem: Problem, history: History) -> tuple[StudyScale, ...] | None:
    """The scales that a strategy, or the one that it hands its asks on to, may ask for; None where it names none."""
    own = traits(strategy, StrategyTraits)
    if own.offers is None and own.acting is not None:
        return _offers(own.acting(problem, history), problem, history)
    return None if own.offers is None else own.offers(problem)
