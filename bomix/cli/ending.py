"""Whether the search of a study is over."""

from __future__ import annotations

from bomix.study.asking import exhausted
from bomix.study.limits import too_dear
from bomix.study.study import Study


def why_ended(study: Study) -> str | None:
    """Why the search is over, in words; None while it goes on."""
    history, budget = study.history, study.spec.budget
    if (limit := budget.spent(study.spec.counted(history), study.problem.scales)) is not None:
        return f"the budget of {limit} is spent"
    strategy = study.spec.strategy
    reason = exhausted(study.problem, history, strategy) or too_dear(study.problem, history, strategy)
    if reason is not None or budget.improvement is None:
        return reason
    from bomix.recommendation.stopping import why_stop

    return why_stop(study.problem, history, study.spec.strategy, budget, seed=study.spec.seed)
