"""General linear constraints: met by what is found, with nothing better among the mixtures that meet them."""

from __future__ import annotations

import numpy as np
import pytest

from bomix.errors import SpaceError
from bomix.optimization.linear_constraints import Inequalities, meeting, slsqp
from bomix.optimization.multistart import optimize
from bomix.space.mixture_space import MixtureSpace

SPACE = MixtureSpace(tuple("abc"))
CENTRE = np.array([0.8, 0.6, 0.0])
INEQUALITIES = Inequalities(np.array([[1.0, 2.0, 0.0]]), np.array([0.5]))


def acquisition(X):
    return -(X.squeeze(-2) - X.new_tensor(CENTRE)).square().sum(dim=-1)


def cost(points):
    return ((points - CENTRE) ** 2).sum(axis=1), 2.0 * (points - CENTRE)


def test_general_linear_constraints_hold():
    found = optimize(acquisition, SPACE, seed=0, inequalities=INEQUALITIES)
    assert found @ [1.0, 2.0, 0.0] == pytest.approx(0.5, abs=1e-6)
    dense = SPACE.sobol(4096, seed=0)
    dense = dense[INEQUALITIES.hold(dense)]
    assert cost(found[None])[0][0] <= cost(dense)[0].min() + 1e-6


def test_constraints_that_no_mixture_meets_are_an_error():
    none = Inequalities(np.eye(3), np.full(3, 0.1))
    with pytest.raises(SpaceError, match="linear constraints"):
        optimize(acquisition, SPACE, seed=0, inequalities=none)


def test_points_that_break_a_constraint_are_moved_to_its_edge_and_others_stay():
    points = SPACE.sobol(200, seed=1)
    ok = INEQUALITIES.hold(points)
    assert ok.any()
    assert not ok.all()
    moved = meeting(SPACE, INEQUALITIES, points)
    np.testing.assert_array_equal(moved[ok], points[ok])
    assert INEQUALITIES.hold(moved).all()
    assert SPACE.contains(moved, tolerance=1e-9).all()
    np.testing.assert_allclose(moved[~ok] @ INEQUALITIES.matrix[0], 0.5, atol=1e-9)


def test_a_start_is_improved_or_returned():
    start = np.array([0.1, 0.1, 0.8])
    end = slsqp(cost, SPACE, start, INEQUALITIES)
    assert cost(end[None])[0][0] < cost(start[None])[0][0]
    assert INEQUALITIES.hold(end[None])[0]
    np.testing.assert_allclose(slsqp(cost, SPACE, end, INEQUALITIES), end, atol=1e-6)
