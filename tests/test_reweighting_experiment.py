"""What the experiment on reweighting keeps is what its page tells, and its searches share what they say they share."""

from __future__ import annotations

import numpy as np
import pytest


def test_tables_of_eight_domains_come_from_kept_results(capsys):
    from experiments.reweighting import eight_plan, eight_show

    eight_show.table(eight_plan.rows())
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    page = (eight_plan.HERE / "README.md").read_text(encoding="utf-8").splitlines()
    assert [line for line in said if line not in page] == []
    assert len(said) > 40
    assert not any("nan" in line for line in said)


def test_searches_of_equal_cost_share_their_beginning_and_count_what_they_trained():
    from experiments.reweighting import eight_plan as plan

    rows = plan.rows()
    found = {(row["name"], row["seed"]): row for row in rows if row["set"] == "found"}
    plain = [(row["seed"], *row["weights"].values()) for row in rows if row["set"] == "plain"]
    assert len(plain) == len({*plain}), "no run is trained twice"
    for (name, _), row in found.items():
        assert sum(row["weights"].values()) == pytest.approx(1.0, abs=1e-5)
        assert name not in plan.METHODS or set(range(3)) <= {seed for other, seed in found if other == name}
    assert found["DoReMi", 0]["runs"] == pytest.approx(1 + 1.4034, abs=1e-3)  # reference, run, forward passes
    assert found["DoReMi, 1M", 0]["runs"] / found["DoReMi", 0]["runs"] == pytest.approx(plan.per_run("1M"), rel=0.02)


def test_a_search_is_never_compared_with_itself():
    from experiments.reweighting.eight_spread import apart, within

    mixtures = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    table = apart(mixtures, mixtures)
    assert table.tolist() == [[0.0, 1.0, 0.5], [1.0, 0.0, 0.5], [0.5, 0.5, 0.0]]
    found = within(table, np.array([[0, 1, 2], [0, 0, 1], [2, 2, 2]]))
    assert found[:2].tolist() == pytest.approx([2 / 3, 1.0])
    assert np.isnan(found[2])
