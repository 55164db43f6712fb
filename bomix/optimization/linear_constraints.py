"""General linear constraints on mixtures, which no map absorbs: SLSQP improves one start at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bomix.errors import SpaceError
from bomix.numerics.constants import TINY

if TYPE_CHECKING:
    from bomix.optimization.projected_gradient import Cost
    from bomix.space.mixture_space import MixtureSpace
    from bomix.space.polytope import Array


class Inequalities(NamedTuple):
    """General linear constraints, ``matrix @ w <= bound``.

    Attributes:
        matrix: ``c x d`` coefficients of the weights.
        bound: ``c`` upper bounds.
    """

    matrix: Array
    bound: Array

    def hold(self, points: Array) -> np.ndarray:
        """Whether all hold to 1e-9 at each of ``n x d`` points."""
        return np.asarray((points @ self.matrix.T <= self.bound + 1e-9).all(axis=1))


def meeting(space: MixtureSpace, inequalities: Inequalities, points: Array) -> Array:
    """``n x d`` points of the space moved, where they break an inequality, towards a mixture that meets all.

    Each is moved along a straight line, and only until all inequalities hold.

    Raises:
        SpaceError: No mixture of the space meets the inequalities.
    """
    from scipy.optimize import linprog

    ok = inequalities.hold(points)
    centre = linprog(
        np.zeros(space.dimension),
        A_ub=inequalities.matrix,
        b_ub=inequalities.bound,
        A_eq=np.ones((1, space.dimension)),
        b_eq=[1.0],
        bounds=space.bounds.T,
    )
    if not centre.success:
        raise SpaceError("no mixture of the space meets the linear constraints; loosen one of them or a bound")
    inner = space.project(centre.x)
    # Along the segment to a feasible point each constraint is met from some share on: the largest of these shares.
    gap = points @ inequalities.matrix.T - inequalities.bound
    slack = inequalities.bound - inner @ inequalities.matrix.T
    share = np.where(gap > 0.0, gap / np.maximum(gap + slack, TINY), 0.0).max(axis=1, keepdims=True)
    return np.where(ok[:, None], points, points + np.clip(share, 0.0, 1.0) * (inner - points))


def slsqp(cost: Cost, space: MixtureSpace, start: Array, inequalities: Inequalities) -> Array:
    """Improve one point under general linear constraints."""
    from scipy.optimize import minimize

    def scalar(point: Array) -> tuple[float, Array]:
        value, gradient = cost(space.project(point)[None])
        return float(value[0]), gradient[0]

    matrix, bound = inequalities
    found = minimize(
        scalar,
        start,
        jac=True,
        method="SLSQP",
        bounds=space.bounds.T,
        constraints=[
            {"type": "eq", "fun": lambda w: w.sum() - 1.0, "jac": lambda w: np.ones_like(w)},
            {"type": "ineq", "fun": lambda w: bound - matrix @ w, "jac": lambda w: -matrix},
        ],
        options={"maxiter": 60, "ftol": 1e-10},
    )
    point = space.project(found.x) if np.isfinite(found.x).all() else start
    better = cost(point[None])[0][0] < cost(start[None])[0][0]
    return np.asarray(point if better and inequalities.hold(point[None])[0] else start)
