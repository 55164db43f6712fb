"""The mixture that an objective compares with, run again: its noise is in the comparison with every other mixture.

Of ``n`` runs about ``sqrt(n)`` go to the reference, as a control that many treatments are compared with gets that many
times the runs of each [Dunnett1955]_. Where runs have hardly any noise, none is repeated.

References:
    [Dunnett1955] A multiple comparison procedure for comparing several treatments with a control.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from bomix.objectives.reference import compared_with
from bomix.space.weights import same_mixture
from bomix.trial import EXPERT, Candidate

if TYPE_CHECKING:
    from bomix.history import History
    from bomix.posterior.belief import Belief

_FAINT = 0.01
"""Standard deviation of what is believed of the reference, as a share of how much a metric varies over the runs, up to
which another run of it is not worth a trial: mixtures then differ by a hundred times as much."""


def reference_again(belief: Belief, history: History) -> Candidate | None:
    """The mixture that the objective compares with, where one more run of it is due.

    Args:
        belief: The model of the record.
        history: The record; runs of the reference that are pending or failed count, so that none is asked for twice.

    Returns:
        The candidate, named after the anchor; None where the objective has no such reference, where it has had its
        share of the runs, or where what is unknown of it is negligible.
    """
    problem = belief.problem
    if (weights := compared_with(problem)) is None:
        return None
    runs = [record.trial for record in history.tried if record.trial.origin != EXPERT]
    if sum(same_mixture(trial.weights, weights) for trial in runs) >= math.isqrt(len(runs)):
        return None
    if _unknown_share(belief, problem.space.to_array(weights)) <= _FAINT:
        return None
    origin = next((name for name, each in problem.anchors().items() if same_mixture(each, weights)), "uniform")
    return Candidate(weights, origin)


def _unknown_share(belief: Belief, point: np.ndarray) -> float:
    """Standard deviation of the belief at ``d`` weights over that of the runs, root mean square over the metrics."""
    import torch

    with torch.no_grad():
        posterior: Any = belief.model.posterior(torch.as_tensor(point, dtype=torch.float64).unsqueeze(0))
    spread = np.nanvar(belief.data.Y.numpy(), axis=0)
    known = spread > 0.0
    shares = posterior.variance.clamp_min(0.0).numpy()[0][known] / spread[known]
    return math.sqrt(float(shares.mean())) if known.any() else 0.0
