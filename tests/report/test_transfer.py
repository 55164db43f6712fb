"""Tables of what scales say of each other."""

from __future__ import annotations

import numpy as np

from bomix.recommendation.scale_optima import Expected, Optimum, Outlook
from bomix.recommendation.transfer import transfer
from bomix.report.transfer import Comparison, against_reference, markdown, sentences, sizes_and_tokens, tables
from bomix.scale import Scale
from tests.known.scales import LARGE, SMALL, history, problem

RNG = np.random.default_rng(3)
MIXTURES = RNG.dirichlet(np.ones(3), 40)
GRID = {f"{size}M-{count}B": Scale(size * 10**6, count * 10**9) for size in (20, 60) for count in (1, 4)}


def report(*, scales, runs, names=("x", "y"), outlook=None):
    """Runs as ``(scale, n x m values)``; the columns are the metrics."""
    study = problem(names, scales=scales)
    made = [
        (at, row, dict(zip(names, values, strict=True)))
        for at, table in runs
        for row, values in zip(MIXTURES, table, strict=False)
    ]
    return Comparison(transfer(study, history(study, made)), outlook or Outlook(False, ()), (), "FLOPs")


def titles(of):
    return [each.title for each in tables(of)]


TWO = {"small": SMALL, "large": LARGE}


def test_of_two_scales_every_metric_has_its_order_its_pairs_and_its_slope():
    values = RNG.normal(size=(20, 2))
    found = report(scales=TWO, runs=[("small", values), ("large", 0.5 * values)])
    metrics = next(each for each in tables(found) if each.title.startswith("each metric"))
    assert metrics.header == ("metric", "rank correlation", "pairs in order", "slope", "shared")
    assert metrics.rows[0] == ("x", "1.00 [1.00, 1.00]", "1.00 [0.98, 1.00]", "0.50", "20")


def test_scales_are_listed_with_what_they_cost_and_hold():
    found = report(scales=TWO, runs=[("small", RNG.normal(size=(20, 2)))])
    assert tables(found)[0].rows == (
        ("small", "1M", "1B", "6e+15", "20", "20"),
        ("large (target)", "60M", "1B", "3.6e+17", "0", "0"),
    )
    assert sentences(found) == ["all runs are of 'small': run some of their mixtures at 'large' to compare the two"]


def test_sizes_and_tokens_make_a_matrix_where_there_are_two_of_each():
    values = RNG.normal(size=(20, 2))
    found = report(scales=GRID, runs=[(name, values) for name in GRID])
    cells = sizes_and_tokens(found.found)
    assert set(cells) == {(size * 10**6, count * 10**9) for size in (20, 60) for count in (1, 4)}
    assert any("parameters down, tokens across" in title for title in titles(found))
    assert not sizes_and_tokens(report(scales=TWO, runs=[("small", values), ("large", values)]).found)


def test_of_many_verdicts_one_is_told_in_full():
    end = RNG.normal(size=(40, 2))
    runs = [
        (name, end + spread * RNG.normal(size=(40, 2))) for name, spread in zip(GRID, (2.0, 1.0, 0.5, 0.0), strict=True)
    ]
    lines = sentences(report(scales=GRID, runs=runs))
    assert sum("orders mixtures as" in line or "order mixtures as" in line for line in lines) == 3
    assert sum(line.startswith("an interval half as wide") for line in lines) == 1


def test_a_scale_that_shares_no_mixture_is_listed_with_dashes():
    study = problem(["x"])
    runs = [("small", row, {"x": 1.0}) for row in MIXTURES[:5]] + [("large", row, {"x": 1.0}) for row in MIXTURES[5:9]]
    found = transfer(study, history(study, runs))
    assert against_reference(found, "objective") == []
    made = tables(Comparison(found, Outlook(False, ()), (), "FLOPs"))
    assert made[1].rows == (("small", "0", "-", "-"),)


def test_optima_and_what_the_model_expects_are_told():
    optima = (Optimum("small", {"a": 1.0, "b": 0.0}, 0.5), Optimum("large", {"a": 0.25, "b": 0.75}, 1.0))
    outlook = Outlook(True, optima, (Expected("small", "large", 0.81, 0.7, 0.9, 20),))
    values = RNG.normal(size=(20, 2))
    found = report(scales=TWO, runs=[("small", values), ("large", values)], outlook=outlook)
    table = next(each for each in tables(found) if each.title.startswith("the best mixture"))
    assert table.rows == (("a", "100.0 %", "25.0 %"), ("b", "0.0 %", "75.0 %"))
    assert "by the model of all scales, 'small' and 'large' correlate by 0.81 [0.70, 0.90]" in sentences(found)[-1]
    assert tables(found)[1].rows[0][-1] == "0.81 [0.70, 0.90]"


def test_markdown_says_the_verdict_first_and_holds_every_table():
    values = RNG.normal(size=(20, 2))
    text = markdown(report(scales=TWO, runs=[("small", values), ("large", values)]))
    assert text.startswith("- 'small' orders mixtures as 'large' does")
    assert "| small | 20 |" in text


def test_scales_that_differ_in_both_make_no_matrix_and_a_target_without_runs_is_stood_in_for():
    values = RNG.normal(size=(20, 2))
    scales = {"small": Scale(10**6, 10**8), "large": Scale(10**7, 10**9), "final": Scale(10**9, 10**11)}
    found = report(scales=scales, runs=[("small", values), ("large", values)])
    assert sizes_and_tokens(found.found) == {}
    assert sentences(found)[0] == "'final' was never run: 'large', the dearest scale that was, stands for it"
