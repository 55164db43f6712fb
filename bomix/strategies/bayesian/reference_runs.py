"""The mixture that an objective compares with, run again: its noise is in the comparison with every other mixture.

Of ``n`` runs about ``sqrt(n)`` go to the reference, as a control that many treatments are compared with gets that many
times the runs of each [Dunnett1955]_. Where the first two agree, runs have hardly any noise, and two are enough.

References:
    [Dunnett1955] A multiple comparison procedure for comparing several treatments with a control.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from bomix.objectives.reference import compared_with
from bomix.space.weights import same_mixture
from bomix.surrogates.data.quarantine import learnt
from bomix.trial import EXPERT, Candidate

if TYPE_CHECKING:
    from bomix.history import History
    from bomix.problem import Problem

_FAINT = 0.01
"""Standard deviation between runs of the reference, as a share of that between all runs, up to which another one is
not worth a trial: mixtures then differ by a hundred times as much."""


def reference_again(problem: Problem, history: History) -> Candidate | None:
    """The mixture that the objective compares with, where one more run of it is due.

    Args:
        problem: The space, the metrics and the objective.
        history: The record; runs of the reference that are pending or failed count, so that none is asked for twice.

    Returns:
        The candidate, named after the anchor; None where the objective has no such reference, where it has had its
        share of the runs, or where its runs agree.
    """
    if (weights := compared_with(problem)) is None:
        return None
    runs = [record for record in history.tried if record.trial.origin != EXPERT]
    of_reference = [record for record in runs if same_mixture(record.trial.weights, weights)]
    if len(of_reference) >= math.isqrt(len(runs)):
        return None
    completed = [record for record in learnt(problem, history).observations if record.trial.origin != EXPERT]
    names = problem.metric_names
    losses = np.array([[record.result.losses.get(name, math.nan) for name in names] for record in completed])
    repeats = [same_mixture(record.trial.weights, weights) for record in completed]
    # What was never measured is the design's matter: until then nothing can be fitted.
    if not any(repeats) or _noise_share(losses[repeats], losses) <= _FAINT:
        return None
    origin = next((name for name, each in problem.anchors().items() if same_mixture(each, weights)), "uniform")
    return Candidate(weights, origin)


def _noise_share(repeats: np.ndarray, losses: np.ndarray) -> float:
    """Standard deviation between ``k x m`` losses of one mixture over that between ``n x m`` losses, root mean square.

    NaN is a metric that a run lacks. Infinite where no metric has two of the first, or none varies among the others.
    """
    measured = (~np.isnan(repeats)).sum(axis=0) > 1
    spread = np.nanvar(losses[:, measured], axis=0)
    within = np.nanvar(repeats[:, measured], axis=0, ddof=1)
    varied = spread > 0.0
    return math.sqrt(float((within[varied] / spread[varied]).mean())) if varied.any() else math.inf
