"""The tree of names: nodes, what is closed, fixed shares, lines of tables."""

from __future__ import annotations

import pytest

from bomix.space import tree

NAMES = ("books", "code/a", "code/b/x", "code/b/y", "web/low")
TOKENS = {"books": 5.0, "code/a": 1.0, "code/b/x": 1.0, "code/b/y": 2.0, "web/low": 7.0}


def test_nodes_have_the_domains_below_them_and_odd_names_stand_alone():
    assert tree.nodes(NAMES) == {
        "code": ("code/a", "code/b/x", "code/b/y"),
        "code/b": ("code/b/x", "code/b/y"),
        "web": ("web/low",),
    }
    assert tree.nodes(("web", "web/low", "a//b", "/c", "d/")) == {}
    assert tree.subtree("code/b", NAMES) == ("code/b/x", "code/b/y")
    assert tree.subtree("cod", NAMES) == ()


def test_the_topmost_node_that_is_not_free_is_searched_as_one():
    assert tree.closed(NAMES, {"code": "natural", "code/b": "uniform"}) == {"code": NAMES[1:4]}
    assert tree.closed(NAMES, {"code": "free", "code/b": "uniform"}) == {"code/b": NAMES[2:4]}
    assert tree.closed(NAMES, {}) == {}


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ({"code": "natural"}, (0.25, 0.25, 0.5)),
        ({"code": "uniform"}, (0.5, 0.25, 0.25)),
        ({"code": "natural", "code/b": "uniform"}, (0.25, 0.375, 0.375)),
        ({"code": "uniform", "code/b": "natural"}, (0.5, 1 / 6, 1 / 3)),
    ],
)
def test_shares_inside_follow_the_nearest_rule_above(inside, expected):
    found = tree.shares_inside("code", NAMES[1:4], inside, TOKENS, inside["code"])
    assert [found[name] for name in NAMES[1:4]] == pytest.approx(expected, abs=1e-15)


def test_tables_show_sums_before_what_is_below_them_the_largest_first():
    rows = tree.rows(NAMES, TOKENS)
    assert [(row.label, row.sum(TOKENS)) for row in rows] == [
        ("web/low", 7.0),  # a node of one domain says nothing of its own
        ("books", 5.0),
        ("code/", 4.0),
        ("  b/", 3.0),
        ("    y", 2.0),
        ("    x", 1.0),
        ("  a", 1.0),
    ]
    assert [row.name for row in tree.rows(("b", "a", "c"), {"a": 1.0, "b": 1.0, "c": 2.0})] == ["c", "a", "b"]
