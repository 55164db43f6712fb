"""Spaces with closed nodes: the same mixtures as in the whole space under the fixed ratios."""

from __future__ import annotations

import numpy as np
import pytest

from bomix.space.linear import Constraint
from bomix.space.mixture_space import MixtureSpace
from bomix.space.nested import Nested, nested_space

SHARES = {"code": {"code/a": 0.25, "code/b": 0.75}, "web": {"web/h": 0.5, "web/l": 0.5}, "wiki": {"wiki": 1.0}}
NAMES = [name for inside in SHARES.values() for name in inside]


def nested(**keys):
    space = MixtureSpace(NAMES, **keys)
    found, faults = nested_space(space, SHARES, most=1e-4)
    assert not faults
    return space, Nested(SHARES, found)


def test_mixtures_of_nodes_are_exactly_those_of_the_whole_that_keep_the_ratios():
    bounds = {"lower": {"code/a": 0.05}, "upper": {"code/b": 0.45, "web/l": 0.3}, "at_least": {"wiki": 0.1}}
    lines = [Constraint({"code/a": 1.0, "web/h": -0.5}, at_most=0.05), Constraint({"wiki": 1.0, "web/l": 1.0}, 0.1)]
    space, made = nested(**bounds, constraints=lines)
    drawn = np.random.default_rng(0).dirichlet(np.ones(3), size=4000)
    above = made.space.contains(drawn, tolerance=1e-9)
    below = [made.spread(dict(zip(made.space.domains, row, strict=True))) for row in drawn]
    assert np.array_equal(above, space.contains(space.to_arrays(below), tolerance=1e-9))
    assert 0.05 < above.mean() < 0.95
    for row in made.space.snap(made.space.sobol(32, seed=0)):
        space.check(made.spread(made.space.to_weights(row)), tolerance=1e-9)


def test_sums_undo_spreading_and_departure_counts_tokens_elsewhere():
    _, made = nested()
    weights = {"code": 0.4, "web": 0.35, "wiki": 0.25}
    spread = made.spread(weights)
    assert made.sums(spread) == pytest.approx(weights, abs=1e-15)
    assert made.departure(spread) == pytest.approx(0.0, abs=1e-15)
    assert made.departure({**spread, "web/h": spread["web/h"] + 0.1, "web/l": spread["web/l"] - 0.1}) == pytest.approx(
        0.1
    )
    assert list(spread) == sorted(spread)


def test_the_domains_that_cap_a_node_are_named_and_means_go_by_shares():
    space, made = nested(upper={"code/b": 0.45, "code/a": 0.2})
    assert made.space.upper[0] == pytest.approx(0.6)
    assert made.capped("code", space) == ("code/b",)
    assert made.means({"code/a": 3.0}, 15.0) == {"code": pytest.approx(12.0)}
    assert made.means({}, 15.0) == {}


def test_a_constraint_that_fixed_shares_decide_is_left_out():
    _, made = nested(constraints=[Constraint({"web/h": 1.0, "web/l": -1.0}, at_most=0.2)])
    assert made.space.constraints == ()


@pytest.mark.parametrize(
    ("keys", "where", "said"),
    [
        (
            {"lower": {"code/a": 0.2}, "upper": {"code/b": 0.3}},
            "tree.code.inside",
            "'code/a', at least 0.2, takes 'code' to 0.8, and 'code/b', at most 0.3, keeps it to 0.4",
        ),
        ({"lower": {"code/a": 0.2, "web/h": 0.2}}, "tree", "lower bounds sum to 1.2"),
        ({"upper": {"code/b": 0.3, "web/h": 0.1, "wiki": 0.2}}, "tree", "upper bounds sum to 0.8"),
        (
            {"constraints": [Constraint({"web/h": 1.0, "web/l": -1.0}, at_least=0.2, name="high")]},
            "constraints[0]",
            "the sum is zero whatever the mixture",
        ),
    ],
)
def test_what_fixed_shares_contradict_is_a_fault(keys, where, said):
    found, faults = nested_space(MixtureSpace(NAMES, **keys), SHARES, most=1e-4)
    assert found is None
    assert [fault.where for fault in faults] == [where]
    assert said in faults[0].what
    assert "free" in faults[0].what
