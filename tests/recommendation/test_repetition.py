"""What a recommendation repeats is worth less, and what caps cost is said where they bind."""

from __future__ import annotations

import math

import pytest

import bomix
from bomix.recommendation.repetition import binding, effective_tokens
from bomix.report import repetition

DOMAINS = {
    "books": bomix.DomainSpec(tokens=2e9),
    "code": bomix.DomainSpec(tokens=20e9, max_epochs=1, repetition_decay=5.0),
    "web": bomix.DomainSpec(tokens=100e9, upper=0.9),
}
TARGET = bomix.TargetSpec(tokens=40e9)
STRATEGY = {"kind": "bayesian", "surrogate": "gp", "n_init": 10}


def told(best):
    """A study whose loss is lowest at so much of books."""
    study = bomix.Study(DOMAINS, ["loss"], target=TARGET, strategy=STRATEGY)
    for _ in range(10):
        trial = study.ask()
        weights = trial.weights
        study.tell(trial, {"loss": 3.0 + (weights["books"] - best) ** 2 + (weights["web"] - 0.5) ** 2})
    return study


@pytest.fixture(scope="module")
def study():
    return told(0.6)


def test_a_domain_has_a_cap_of_its_own():
    problem = bomix.Study(DOMAINS, ["loss"], target=TARGET).problem
    assert dict(zip(problem.space.domains, problem.space.upper, strict=True)) == {"books": 0.2, "code": 0.5, "web": 0.9}
    assert problem.uncapped is not None
    assert problem.uncapped.upper == (1.0, 1.0, 0.9)
    assert bomix.Study(["a", "b"], ["loss"]).problem.uncapped is None


def test_a_cap_binds_where_a_weight_is_at_it_and_the_file_allows_more():
    problem = bomix.Study(DOMAINS, ["loss"], target=TARGET).problem
    assert binding(problem, {"books": 0.2, "code": 0.1, "web": 0.7}) == ("books",)
    assert binding(problem, {"books": 0.05, "code": 0.05, "web": 0.9}) == ()


def test_repeated_tokens_are_worth_less_each_by_its_decay():
    problem = bomix.Study(DOMAINS, ["loss"], target=TARGET).problem
    found = effective_tokens(problem, {"books": 0.2, "code": 0.5, "web": 0.3})
    assert found["books"] == pytest.approx(2e9 * (1.0 + 15.4 * (1.0 - math.exp(-3.0 / 15.4))))
    assert (found["code"], found["web"]) == pytest.approx((20e9, 12e9))
    twice = effective_tokens(problem, {"books": 0.0, "code": 1.0, "web": 0.0})
    assert twice["code"] == pytest.approx(20e9 * (1.0 + 5.0 * (1.0 - math.exp(-0.2))))


def test_the_best_mixture_without_caps_stands_beside_the_recommendation(study):
    best = study.recommend()
    assert best.weights["books"] == pytest.approx(0.2)
    assert best.uncapped.binding == ("books",)
    assert best.uncapped.weights["books"] > 0.25
    assert best.uncapped.gain.mean > 0.0
    assert best.uncapped.epochs["books"] == pytest.approx(20.0 * best.uncapped.weights["books"])
    (line,) = repetition.without_caps(best)
    assert line.startswith("the tokens of books cap the mixture; without caps the best would be ")
    (line,) = repetition.worth(study.problem, best)
    assert line.startswith("repeated text counts for less: books read 4.0 times as 3.7 fresh passes; the run as 98.")
