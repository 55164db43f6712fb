"""What a report says first, against the numbers that it is of."""

from __future__ import annotations

import dataclasses

import pytest

import bomix
from bomix.recommendation.confirmation import Comparison
from bomix.report import limits, summary
from bomix.report.findings import Findings
from bomix.report.sentences import sentences


def test_the_headline_names_the_largest_weights_and_counts_the_rest(found: Findings) -> None:
    assert found.best is not None
    weights = {"web": 0.5, "code": 0.3, "a": 0.1, "b": 0.04, "c": 0.03, "d": 0.02, "e": 0.01}
    best = dataclasses.replace(found.best, weights=weights)
    said = summary.headline(dataclasses.replace(found, best=best))
    assert said == "Train on 50 % web, 30 % code, 10 % a, 4 % b, 3 % c, and 3 % of 2 other domains."


def test_every_metric_is_said_to_gain_to_lose_or_to_be_open(found: Findings) -> None:
    changes = summary.metric_changes(found)
    assert [each.name for each in changes] == list(found.metrics)
    for each in changes:
        assert each.recommended - each.reference == pytest.approx(each.change, abs=1e-9)
        low, high = each.interval
        assert (each.gain is None) == (low <= 0.0 <= high)
        assert (each.better > 0.5) == (each.change < 0.0)
    counted = summary.winners_and_losers(found)
    won = sum(each.gain is True for each in changes)
    assert counted[0].startswith(f"Against natural, {won} of 3 metrics gain")


def test_what_limits_the_answer_names_caps_and_what_is_next_follows_the_verdicts(found: Findings) -> None:
    assert found.best is not None
    space = bomix.MixtureSpace(found.domains, upper={"web": found.best.weights["web"]})
    capped = dataclasses.replace(found, problem=dataclasses.replace(found.problem, space=space))
    assert any(line.startswith("Caps: web at the largest weight") for line in limits.limits(capped))
    assert any("Confirm the recommendation" in line for line in summary.next_steps(found))
    other = bomix.Study(["web", "code"], ["loss"], strategy="sobol")
    other.ask()
    for evaluator, said in ((False, "anew."), (True, "anew, and a run with `report: true` does so by itself.")):
        standing = dataclasses.replace(found.standing, history=other.history, has_evaluator=evaluator)
        steps = summary.next_steps(dataclasses.replace(found, standing=standing))
        assert steps[0] == f"Wait for the 1 trial under way; `bomix report` then writes the page {said}"
    for interval, expected in (
        ((-0.3, -0.1), "bomix export"),
        ((-0.3, 0.1), "more seeds"),
        ((0.1, 0.3), "contradicts"),
    ):
        compared = (Comparison("natural", (-0.2, -0.2), sum(interval) / 2, interval),)
        steps = summary.next_steps(dataclasses.replace(found, comparisons=compared))
        assert any(expected in step for step in steps), (interval, steps)


def test_terminal_and_page_share_their_sentences(found: Findings) -> None:
    assert found.best is not None
    lines = sentences(found.standing, found.best, found.comparisons, "best")
    assert any(line.startswith("predicted gain over natural") for line in lines)
    assert summary.flatness(found)[0].startswith("The optimum is ")
    assert summary.epochs(found)
