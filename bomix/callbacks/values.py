"""What loggers write of a study and its trials: the same names for all of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bomix.trial import CONFIRM, EXPERT, Result

if TYPE_CHECKING:
    from bomix.contracts.study import WatchedStudy
    from bomix.trial import Record

NO_SEARCH = frozenset({CONFIRM, EXPERT})
"""Origins whose trials are no points of the search: their values stand under the name of the origin."""


def values(study: WatchedStudy, record: Record) -> dict[str, float]:
    """The numbers of a trial by name: ``objective``, ``best``, ``loss/M``, ``weight/D``, ``epochs/D``, ``cost_s``.

    ``best`` is the lowest objective of the search so far; a trial that failed has its weights and ``failed``. Numbers
    that are not finite are left out.

    Args:
        study: Its problem and its record.
        record: The trial that ended.
    """
    found = {f"weight/{name}": float(weight) for name, weight in record.trial.weights.items()}
    outcome = record.outcome
    if isinstance(outcome, Result):
        found["objective"] = study.problem.value(outcome.losses)
        found |= {f"loss/{name}": float(loss) for name, loss in outcome.losses.items()}
        found |= {f"epochs/{name}": float(passes) for name, passes in (outcome.epochs or {}).items()}
        found |= {} if outcome.cost is None else {"cost_s": float(outcome.cost)}
    else:
        found["failed"] = 1.0
    if record.trial.origin in NO_SEARCH:
        found = {f"{record.trial.origin}/{name}": value for name, value in found.items()}
    elif "objective" in found:
        found["best"] = _best(study)
    return {name: value for name, value in found.items() if math.isfinite(value)}


def settings(study: WatchedStudy) -> dict[str, str]:
    """What a run is about, in words: domains, metrics, objective, scale."""
    problem = study.problem
    return {
        "domains": ", ".join(problem.space.domains),
        "metrics": ", ".join(problem.metric_names),
        "objective": type(problem.objective).__name__,
        "scale": "unknown" if problem.scale is None else str(problem.scale),
    }


def name_of(study: WatchedStudy) -> str:
    """The name of a study's folder; of one in memory, ``study``."""
    return "study" if study.folder is None else study.folder.absolute().name


def _best(study: WatchedStudy) -> float:
    found = [
        study.problem.value(record.result.losses)
        for record in study.history.completed
        if record.trial.origin not in NO_SEARCH
    ]
    return min((value for value in found if math.isfinite(value)), default=math.nan)
