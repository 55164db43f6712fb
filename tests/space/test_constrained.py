"""Projections under linear constraints: exact, and certified by linear programmes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bomix.space import choices, constrained
from bomix.space.linear import Constraint, Rows
from bomix.space.mixture_space import MixtureSpace
from bomix.space.programme import feasible, interior, solve

ABC = ("a", "b", "c")


def random_space(seed):
    """A space around a random mixture: groups with narrow or wide ends, one of them a total, caps, general rows."""
    rng = np.random.default_rng(seed)
    d = int(rng.integers(2, 13))
    names = [f"d{i:02d}" for i in range(d)]
    inside = rng.dirichlet(np.ones(d))
    rows = []
    for number, group in enumerate(np.array_split(rng.permutation(d), int(rng.integers(1, d + 1)))):
        total = inside[group].sum()
        ends = (total * rng.uniform(0.5, 1.0), total * rng.uniform(1.0, 1.5)) if number else (total, total)
        rows.append(Constraint(dict.fromkeys([names[i] for i in group], 1.0), *ends))
    for _ in range(int(rng.integers(0, 4))):
        row = rng.normal(size=d)
        rows.append(Constraint(dict(zip(names, row, strict=True)), None, float(row @ inside) + rng.random() * 0.05))
    upper = np.minimum(1.0, np.maximum(1.01 * inside, rng.random(d) * 4.0 / d))
    lower = np.where(rng.random(d) < 0.3, 0.5 * inside, 0.0)
    return Rows.of(rows, names), lower, upper, rng


@settings(max_examples=30, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), width=st.sampled_from([0.05, 1.0, 30.0]))
def test_projections_keep_everything_and_no_mixture_is_nearer(seed, width):
    rows, lower, upper, rng = random_space(seed)
    points = rng.normal(size=(12, len(lower))) * width
    found = constrained.project(points, lower, upper, rows)
    assert rows.hold(found, tolerance=1e-11).all()
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-11)
    assert (found >= lower).all()
    assert (found <= upper).all()
    for point, nearest in zip(points, found, strict=True):
        furthest = solve(nearest - point, lower, upper, rows)
        assert (point - nearest) @ (furthest - nearest) <= 1e-7 * max(1.0, np.abs(point).max())
    np.testing.assert_allclose(constrained.project(found, lower, upper, rows), found, atol=1e-12)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000))
def test_points_are_pulled_inside_and_others_stay(seed):
    rows, lower, upper, rng = random_space(seed)
    points = rng.dirichlet(np.ones(len(lower)), size=50)
    kept = constrained.project(points[:5], lower, upper, rows)
    points[:5] = 0.999 * kept + 0.001 * interior(tuple(lower), tuple(upper), rows).centre
    found = constrained.pulled_inside(points, lower, upper, rows)
    np.testing.assert_allclose(found[:5], points[:5], atol=1e-9)
    assert rows.hold(found, tolerance=1e-9).all()
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-9)
    assert ((found >= lower) & (found <= upper)).all()


def test_a_face_without_a_mixture_is_told():
    rows = Rows.of([Constraint({"a": 1.0, "b": 1.0}, 0.5)], ABC)
    upper = np.array([[1.0, 1.0, 1.0], [0.0, 0.0, 1.0], [0.0, 0.5, 1.0]])
    found, right = constrained.attempt(np.full((3, 3), 1 / 3), 0.0 * upper, upper, rows)
    assert right.tolist() == [True, False, True]
    np.testing.assert_allclose(found[2], [0.0, 0.5, 0.5])
    assert feasible(np.zeros(3), upper[1], rows) is None


def test_the_interior_knows_what_is_flat():
    """Two sums that meet from both sides leave an equality, a cap that a total needs fixes a weight."""
    rows = Rows.of([Constraint({"a": 1.0}, 0.25), Constraint({"b": 1.0, "c": 1.0}, 0.75)], ABC)
    inside = interior((0.0,) * 3, (1.0,) * 3, rows)
    assert inside.flat.all()
    assert inside.dimension(rows) == 1
    np.testing.assert_allclose(inside.centre[0], 0.25)
    fixed = Rows.of([Constraint({"a": 1.0, "b": 1.0}, 0.75)], ABC)
    assert interior((0.0,) * 3, (0.25, 0.5, 1.0), fixed).dimension(fixed) == 0


def test_without_constraints_it_is_the_plain_projection():
    space = MixtureSpace(ABC, upper={"a": 0.4})
    points = np.random.default_rng(0).normal(size=(20, 3))
    loose = MixtureSpace(ABC, upper={"a": 0.4}, constraints=[Constraint({"a": 1.0}, at_most=0.9)])
    np.testing.assert_array_equal(space.project(points), loose.project(points))


@pytest.mark.parametrize("least", [0.0, 0.25])
def test_snapping_keeps_what_sums_need(least):
    """Three domains share 0.3; none of them is worth a tenth, and "zero or at least" a quarter lets one stay."""
    group = Constraint(dict.fromkeys("abc", 1.0), 0.3, 0.3)
    space = MixtureSpace(tuple("abcd"), at_least=dict.fromkeys("abc", least), constraints=[group])
    snapped = space.snap([[0.09, 0.01, 0.0, 0.9], [0.05, 0.05, 0.05, 0.85]], threshold=0.15)
    assert space.contains(snapped, tolerance=1e-9).all()
    assert ((snapped[:, :3] == 0.0) | (snapped[:, :3] >= max(0.15, least) - 1e-9)).all()


def test_a_choice_that_leaves_no_mixture_is_changed_as_little_as_possible():
    """The sum of ``a`` and ``b`` is wanted, and ``c`` alone is on: the cheaper of the two is turned on beside it."""
    rows = Rows.of([Constraint({"a": 1.0, "b": 1.0}, 0.5)], ABC)
    on, cost, free = np.array([False, False, True]), np.array([0.9, 0.1, 0.5]), np.ones(3, dtype=bool)
    found = choices.nearest_choice(on, cost, np.zeros(3), np.ones(3), free, rows)
    assert found.tolist() == [False, True, True]
    assert choices.nearest_choice(on, cost, np.zeros(3), np.array([0.2, 0.2, 1.0]), free, rows) is None
