"""How far a study is: whether its search is over, and what it can do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bomix.study.asking import exhausted
from bomix.study.limits import too_dear

if TYPE_CHECKING:
    from bomix.report.sentences import Standing
    from bomix.study.records import Records


def why_ended(records: Records) -> str | None:
    """Why the search is over, in words; None while it goes on."""
    history, budget = records.history, records.spec.budget
    if (limit := budget.spent(records.spec.counted(history), records.problem.scales)) is not None:
        return f"the budget of {limit} is spent"
    strategy, searched = records.spec.strategy, records.searched(history)
    reason = exhausted(*searched, strategy) or too_dear(*searched, strategy)
    if reason is not None or budget.improvement is None:
        return reason
    from bomix.recommendation.stopping import why_stop

    return why_stop(*searched, strategy, budget, seed=records.spec.seed)


def standing(records: Records) -> Standing:
    """What sentences about a study need to know of it."""
    from bomix.report.sentences import Standing  # brings torch, which `bomix status` does without

    problem, history = records.searched()
    return Standing(
        problem=problem,
        history=history,
        confirm=records.spec.confirm,
        has_evaluator=records.spec.evaluator is not None,
        ended=why_ended(records),
    )
