"""The best mixture under an acquisition function: all restarts in one batch, zeros and caps reached exactly.

A sample of the polytope and of the neighbourhood of the best mixtures picks the starts. L-BFGS moves all of them at
once through :class:`~bomix.optimization.simplex_map.SimplexMap`; spectral projected gradient finishes the
leaders on the polytope itself, where a weight can leave a cap or a zero. Functions without gradients are searched by
rounds of smaller and smaller changes of the best points. Under linear constraints, which no map absorbs, projected
gradients move all starts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from bomix.numerics import lbfgs
from bomix.numerics.chunks import in_chunks
from bomix.optimization import start_points
from bomix.optimization.projected_gradient import projected_gradient
from bomix.optimization.simplex_map import SimplexMap
from bomix.space.weights import is_among

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from bomix.optimization.projected_gradient import Cost
    from bomix.space.mixture_space import MixtureSpace
    from bomix.space.polytope import Array

    AcquisitionValue = Callable[[Tensor], Tensor]
    """``batch x 1 x d`` mixtures to ``batch`` acquisition values; higher is better."""

_VERTICES_UP_TO = 32
"""Domains up to which each domain alone is scored: beyond, it is never near the best, and there are many."""
_NEAR = 4
"""Best mixtures around which more are scored: acquisition functions have their maxima next to some of them."""
_TRIED = 64
"""Best mixtures that are scored themselves; those behind them are worse, and already known to be."""
_WIDTHS = (0.01, 0.05, 0.15)
"""Widths of the clouds around them: from next to a mixture to beyond its valley."""
_MAX_STEP = 0.3
"""Largest change of a coordinate of the map in one step: coordinates are roots of weights, between zero and one, and a
longer step would leave the valley of the start."""
_AT_ONCE = 512
"""Mixtures that are scored at a time: acquisition functions that count entries themselves make smaller parts of
them."""
_SCREENED = 4
"""Mixtures that are scored for each start, where a cheaper measure has ranked them: the dear one decides among
these."""


@dataclass(frozen=True)
class Search:
    """Numbers of starts and evaluations of a search.

    Attributes:
        raw: Sobol points of the polytope that are scored to find starts; half as many more lie on its faces and near
            the best mixtures.
        starts: Starts that are improved.
        iterations: Evaluations of the batch of starts.
        polished: Leaders that are finished on the polytope itself.
        polish: Evaluations of the batch of leaders.
    """

    raw: int = 128
    starts: int = 8
    iterations: int = 40
    polished: int = 2
    polish: int = 10


def optimize(
    acquisition: AcquisitionValue,
    space: MixtureSpace,
    *,
    seed: int,
    near: Array | None = None,
    avoid: Array | None = None,
    search: Search | None = None,
    gradients: bool = True,
    joint: bool = False,
    screen: AcquisitionValue | None = None,
) -> Array:
    """The mixture with the largest acquisition value.

    Args:
        acquisition: Maps ``batch x 1 x d`` mixtures to ``batch`` values.
        space: The mixtures that are allowed.
        seed: Seed of the starts.
        near: ``n x d`` mixtures worth starting at and around, the best first.
        avoid: ``p x d`` mixtures not to be proposed again.
        search: Numbers of starts and evaluations; None takes the defaults.
        gradients: Whether the acquisition is differentiable; without, it is searched by sampling.
        joint: Whether the acquisition is one draw of a function, to be called once on all mixtures that compete.
        screen: A cheaper measure, of the same shape: only the best mixtures by it are scored as starts.

    Returns:
        ``d`` weights, snapped, feasible to 1e-9, different from those to avoid unless the space is one point.
    """
    search = search or Search()
    raw = _scored_points(space, search.raw, near, seed)
    if joint:
        return best_of(acquisition, space.snap(raw), avoid=avoid, joint=True)
    if screen is not None:
        raw = raw[np.argsort(-_values(screen, raw), kind="stable")[: _SCREENED * search.starts]]
    values = _values(acquisition, raw)
    order = np.argsort(-values, kind="stable")
    starts = start_points.spaced(raw[order], search.starts)
    if not gradients:
        points = _sampled(acquisition, space, starts, search.iterations, seed)
    else:
        points = _improved(_cost(acquisition), space, starts, search)
    ends = space.snap(np.concatenate([points, raw[order[: search.starts]]]))
    ranked = ends[np.argsort(-_values(acquisition, ends), kind="stable")]
    found = np.concatenate([ranked, space.snap(raw[order])])
    return next((np.asarray(point) for point in found if not is_among(point, avoid)), np.asarray(found[0]))


def best_of(acquisition: AcquisitionValue, pool: Array, *, avoid: Array | None = None, joint: bool = False) -> Array:
    """The mixture of a pool with the largest acquisition value.

    Args:
        acquisition: Maps ``batch x 1 x d`` mixtures to ``batch`` values; it needs no gradients.
        pool: ``n x d``.
        avoid: ``p x d`` mixtures not to be proposed again, unless nothing else is left.
        joint: Whether the acquisition is one draw of a function, to be called once on the whole pool.
    """
    values = _values(acquisition, pool, at_once=len(pool) if joint else _AT_ONCE)
    ranked = pool[np.argsort(-values, kind="stable")]
    return next((np.asarray(point) for point in ranked if not is_among(point, avoid)), np.asarray(ranked[0]))


def value_at(acquisition: AcquisitionValue, point: Array) -> float:
    """The acquisition value of one mixture, ``d``."""
    return float(_values(acquisition, point[None])[0])


def _improved(cost: Cost, space: MixtureSpace, starts: Array, search: Search) -> Array:
    """The starts moved downhill, the leaders finished; ``b x d``."""
    if space.rows is not None:
        return projected_gradient(cost, space, starts, search.iterations + search.polish)[0]
    mapping = SimplexMap(space)

    def mapped(z: torch.Tensor, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        at = mapping(z)
        value, gradient = cost(at.weights.numpy())
        return torch.as_tensor(value), mapping.unconstrained_gradient(z, at, torch.as_tensor(gradient))

    found = lbfgs.minimize(
        mapped, mapping.start(starts), max_evaluations=search.iterations, tolerance=1e-5, max_step=_MAX_STEP
    )
    ends = space.project(mapping(found.x).weights.numpy())
    leaders = space.snap(ends[np.argsort(found.value.numpy(), kind="stable")[: search.polished]])
    finished, _ = projected_gradient(cost, space, leaders, search.polish)
    return np.concatenate([finished, ends])


def _sampled(acquisition: AcquisitionValue, space: MixtureSpace, starts: Array, rounds: int, seed: int) -> Array:
    """The starts improved by sampling around the best so far, each round nearer; ``b x d``."""
    rng, leaders, d = np.random.default_rng(seed), starts, space.dimension
    for width in np.geomspace(0.3, 0.003, max(rounds // 2, 1)):
        parents = np.repeat(leaders, 16, axis=0)
        stretched = parents * np.exp(4.0 * width * rng.normal(size=parents.shape))
        shifted = parents + width * rng.normal(size=parents.shape) * np.sqrt(parents + 1.0 / d)
        chosen = np.where(
            rng.random((len(parents), 1)) < 0.5, stretched / stretched.sum(axis=1, keepdims=True), shifted
        )
        field = np.concatenate([leaders, space.project(chosen)])
        leaders = field[np.argsort(-_values(acquisition, field), kind="stable")[: len(starts)]]
    return leaders


def _cost(acquisition: AcquisitionValue) -> Cost:
    """Negated values ``b`` and gradients ``b x d`` of the acquisition at ``b x d`` points."""

    @torch.enable_grad()
    def cost(points: Array) -> tuple[Array, Array]:
        X = torch.as_tensor(points, dtype=torch.float64).unsqueeze(-2).requires_grad_()
        values = -acquisition(X)
        (gradient,) = torch.autograd.grad(values.sum(), X)
        return values.detach().numpy(), gradient.squeeze(-2).numpy()

    return cost


def _values(acquisition: AcquisitionValue, points: Array, *, at_once: int = _AT_ONCE) -> Array:
    """Acquisition values of ``n x d`` points, ``n``; NaN counts as the lowest. ``n`` may be zero."""
    if not len(points):
        return np.zeros(0)
    with torch.no_grad():
        values = in_chunks(acquisition, torch.as_tensor(points, dtype=torch.float64).unsqueeze(-2), rows=at_once)
    return np.asarray(np.nan_to_num(values.numpy(), nan=-np.inf))


def _scored_points(space: MixtureSpace, count: int, near: Array | None, seed: int) -> Array:
    """Points to score: the polytope evenly, its faces, its corners, and the neighbourhood of what is known."""
    rng = np.random.default_rng(seed)
    points = [space.uniform()[None], space.sobol(count, seed=seed), start_points.sparse(space, count // 4, rng)]
    if space.dimension <= _VERTICES_UP_TO:
        points.append(space.project(np.eye(space.dimension)))
    if near is not None and len(near):
        widths = np.repeat(_WIDTHS, count // 16 + 1)
        points += [space.project(near[:_TRIED]), start_points.around(near[:_NEAR], space, widths, rng)]
    return np.concatenate(points)
