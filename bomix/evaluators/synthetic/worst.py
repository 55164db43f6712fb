"""The mixture whose worst loss is least above that of the uniform mixture, with a certificate.

``min_w max_j L_j(w) - L_j(uniform)`` has kinks; as the least height ``t`` that no metric exceeds it is a smooth problem
with constraints, for sequential quadratic programming [Boyd2004]_. Convex losses lie above their tangent planes: among
the weighted means of the planes at a mixture, the one whose lowest point is highest bounds how far the mixture is from
the minimum.

References:
    [Boyd2004] Convex optimization, sections 4.1.3 and 5.5.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from bomix.evaluators.synthetic.spec import Synthetic
from bomix.space.polytope import Array

_MOVE = 1e-6
"""Change of a weight in the differences that make slopes: between what a larger one loses to curvature and a smaller
one to rounding."""
_TOLERANCE = 1e-12
"""Change of the height, in nats per token, at which the search ends: four digits below what the certificate shows."""
_STARTS = 4
"""Searches, from the uniform mixture and from random ones: of convex losses one is enough unless it breaks off."""


def worst_excess(function: Synthetic, weights: Array) -> Array:
    """True largest excess ``(...)`` of a metric over the uniform mixture, at mixtures ``(...) x d``."""
    d = len(function.domain_names)
    return np.asarray((function.losses(weights) - function.losses(np.full(d, 1.0 / d))).max(axis=-1))


def regret(function: Synthetic, weights: Array) -> Array:
    """By how much the largest excess of mixtures ``(...) x d`` is above the least one, ``(...)``; true values."""
    return np.asarray(worst_excess(function, weights) - worst_optimum(replace(function, noise=0.0))[1])


@lru_cache(maxsize=256)
def worst_optimum(function: Synthetic) -> tuple[Array, float]:
    """The mixture with the least largest excess, ``d`` weights, and that excess; :func:`worst_gap` says how exact."""
    d = len(function.domain_names)
    starts = [np.full(d, 1.0 / d), *np.random.default_rng(0).dirichlet(np.ones(d), _STARTS - 1)]
    points = [_searched(function, start) for start in starts]
    best = min(points, key=lambda point: float(worst_excess(function, point)))
    return best, float(worst_excess(function, best))


def worst_gap(function: Synthetic, weights: Array) -> float:
    """No mixture has a largest excess that is lower than that of ``d`` weights by more than this; of convex losses."""
    from scipy.optimize import linprog

    slopes = _slopes(function, weights)
    m, d = slopes.shape
    heights = function.losses(weights) - function.losses(np.full(d, 1.0 / d))
    # Weights of the metrics, and the lowest value of their weighted plane on the simplex: that of one of its corners.
    planes = heights[:, None] + slopes - (slopes @ weights)[:, None]
    found = linprog(
        np.append(np.zeros(m), -1.0),
        A_ub=np.hstack([-planes.T, np.ones((d, 1))]),
        b_ub=np.zeros(d),
        A_eq=np.append(np.ones(m), 0.0)[None],
        b_eq=[1.0],
        bounds=[*[(0.0, None)] * m, (None, None)],
        method="highs",
    )
    return float(heights.max() + found.fun)


def _searched(function: Synthetic, start: Array) -> Array:
    """The ``d`` weights that sequential quadratic programming ends at, from ``d`` weights."""
    from scipy.optimize import minimize

    d = len(start)
    reference = function.losses(np.full(d, 1.0 / d))
    m = len(reference)
    height = {
        "type": "ineq",
        "fun": lambda x: x[d] - (function.losses(x[:d]) - reference),
        "jac": lambda x: np.hstack([-_slopes(function, x[:d]), np.ones((m, 1))]),
    }
    total = {"type": "eq", "fun": lambda x: x[:d].sum() - 1.0, "jac": lambda x: np.append(np.ones(d), 0.0)}
    found = minimize(
        lambda x: x[d],
        np.append(start, worst_excess(function, start)),
        jac=lambda x: np.append(np.zeros(d), 1.0),
        bounds=[*[(0.0, 1.0)] * d, (None, None)],
        constraints=[height, total],
        method="SLSQP",
        options={"ftol": _TOLERANCE, "maxiter": 500},
    )
    weights = np.maximum(found.x[:d], 0.0)
    return np.asarray(weights / weights.sum())


def _slopes(function: Synthetic, weights: Array) -> Array:
    """Slopes ``m x d`` of the losses at ``d`` weights, each weight moved alone; central differences."""
    moves = _MOVE * np.eye(len(weights))
    changes = function.losses(weights + moves) - function.losses(weights - moves)
    return np.asarray(changes.T / (2.0 * _MOVE))
