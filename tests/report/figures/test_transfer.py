"""The figure of scales: what is drawn of few scales and of many."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.image import imread

from bomix.recommendation.scale_optima import Optimum, Outlook
from bomix.recommendation.transfer import transfer
from bomix.report.figures.transfer import figure, render, shown_pairs
from bomix.scale import Scale
from tests.known.scales import history, problem

MIXTURES = np.random.default_rng(3).dirichlet(np.ones(3), 12)


def compared(count, *, runs=12, names=("x", "$y^{")):
    """``count`` scales that differ in their size; the first has all runs, each other one as well."""
    scales = {f"s{at}": Scale((1 + at) * 10**6, 10**9) for at in range(count)}
    study = problem(names, scales=scales)
    rng = np.random.default_rng(0)
    rows = [(at, row, dict.fromkeys(names, rng.normal())) for at in scales for row in MIXTURES[:runs]]
    return transfer(study, history(study, rows))


def test_pairs_of_scales_are_columns_and_of_many_those_with_the_dearest():
    assert shown_pairs(compared(3)) == [("s0", "s1"), ("s0", "s2"), ("s1", "s2")]
    assert shown_pairs(compared(6)) == [(f"s{at}", "s5") for at in range(5)]


@pytest.mark.parametrize(("count", "runs"), [(1, 12), (2, 12), (3, 2), (9, 5), (2, 0)])
def test_whatever_is_known_can_be_drawn(count, runs):
    assert imread(io.BytesIO(render(compared(count, runs=runs), None, "FLOPs"))).shape[0] > 200


def test_the_same_numbers_give_the_same_file():
    found = compared(2)
    optima = Outlook(False, (Optimum("s0", {"a": 1.0, "b": 0.0}, 0.4), Optimum("s1", {"a": 0.3, "b": 0.7}, 1.0)))
    assert render(found, optima, "FLOPs") == render(found, optima, "FLOPs")


def test_the_objective_is_the_first_row_and_each_optimum_has_its_name():
    optima = Outlook(False, (Optimum("s0", {"a": 1.0, "b": 0.0}, 0.4), Optimum("s1", {"a": 0.3, "b": 0.7}, 1.0)))
    heat, growth, best = figure(compared(2), optima, "FLOPs").axes
    assert [label.get_text() for label in heat.get_yticklabels()] == ["objective", "x", "$y^{"]
    assert growth.get_xlabel() == "cost of a run, FLOPs"
    legend = best.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["s0 (cosine 0.40)", "s1"]
