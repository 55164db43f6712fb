"""Every minimiser finds the certified minimum under linear constraints."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bomix.optimization import branch_and_bound, bundle, convex, sequential_quadratic
from bomix.optimization.level_set import LevelSet, near_optimal
from bomix.optimization.minimize import minimise
from bomix.optimization.multistart import optimize
from bomix.optimization.relative_entropy import KLPenalty
from bomix.space.linear import Constraint
from bomix.space.mixture_space import MixtureSpace
from bomix.space.programme import solve

NAMES = tuple("abcdef")
SPACE = MixtureSpace(
    NAMES,
    upper={"f": 0.5},
    constraints=[
        Constraint({"a": 1.0, "b": 1.0}, 0.2, 0.3),
        Constraint({"c": 1.0, "d": -0.5}, None, 0.0),
        Constraint({"e": 1.0}, 0.1, 0.1),
    ],
)
BOUNDS = (SPACE.lower_array, SPACE.upper_array)
RATES = torch.tensor([3.0, 1.0, 4.0, 1.0, 5.0, 0.5], dtype=torch.float64)


def law(X):
    return (RATES * (X.clamp_min(0.0) + 0.01) ** -0.5).sum(dim=-1)


def kinked(X):
    return (RATES * (1.0 - X) ** 2).amax(dim=-1)


@pytest.mark.parametrize("strength", [0.0, 0.5])
def test_newtons_method_ends_at_a_certified_minimum(strength):
    prior = np.array([0.3, 0.1, 0.2, 0.2, 0.1, 0.1])
    penalty = KLPenalty(prior, strength) if strength else None
    found = convex.minimise(law, *BOUNDS, penalty=penalty, rows=SPACE.rows)
    assert found.residual < 1e-9
    assert found.gap < 1e-9
    assert SPACE.contains(found.point, tolerance=1e-10)


def test_all_minimisers_agree():
    exact = convex.minimise(law, *BOUNDS, rows=SPACE.rows)
    start = SPACE.uniform()
    quadratic = sequential_quadratic.minimise(law, *BOUNDS, start=start, rows=SPACE.rows)
    planes = bundle.minimise(law, *BOUNDS, start, rows=SPACE.rows)
    many = minimise(law, SPACE, shape="smooth", seed=0)
    whole = branch_and_bound.minimise(law, SPACE)
    searched = optimize(lambda X: -law(X.squeeze(-2)), SPACE, seed=0)
    for point, tolerance in (
        (quadratic.point, 1e-8),
        (planes, 1e-6),
        (many.point, 1e-9),
        (whole.point, 1e-8),
        (searched, 1e-4),
    ):
        assert law(torch.as_tensor(point)) == pytest.approx(exact.value, abs=tolerance)
        assert SPACE.contains(point, tolerance=1e-9)


def test_the_lowest_of_kinks_is_below_all_others():
    point = bundle.minimise(kinked, *BOUNDS, SPACE.uniform(), rows=SPACE.rows)
    others = torch.as_tensor(SPACE.sobol(512, seed=0))
    assert kinked(torch.as_tensor(point)) <= kinked(others).min()


def test_zero_or_at_least_and_constraints_are_solved_together():
    space = MixtureSpace(NAMES, at_least=dict.fromkeys(NAMES, 0.15), constraints=SPACE.constraints[:2])
    found = branch_and_bound.minimise(lambda X: (X * RATES).sum(dim=-1), space)
    points = space.snap(space.sobol(512, seed=0))
    assert space.contains(found.point, tolerance=1e-9)
    assert found.value <= (points @ RATES.numpy()).min() + 1e-9
    assert found.gap < 1e-6


def test_the_ranges_of_a_flat_optimum_keep_constraints():
    """The whole space is good enough: ranges are those that linear programmes find."""
    best = SPACE.uniform()
    set_ = LevelSet(lambda X: 0.0 * X.sum(dim=-1), SPACE, best, level=1.0, slack=1.0)
    lower, upper = near_optimal(set_, seed=0)
    for index in range(len(NAMES)):
        unit = np.eye(len(NAMES))[index]
        least, most = solve(unit, *BOUNDS, SPACE.rows)[index], solve(-unit, *BOUNDS, SPACE.rows)[index]
        assert lower[index] >= least - 1e-9
        assert upper[index] <= most + 1e-9
        assert upper[index] - lower[index] >= 0.8 * (most - least) - 1e-9
