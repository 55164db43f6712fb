"""What makes a recommendation a guess: a single mixture, metrics that nobody measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bomix.space.few import few_mixtures
from bomix.space.weights import same_mixture

if TYPE_CHECKING:
    from bomix.posterior.belief import Belief
    from bomix.problem import Problem
    from bomix.space.weights import Weights
    from bomix.trial import Record

ALONE = "every run has this one mixture: what is said of others, and of how far they lie from it, is a guess"
"""The warning where nothing else was tried."""


def is_alone(problem: Problem, records: Sequence[Record], weights: Weights) -> bool:
    """Whether all runs, experts among them, have one mixture, and others could be run."""
    runs = [record.trial.weights for record in records]
    few = few_mixtures(problem.space) if problem.pool_array is None else problem.pool_array
    return (few is None or len(few) > 1) and all(same_mixture(each, weights) for each in runs)


def unmeasured(belief: Belief) -> list[str]:
    """A sentence for each metric that the objective needs and no trial has measured."""
    problem = belief.problem
    unseen = belief.data.Y.isnan().all(dim=0).tolist()
    return [
        f"no trial has measured metric '{name}', which the objective counts: what is said of it is a guess"
        for name, missing in zip(problem.metric_names, unseen, strict=True)
        if missing and math.isnan(problem.value({other: 1.0 for other in problem.metric_names if other != name}))
    ]
