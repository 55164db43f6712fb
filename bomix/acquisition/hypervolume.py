"""The expected hypervolume improvement: how much a mixture is expected to enlarge what the front dominates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from botorch.acquisition.acquisition import AcquisitionFunction
from botorch.utils.multi_objective.box_decompositions.box_decomposition_list import BoxDecompositionList
from botorch.utils.multi_objective.box_decompositions.non_dominated import FastNondominatedPartitioning
from botorch.utils.multi_objective.pareto import is_non_dominated
from botorch.utils.safe_math import fatmin, log_fatplus, logmeanexp

from bomix.acquisition.joint_draws import Draws, factor, moments
from bomix.numerics.chunks import in_chunks, rows_within
from bomix.numerics.constants import TINY

if TYPE_CHECKING:
    from botorch.models.model import Model
    from torch import Tensor

_BEYOND = 0.1
"""How far beyond the worst of the front the volume ends, in ranges of the front: the customary tenth, with which the
ends of the front count and do not outweigh its middle."""
_SHARP = 1e-4
"""Width of the smoothed kink, in standard deviations of a group: far below what can be told apart, and wide enough
that there are gradients where nothing is gained."""
_UNBOUNDED = 1e10
"""Side of a box that has no end, in standard deviations of a group: further than any draw, and its logarithm finite."""
_SMALLEST = 1e-6
"""Range of a group below which the front counts as a single point, nats per token: less than any two runs differ by."""


class NoisyHypervolume(AcquisitionFunction):
    """Logarithm of the expected growth of the volume that the front dominates, the front itself uncertain.

    Each joint draw at the incumbents has its own front; what lies beyond it is cut into boxes. The growth that a
    mixture brings is the volume of the parts of the boxes that it dominates.

    Args:
        model: The model of all metrics.
        groups: ``g x m`` weights of the metrics in each group; lower is better.
        incumbents: ``s x d`` mixtures, tried or being tried.
        reference: ``g`` values of the groups beyond which nothing counts.
        samples: Draws.
        seed: Seed of the draws.
    """

    def __init__(
        self, model: Model, groups: Tensor, incumbents: Tensor, *, reference: Tensor, samples: int, seed: int
    ) -> None:
        super().__init__(model)
        self._draws = Draws(model, groups, incumbents, count=samples, seed=seed)
        self._scale = self._draws.values.std(dim=(0, 1)).clamp_min(1e-8)
        limit = -reference / self._scale
        fronts = [
            FastNondominatedPartitioning(ref_point=limit, Y=values) for values in -self._draws.values / self._scale
        ]
        cells = BoxDecompositionList(*fronts).get_hypercell_bounds()
        self._lower, upper = cells[0], cells[1].clamp_max(_UNBOUNDED)
        self._log_length = (upper - self._lower).clamp_min(TINY).log()

    def forward(self, X: Tensor) -> Tensor:
        """``b x 1 x d`` mixtures to ``b`` values, higher is better."""
        return in_chunks(self._values, X, rows=rows_within(self._draws.entries + self._lower.numel()))

    def _values(self, X: Tensor) -> Tensor:
        mean, covariance = self._draws.given(X)
        drawn = mean + torch.einsum("bkl,nl->nbk", factor(covariance), self._draws.normal)
        above = log_fatplus((-drawn / self._scale).unsqueeze(2) - self._lower.unsqueeze(1), tau=_SHARP)
        length = self._log_length.unsqueeze(1).expand(above.shape)
        sides = fatmin(torch.stack([above, length], dim=-1), dim=-1, tau=1e-3)
        return logmeanexp(torch.logsumexp(sides.sum(dim=-1), dim=-1), dim=0)


def reference_point(model: Model, groups: Tensor, X: Tensor) -> Tensor:
    """Where the volume ends: the worst of each group on the front of the tried mixtures, and a tenth of its range more.

    Args:
        model: The model of all metrics.
        groups: ``g x m`` weights of the metrics in each group.
        X: ``n x d`` mixtures tried.

    Returns:
        ``g`` values; where the front is a single point, the range is that of all mixtures tried.
    """
    with torch.no_grad():
        mean = moments(model, groups, X.unsqueeze(-2))[0].squeeze(-2)
    best = mean[is_non_dominated(-mean)]
    spread = best.amax(dim=0) - best.amin(dim=0)
    whole = (mean.amax(dim=0) - mean.amin(dim=0)).clamp_min(_SMALLEST)
    return best.amax(dim=0) + _BEYOND * torch.where(spread > _SMALLEST, spread, whole)
