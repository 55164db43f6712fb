"""What is printed of a recommendation that fresh seeds, or the odds, speak against."""

from __future__ import annotations

import dataclasses

import pytest

from bomix.cli.summary import BEST, show_summary
from bomix.config.sections import DomainSpec, RecommendationSpec
from bomix.recommendation.recommend import OUTSIDE
from bomix.report.sentences import sentences
from bomix.report.shown import value
from bomix.space.display import mixture, share
from bomix.space.weights import Weights, same_mixture
from bomix.strategies.bayesian.whole_space import Bayesian
from bomix.study.confirmation import confirming_trials
from bomix.study.standing import standing
from bomix.study.study import Study
from bomix.surrogates.gp.spec import GP


def bowl(weights: Weights) -> float:
    return 3.0 + (weights["books"] - 0.6) ** 2 + (weights["code"] - 0.3) ** 2 + (weights["web"] - 0.1) ** 2


def searched(trials: int, *, natural: bool = False, shrink: float = 0.0) -> Study:
    """A study whose best mixture has little of one domain, of which most tokens are, after some trials."""
    tokens = {"books": 1e6, "code": 1e6, "web": 8e6}
    study = Study(
        {name: DomainSpec(tokens=count if natural else None) for name, count in tokens.items()},
        ["loss"],
        strategy=Bayesian(surrogate=GP(draws=0)),
        recommendation=RecommendationSpec(shrink=shrink),
    )
    space = study.problem.space
    for point in (space.uniform(), *space.sobol(trials - 1, seed=1)):
        weights = space.to_weights(point)
        study.add(weights, {"loss": bowl(weights)})
    return study


def test_one_seed_that_is_worse_and_a_model_that_agrees_are_said_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    study = searched(4)
    judged, other = confirming_trials(study.records, 1)
    study.tell(judged.trial, {"loss": bowl(judged.trial.weights) + 0.8})
    study.tell(other.trial, {"loss": bowl(other.trial.weights)})
    best = study.recommend()
    assert not same_mixture(best.weights, judged.trial.weights)
    assert best.change is not None
    assert best.change.mean > 0
    assert best.confirmed_margins["uniform"].positive < 0.5
    assert best.beats["uniform"] >= 0.5
    show_summary(study, best)
    printed = capsys.readouterr().out
    assert "1 paired seed: worse on its only seed, and the model agrees (better with " in printed
    assert "its confirmation counted, the study now recommends" in printed


def test_one_seed_that_is_better_is_only_not_decided(capsys: pytest.CaptureFixture[str]) -> None:
    study = searched(8)
    for record in confirming_trials(study.records, 1):
        study.tell(record.trial, {"loss": bowl(record.trial.weights)})
    show_summary(study, study.recommend())
    printed = capsys.readouterr().out
    assert "1 paired seed: not decided" in printed
    assert "agree" not in printed


def test_odds_against_the_recommendation_stand_at_the_top_and_only_there(capsys: pytest.CaptureFixture[str]) -> None:
    study = searched(10, natural=True)
    show_summary(study, study.recommend())
    assert "less than even odds" not in capsys.readouterr().out
    study = searched(10, natural=True, shrink=0.9)
    show_summary(study, study.recommend())
    printed = capsys.readouterr().out
    assert printed.startswith("less than even odds against uniform: the recommendation is expected to be ")
    assert printed.count("less than even odds") == 1


def test_odds_of_an_extrapolation_say_so_wherever_they_stand(capsys: pytest.CaptureFixture[str]) -> None:
    study = Study(["books", "code", "web"], ["loss"], strategy=Bayesian(surrogate=GP(draws=0)))
    for books in (0.2, 0.25, 0.3, 0.35, 0.4):  # the loss falls with books, of which no run had more
        for code in (0.3, 0.4):
            weights = {"books": books, "code": code, "web": 1.0 - books - code}
            study.add(weights, {"loss": 4.0 - books + 0.1 * code})
    best = study.recommend()
    assert best.weights["books"] > 0.5
    assert best.extrapolated
    assert set(best.extrapolated) == {said.removeprefix(f"{OUTSIDE}: ") for said in best.warnings if OUTSIDE in said}
    show_summary(study, best)
    printed = capsys.readouterr().out
    row = next(line for line in printed.splitlines() if "uniform" in line and "%" in line)
    assert "% (extrapolated)" in row
    gain = next(line for line in printed.splitlines() if line.startswith("predicted gain over uniform"))
    assert "extrapolated: outside what was explored" in gain


def test_odds_inside_what_was_explored_stand_alone(capsys: pytest.CaptureFixture[str]) -> None:
    study = searched(20)
    best = study.recommend()
    show_summary(study, best)
    assert bool(best.extrapolated) == ("(extrapolated)" in capsys.readouterr().out)
    assert not best.extrapolated


def test_a_study_without_an_evaluator_is_advised_of_what_it_can_do(capsys: pytest.CaptureFixture[str]) -> None:
    study = searched(4)
    judged, other = confirming_trials(study.records, 1)
    study.tell(judged.trial, {"loss": bowl(judged.trial.weights) + 0.8})
    study.tell(other.trial, {"loss": bowl(other.trial.weights)})
    best = study.recommend()
    show_summary(study, best)
    printed = capsys.readouterr().out
    assert best.change is not None
    assert "not decided; more seeds ('confirm: N' and `bomix ask`) would" in printed
    assert "--confirm" not in printed
    assert "--trials" not in printed
    said = sentences(standing(study.records), dataclasses.replace(best, source="space"), (), BEST)
    assert any("more trials (a larger budget.trials and `bomix ask`) and 'confirm: N' and" in line for line in said)


@pytest.mark.parametrize(
    ("number", "sign", "shown"),
    [
        (2.5, "", "2.5000"),
        (2.5, "+", "+2.5000"),
        (-0.00001, "+", "-0.0000"),
        (9_999_999.0, "", "9999999.0000"),
        (1e300, "", "1e+300"),
        (-123456789.0, "+", "-1.23457e+08"),
        (float("nan"), "+", "-"),
    ],
)
def test_no_value_takes_many_characters(number: float, sign: str, shown: str) -> None:
    assert value(number, sign=sign) == shown


def test_small_weights_keep_two_digits_and_of_many_the_largest_are_named() -> None:
    assert [share(weight) for weight in (0.0, 0.25, 0.00047)] == ["0.000", "0.250", "0.00047"]
    assert mixture({f"d{n}": 0.1 for n in range(10)}).endswith("d7 0.100, 2 more")
