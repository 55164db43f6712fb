"""Which column is which."""

from __future__ import annotations

import pytest

from bomix.io.tables.columns import DOMAIN, METRIC, find_columns, key_columns


def test_a_mapping_says_more_than_a_layout_and_a_layout_more_than_a_bare_name():
    faults = []
    columns = ["web", "train_the_pile_web", "x", "metric/the_pile_web_val_loss"]
    assert find_columns(columns, DOMAIN, ["web"], {"x": "web"}, faults, where="t") == {"web": "x"}
    assert find_columns(columns, DOMAIN, ["web"], {}, faults, where="t") == {"web": "train_the_pile_web"}
    assert find_columns(columns, METRIC, ["web"], {}, faults, where="t") == {"web": "metric/the_pile_web_val_loss"}
    assert find_columns(["web"], METRIC, ["web", "code"], {}, faults, where="t") == {"web": "web"}
    assert faults == []


def test_two_columns_of_one_name_are_a_fault():
    faults = []
    find_columns(["a", "b"], DOMAIN, ["web"], {"a": "web", "b": "weights.web"}, faults, where="t.csv")
    assert [fault.where for fault in faults] == ["t.csv"]
    assert "'a' and 'b'" in faults[0].what


@pytest.mark.parametrize(
    ("first", "second", "key"),
    [
        (["run", "id"], ["run_id", "id"], ("run", "run_id")),
        (["id", "index"], ["index"], ("index", "index")),
        (["run"], ["index"], None),
    ],
)
def test_tables_are_joined_by_the_first_key_that_both_have(first, second, key):
    assert key_columns(first, second) == key
