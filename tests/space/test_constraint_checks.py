"""Constraints that leave no mixture, or a single one, say which of them are to blame."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bomix.errors import FaultsError
from bomix.space import blame
from bomix.space.few import few_mixtures, single_by
from bomix.space.linear import Constraint, Rows
from bomix.space.mixture_space import MixtureSpace
from bomix.space.programme import feasible

ABCDE = tuple("abcde")


def refused(**options):
    with pytest.raises(FaultsError) as caught:
        MixtureSpace(ABCDE, **options)
    return [str(fault) for fault in caught.value.faults]


def test_every_fault_of_a_constraint_is_said_at_once():
    found = refused(constraints=[Constraint({"z": 1.0}, 0.5, 0.4), Constraint({"a": 1.0}), Constraint({"a": 0.0}, 0.1)])
    assert [fault.split(":")[0] for fault in found] == ["constraints[0]"] * 2 + ["constraints[1]", "constraints[2]"]
    assert "unknown domain 'z'" in found[0]
    assert "above 'at_most'" in found[1]
    assert "no end" in found[2]
    assert "zero" in found[3]


def test_a_constraint_that_bounds_contradict_says_what_they_allow():
    (found,) = refused(upper={"a": 0.2, "b": 0.1}, constraints=[Constraint({"a": 1.0, "b": 1.0}, 0.5, name="ab")])
    assert "'ab' (a + b at least 0.5)" in found
    assert "at most 0.3" in found
    (found,) = refused(lower={"a": 0.2}, constraints=[Constraint({"a": 1.0}, at_most=0.1)])
    assert "no less than 0.2" in found


def test_only_those_to_blame_are_named():
    constraints = [
        Constraint({"a": 1.0, "b": 1.0}, 0.35, name="sum"),
        Constraint({"a": 1.0, "c": -1.0}, 0.1, name="more of a"),
        Constraint({"c": 1.0, "b": -1.0}, 0.05, name="more of c"),
        Constraint({"d": 1.0}, at_most=0.9, name="innocent"),
    ]
    (found,) = refused(upper={"a": 0.2, "b": 0.3, "e": 0.7}, constraints=constraints)
    assert all(name in found for name in ("'sum'", "'more of a'", "'more of c'", "the upper bound 0.2 of 'a'"))
    assert "innocent" not in found
    assert "'e'" not in found


@settings(max_examples=25, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000))
def test_what_is_blamed_is_irreducible(seed):
    """Together they leave no mixture; without any one of them there is one."""
    rng = np.random.default_rng(seed)
    constraints = []
    for _ in range(6):
        some = rng.choice(5, size=2, replace=False)
        constraints.append(Constraint({ABCDE[i]: 1.0 for i in some}, at_least=float(rng.uniform(0.4, 0.7))))
    low, high = np.zeros(5), np.ones(5)
    if feasible(low, high, Rows.of(constraints, ABCDE)) is not None:
        return
    blamed = blame.why_empty(low, high, ABCDE, constraints)
    kept = [constraints[each.index] for each in blamed]
    assert feasible(low, high, Rows.of(kept, ABCDE)) is None
    for some in itertools.combinations(kept, len(kept) - 1):
        assert feasible(low, high, Rows.of(some, ABCDE)) is not None


def test_a_single_mixture_is_known_and_blamed():
    constraints = [
        Constraint({"a": 1.0}, 0.25, name="a"),
        Constraint({"b": 1.0}, 0.75, 0.75, name="b"),
        Constraint({"c": 1.0}, at_most=0.5, name="c"),
    ]
    space = MixtureSpace(ABCDE, constraints=constraints)
    np.testing.assert_allclose(few_mixtures(space), [[0.25, 0.75, 0.0, 0.0, 0.0]], atol=1e-12)
    np.testing.assert_allclose(space.sobol(3, seed=0), [[0.25, 0.75, 0, 0, 0]] * 3, atol=1e-9)
    assert single_by(space) == "'a' (a at least 0.25); 'b' (b at least 0.75)"


def test_zero_or_at_least_may_fit_no_constraint():
    constraints = [Constraint({"a": 1.0, "b": 1.0}, 0.2, 0.3)]
    (found,) = refused(at_least={"a": 0.4, "b": 0.4}, constraints=constraints)
    assert "zero or at least" in found


def test_few_mixtures_under_constraints_are_counted():
    least = dict.fromkeys("abc", 0.5)
    space = MixtureSpace(tuple("abc"), at_least=least, constraints=[Constraint({"a": 1.0}, 0.1)])
    found = few_mixtures(space)
    assert found is not None
    assert len(found) == 3  # a alone, and half of it with b or with c
