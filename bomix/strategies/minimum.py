"""The lowest prediction over the space: for certain where it is convex, from many starts where it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from bomix.space import MixtureSpace
from bomix.strategies import convex
from bomix.strategies.candidates import Search, optimize

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.polytope import Array
    from bomix.strategies.convex import Function, Minimum, Pull

_SEARCH = Search(raw=512, starts=12, iterations=100, polished=3)
_OFFSET = 1e-12


def lowest(
    function: Function,
    space: MixtureSpace,
    *,
    is_convex: bool,
    seed: int,
    pull: Pull | None = None,
    near: Array | None = None,
) -> Minimum:
    """The mixture of least value.

    "Zero or at least" makes the space itself no longer convex: which weights are zero is then taken from the nearest
    allowed mixture, and the others are minimised once more.

    Args:
        function: Twice differentiable; what it adds to the pull.
        space: Where to look.
        is_convex: Whether the function is; where not, it is searched from many starts.
        seed: Of the starts.
        pull: Towards a prior; weights whose prior is zero are fixed by the bounds of the space.
        near: ``n x d`` mixtures worth starting at, the best first.
    """
    lower, upper = space.lower_array, space.upper_array
    start = None
    if not is_convex:
        whole = pulled(function, pull)
        negated: Any = lambda X: -whole(X.squeeze(-2))  # noqa: E731
        start = optimize(negated, space, seed=seed, near=near, search=_SEARCH)
    found = convex.minimise(function, lower, upper, pull=pull, start=start)
    if start is not None:
        there = convex.certify(function, start, lower, upper, pull=pull)
        found = found if found.value <= there.value else there
    at_least = np.array(space.at_least)
    if not at_least.any():
        return found
    nearest = space.snap(found.point, threshold=0.0)
    on = nearest > 0.0
    floor, top = np.where(on, np.maximum(lower, at_least), 0.0), np.where(on, upper, 0.0)
    return convex.minimise(function, floor, top, pull=pull, start=None if is_convex else nearest)


def restricted(space: MixtureSpace, allowed: np.ndarray) -> MixtureSpace:
    """The space with some weights fixed at their lower bounds.

    Args:
        space: The whole.
        allowed: ``d`` booleans, which weights stay free; their upper bounds must leave a mixture.
    """
    upper = np.where(allowed, space.upper_array, space.lower_array)
    at_least = np.where(allowed, np.array(space.at_least), 0.0)
    names = space.domains
    bounds = [dict(zip(names, values, strict=True)) for values in (space.lower, upper.tolist(), at_least.tolist())]
    return MixtureSpace(names, *bounds)


def pulled(function: Function, pull: Pull | None) -> Function:
    """The whole that :func:`lowest` minimises, with finite slopes at weights of zero."""
    if pull is None:
        return function
    used = np.flatnonzero(pull.prior)
    prior, strength = torch.as_tensor(pull.prior[used]), pull.strength

    def whole(points: Tensor) -> Tensor:
        shares = points[..., used].clamp_min(0.0) + _OFFSET
        return function(points) + strength * (shares * torch.log(shares / prior)).sum(dim=-1)

    return whole
