"""The best mixture under an acquisition function: all restarts in one batch, on the polytope itself.

A wide sample of the polytope picks the starts. Spectral projected gradient [Birgin2000]_ then moves all of them
at once: the Euclidean projection keeps every iterate feasible, so that faces and vertices, where optima of mixtures
often lie, are reached exactly. The leaders are polished by SLSQP, which takes curvature into account.

References:
    [Birgin2000] Nonmonotone spectral projected gradient methods on convex sets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from botorch.acquisition.acquisition import AcquisitionFunction

    from bomix.polytope import Array
    from bomix.space import MixtureSpace

    Cost = Callable[[Array], tuple[Array, Array]]

SAME = 1e-6
"""Two mixtures whose weights all agree to this are one."""

_VERTICES_UP_TO = 32
_NEAR = 4
_APART = 0.01
_NON_MONOTONE = 5
_ARMIJO = 1e-4
_MAX_TRIES = 20


@dataclass(frozen=True)
class Search:
    """How hard to look.

    Attributes:
        raw: Sobol points of the polytope that are scored to find starts.
        starts: Starts that are improved.
        iterations: Evaluations of the batch of starts.
        polished: Leaders that SLSQP finishes.
    """

    raw: int = 256
    starts: int = 8
    iterations: int = 60
    polished: int = 2


def optimize(
    acquisition: AcquisitionFunction,
    space: MixtureSpace,
    *,
    seed: int,
    near: Array | None = None,
    avoid: Array | None = None,
    search: Search | None = None,
) -> Array:
    """The mixture with the largest acquisition value.

    Args:
        acquisition: Maps ``batch x 1 x d`` mixtures to ``batch`` values; differentiable.
        space: Where to look.
        seed: Of the starts.
        near: ``n x d`` mixtures worth starting at and around, the best first.
        avoid: ``p x d`` mixtures not to be proposed again.
        search: How hard to look.

    Returns:
        ``d`` weights, snapped, feasible to 1e-9, different from those to avoid unless the space is one point.
    """
    search = search or Search()
    cost = _cost(acquisition)
    raw = _raw_points(space, search.raw, near, seed)
    values = _values(acquisition, raw)
    order = np.argsort(-values, kind="stable")
    starts = _spaced(raw[order], search.starts)
    points, costs = _projected_gradient(cost, space, starts, search.iterations)
    leaders = points[np.argsort(costs, kind="stable")[: search.polished]]
    polished = [_polish(cost, space, leader) for leader in leaders]
    ends = space.snap(np.concatenate([*[point[None] for point in polished], points]))
    ranked = ends[np.argsort(-_values(acquisition, ends), kind="stable")]
    for point in (*ranked, *space.snap(raw[order])):
        if not is_among(point, avoid):
            return np.asarray(point)
    return np.asarray(ranked[0])


def is_among(point: Array, others: Array | None) -> bool:
    """Whether a ``d`` mixture is one of ``n x d`` others."""
    return others is not None and len(others) > 0 and bool((np.abs(others - point).max(axis=1) <= SAME).any())


def _cost(acquisition: AcquisitionFunction) -> Cost:
    """Negated values ``b`` and gradients ``b x d`` of the acquisition at ``b x d`` points."""

    @torch.enable_grad()
    def cost(points: Array) -> tuple[Array, Array]:
        X = torch.as_tensor(points, dtype=torch.float64).unsqueeze(-2).requires_grad_()
        values = -acquisition(X)
        (gradient,) = torch.autograd.grad(values.sum(), X)
        return values.detach().numpy(), gradient.squeeze(-2).numpy()

    return cost


def _values(acquisition: AcquisitionFunction, points: Array) -> Array:
    with torch.no_grad():
        values = acquisition(torch.as_tensor(points, dtype=torch.float64).unsqueeze(-2))
    return np.asarray(np.nan_to_num(values.numpy(), nan=-np.inf))


def _raw_points(space: MixtureSpace, count: int, near: Array | None, seed: int) -> Array:
    """Points to score: the polytope evenly, its faces, its corners, and the neighbourhood of what is known."""
    rng = np.random.default_rng(seed)
    d = space.dimension
    even = space.sobol(count, seed=seed)
    sparse = space.project(rng.dirichlet(np.full(d, min(1.0, 3.0 / d)), size=count // 4))
    points = [space.uniform()[None], even, sparse]
    if d <= _VERTICES_UP_TO:
        points.append(space.project(np.eye(d)))
    if near is not None and len(near):
        closest = near[:_NEAR]
        width = np.repeat([0.01, 0.05, 0.15], count // 32 + 1)[:, None, None]
        noise = rng.normal(size=(len(width), *closest.shape)) * width * np.sqrt(closest + 1.0 / d)
        points += [space.project(near), space.project((closest + noise).reshape(-1, d))]
    return np.concatenate(points)


def _spaced(points: Array, count: int) -> Array:
    """The first points that keep some distance from each other."""
    chosen: list[Array] = []
    for point in points:
        if len(chosen) == count:
            break
        if not chosen or np.abs(np.array(chosen) - point).max(axis=1).min() > _APART:
            chosen.append(point)
    return np.array(chosen)


def _projected_gradient(cost: Cost, space: MixtureSpace, starts: Array, iterations: int) -> tuple[Array, Array]:
    """Move every start downhill on its own path; each evaluation serves all of them.

    Returns:
        ``b x d`` best points and their ``b`` costs.
    """
    x = starts.copy()
    f, g = cost(x)
    best_x, best_f = x.copy(), f.copy()
    recent = np.repeat(f[:, None], _NON_MONOTONE, axis=1)
    spectral = 0.1 / np.maximum(np.abs(g).max(axis=1), 1e-12)
    direction = space.project(x - spectral[:, None] * g) - x
    length, tries = np.ones(len(x)), np.zeros(len(x), dtype=int)
    done = ~np.isfinite(f) | (np.abs(direction).max(axis=1) < 1e-9)
    for _ in range(iterations):
        if done.all():
            break
        trial = x + np.where(done, 0.0, length)[:, None] * direction
        trial_f, trial_g = cost(trial)
        slope = (g * direction).sum(axis=1)
        enough = trial_f <= recent.max(axis=1) + _ARMIJO * length * slope
        ok = ~done & np.isfinite(trial_f) & np.isfinite(trial_g).all(axis=1) & enough
        step, change = trial - x, trial_g - g
        curvature = (step * change).sum(axis=1)
        squared = (step * step).sum(axis=1)
        longer = np.where(curvature > 1e-12 * squared, squared / np.maximum(curvature, 1e-300), 10.0 * spectral)
        spectral = np.where(ok, np.clip(longer, 1e-10, 1e6), spectral)
        x, g, f = np.where(ok[:, None], trial, x), np.where(ok[:, None], trial_g, g), np.where(ok, trial_f, f)
        recent = np.where(ok[:, None], np.concatenate([recent[:, 1:], f[:, None]], axis=1), recent)
        better = ok & (f < best_f)
        best_x, best_f = np.where(better[:, None], x, best_x), np.where(better, f, best_f)
        moved = space.project(x - spectral[:, None] * np.nan_to_num(g)) - x
        direction = np.where(ok[:, None], moved, direction)
        length, tries = np.where(ok, 1.0, 0.3 * length), np.where(ok, 0, tries + 1)
        done |= (ok & (np.abs(direction).max(axis=1) < 1e-7)) | (tries > _MAX_TRIES)
    return best_x, best_f


def _polish(cost: Cost, space: MixtureSpace, start: Array) -> Array:
    """Finish one point by SLSQP, on the face that the start lies on first of all its neighbours."""
    from scipy.optimize import minimize

    def scalar(point: Array) -> tuple[float, Array]:
        value, gradient = cost(space.project(point)[None])
        return float(value[0]), gradient[0]

    found = minimize(
        scalar,
        start,
        jac=True,
        method="SLSQP",
        bounds=space.bounds.T,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1.0, "jac": lambda w: np.ones_like(w)},
        options={"maxiter": 40, "ftol": 1e-10},
    )
    point = space.project(found.x) if np.isfinite(found.x).all() else start
    before, after = cost(start[None])[0][0], cost(point[None])[0][0]
    return np.asarray(point if after < before else start)
