"""The lowest prediction over the space: for sure where it is convex, the best of many starts where it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from bomix.optimization import bundle, convex
from bomix.optimization.faces import on_nearest_face
from bomix.optimization.multistart import Search, optimize

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.optimization.convex import Minimum
    from bomix.optimization.interior_point import Function
    from bomix.optimization.relative_entropy import KLPenalty
    from bomix.space.linear import Rows
    from bomix.space.mixture_space import MixtureSpace
    from bomix.space.polytope import Array

Shape = Literal["convex", "smooth", "kinked"]

# As hard as a decision deserves: what is minimised is cheap, and the minimum is what is proposed.
_SEARCH = Search(raw=512, starts=12, iterations=100, polished=3)
_OFFSET = 1e-12
"""Added to the weights in the penalty while searching: at zero its slope is infinite, and the finish takes it
exactly."""


def minimise(
    function: Function,
    space: MixtureSpace,
    *,
    shape: Shape,
    seed: int,
    penalty: KLPenalty | None = None,
    near: Array | None = None,
) -> Minimum:
    """The mixture of least value.

    "Zero or at least" makes the space itself no longer convex: which weights are zero is then taken from the nearest
    allowed mixture, and the others are minimised once more.

    Args:
        function: The loss, ``n x d`` weights to ``n``; lower is better. Twice differentiable, but for kinks.
        space: The mixtures that are allowed.
        shape: ``convex`` has one minimum, which any start leads to; the others are searched from many starts. All are
            finished to the last digits, ``kinked`` as far as no kink stands in the way.
        seed: Seed of the starts.
        penalty: Towards a prior; weights whose prior is zero are fixed by the bounds of the space.
        near: ``n x d`` mixtures worth starting at, the best first.
    """
    start = None
    if shape != "convex":
        whole = penalised(function, penalty)
        negated: Any = lambda X: -whole(X.squeeze(-2))  # noqa: E731
        start = optimize(negated, space, seed=seed, near=near, search=_SEARCH)

    def finished(lower: Array, upper: Array, near: Array | None) -> Minimum:
        return _finished(function, lower, upper, shape, penalty, None if shape == "convex" else near, space.rows)

    return on_nearest_face(space, finished(space.lower_array, space.upper_array, start), finished)


def _finished(
    function: Function,
    lower: Array,
    upper: Array,
    shape: Shape,
    penalty: KLPenalty | None,
    start: Array | None,
    rows: Rows | None,
) -> Minimum:
    """The minimum next to a start, and never worse than that."""
    if start is None:
        return convex.minimise(function, lower, upper, penalty=penalty, rows=rows)
    if shape == "kinked":
        start = bundle.minimise(penalised(function, penalty), lower, upper, start, rows=rows)
    there = convex.certify(function, start, lower, upper, penalty=penalty, rows=rows)
    found = convex.minimise(function, lower, upper, penalty=penalty, start=start, rows=rows)
    return found if found.value <= there.value else there


def restricted(space: MixtureSpace, allowed: np.ndarray) -> MixtureSpace:
    """The space with some weights fixed at their lower bounds.

    Args:
        space: The whole.
        allowed: ``d`` booleans, which weights stay free; their upper bounds must leave a mixture.
    """
    upper = np.where(allowed, space.upper_array, space.lower_array)
    return space.within(upper=upper, at_least=np.where(allowed, np.array(space.at_least), 0.0))


def penalised(function: Function, penalty: KLPenalty | None) -> Function:
    """The whole that :func:`minimise` minimises, with finite slopes at weights of zero."""
    if penalty is None:
        return function
    used = np.flatnonzero(penalty.prior)
    prior, strength = torch.as_tensor(penalty.prior[used]), penalty.strength

    def whole(points: Tensor) -> Tensor:
        shares = points[..., used].clamp_min(0.0) + _OFFSET
        return function(points) + strength * (shares * torch.log(shares / prior)).sum(dim=-1)

    return whole
