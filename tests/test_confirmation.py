"""Paired comparisons on fresh seeds, against SciPy's paired t-test."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from bomix.confirmation import compare, confirming_trial
from bomix.spec import DomainSpec, MetricSpec
from bomix.study import Study
from bomix.trial import Weights

BEST = {"code": 0.7, "web": 0.3}


def confirmed(best: list[float], uniform: list[float]) -> Study:
    study = Study(domains=["code", "web"], metrics=["a", "b"])
    for weights, losses in ((BEST, best), (study.problem.anchors()["uniform"], uniform)):
        for replicate, loss in enumerate(losses):
            # The objective is the mean of the two metrics: what is split between them must not matter.
            tell(study, weights, replicate, {"a": loss + 0.5, "b": loss - 0.5})
    return study


def tell(study: Study, weights: Weights, replicate: int, losses: dict[str, float | None]) -> None:
    study.tell(confirming_trial(study, weights, replicate).trial, losses)


def test_the_interval_is_that_of_the_paired_t_test() -> None:
    rng = np.random.default_rng(0)
    seeds = rng.normal(0.0, 0.5, 6)
    best, uniform = (3.0 + seeds + rng.normal(0, 0.01, 6)).tolist(), (3.1 + seeds + rng.normal(0, 0.01, 6)).tolist()
    study = confirmed(best, uniform)
    (found,) = compare(study.problem, study.history, BEST)
    expected = stats.ttest_rel(best, uniform).confidence_interval(0.95)
    assert found.reference == "uniform"
    assert found.interval == pytest.approx((expected.low, expected.high))
    assert found.mean == pytest.approx(np.mean(best) - np.mean(uniform))
    assert found.verdict == "holds"


@pytest.mark.parametrize(
    ("best", "verdict"),
    [
        ([2.9, 2.8], "undecided"),
        ([2.9, 2.9, 2.91, 2.89], "holds"),
        ([3.1, 3.2], "does not hold"),
        ([3.0], "undecided"),
    ],
)
def test_the_verdict_is_never_kinder_than_the_interval(best: list[float], verdict: str) -> None:
    study = confirmed(best, [3.0] * len(best))
    (found,) = compare(study.problem, study.history, BEST)
    assert found.verdict == verdict


def test_one_seed_gives_no_interval() -> None:
    study = confirmed([2.0], [3.0])
    (found,) = compare(study.problem, study.history, BEST)
    assert found.interval == (-math.inf, math.inf)
    assert found.verdict == "undecided"


def test_only_seeds_that_both_mixtures_have_are_compared() -> None:
    study = confirmed([2.0, 2.5, 2.75], [3.0])
    (found,) = compare(study.problem, study.history, BEST)
    assert found.differences == (-1.0,)


def test_a_seed_on_which_a_metric_was_not_measured_compares_with_nothing() -> None:
    study = confirmed([2.0, 2.5], [3.0, 3.0])
    for weights in (BEST, study.problem.anchors()["uniform"]):
        study.tell(confirming_trial(study, weights, 2).trial, {"a": 1.0, "b": None})
    (found,) = compare(study.problem, study.history, BEST)
    assert found.differences == (-1.0, -0.5)


def test_the_natural_mixture_is_an_anchor_where_the_tokens_are_known() -> None:
    domains = {"code": DomainSpec(tokens=1e6), "web": DomainSpec(tokens=3e6)}
    anchors = Study(domains=domains, metrics=["a"]).problem.anchors()
    assert anchors["natural"] == pytest.approx({"code": 0.25, "web": 0.75})


def test_an_anchor_that_a_bound_forbids_is_the_nearest_mixture_and_says_so() -> None:
    domains = {"code": DomainSpec(upper=0.2), "web": DomainSpec()}
    problem = Study(domains=domains, metrics=["a"]).problem
    assert problem.anchors()["uniform"] == pytest.approx({"code": 0.2, "web": 0.8})
    assert not problem.allows("uniform")


def test_a_metric_of_direction_max_counts_the_other_way() -> None:
    study = Study(domains=["code", "web"], metrics={"accuracy": MetricSpec(unit="1", direction="max")})
    for weights, accuracy in ((BEST, 0.9), (study.problem.anchors()["uniform"], 0.5)):
        for replicate in range(3):
            tell(study, weights, replicate, {"accuracy": accuracy + 0.01 * replicate})
    (found,) = compare(study.problem, study.history, BEST)
    assert found.mean == pytest.approx(-0.4)
    assert found.verdict == "holds"
