"""Paired comparisons on fresh seeds, against SciPy's paired t-test."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from bomix.config.sections import DomainSpec, MetricSpec
from bomix.recommendation.confirmation import SEED_OFFSET, compare, confirming_candidates
from bomix.space.weights import Weights
from bomix.strategies.bayesian.whole_space import Bayesian
from bomix.study.confirmation import confirming_trial, confirming_trials
from bomix.study.study import Study
from bomix.surrogates.gp.spec import GP
from bomix.trial import CONFIRM, Failure, Record

pytestmark = pytest.mark.usefixtures("short_chains")

BEST = {"code": 0.7, "web": 0.3}
BEST_OF_THREE = {"books": 0.5, "code": 0.3, "web": 0.2}


def confirmed(best: list[float], uniform: list[float]) -> Study:
    study = Study(domains=["code", "web"], metrics=["a", "b"])
    for weights, losses in ((BEST, best), (study.problem.anchors()["uniform"], uniform)):
        for replicate, loss in enumerate(losses):
            # The objective is the mean of the two metrics: what is split between them must not matter.
            tell(study, weights, replicate, {"a": loss + 0.5, "b": loss - 0.5})
    return study


def tell(study: Study, weights: Weights, replicate: int, losses: dict[str, float | None]) -> None:
    study.tell(confirming_trial(study.records, weights, SEED_OFFSET + replicate).trial, losses)


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
        ([3.1, 3.2], "undecided"),
        ([3.1, 3.1, 3.11, 3.09], "does not hold"),
        ([3.0], "undecided"),
        ([3.1], "undecided"),
    ],
)
def test_the_verdict_is_neither_kinder_nor_harsher_than_the_interval(best: list[float], verdict: str) -> None:
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
        tell(study, weights, 2, {"a": 1.0, "b": None})
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


def searched(trials: int = 16) -> Study:
    """A study of three domains whose best mixture is (0.5, 0.3, 0.2), after some trials."""
    study = Study(domains=["books", "code", "web"], metrics=["loss"], strategy=Bayesian(surrogate=GP(draws=0)))
    for weights in study.problem.space.sobol(trials, seed=1):
        add(study, study.problem.space.to_weights(weights))
    return study


def add(study: Study, weights: Weights) -> None:
    study.add(weights, {"loss": bowl(weights) + noise(study)})


def noise(study: Study) -> float:
    """Of the run that ends next."""
    return float(np.random.default_rng(len(study.history.completed)).normal(0.0, 0.01))


def bowl(weights: Weights) -> float:
    aim = {"books": 0.5, "code": 0.3, "web": 0.2}
    return 3.0 + sum((weights[name] - aim[name]) ** 2 for name in aim)


def end(study: Study, records: list[Record], shift: float = 0.0) -> None:
    """Tell pending trials; the mixture that the round is about is worse by a shift than the bowl says."""
    judged = records[0].trial.weights
    for record in records:
        if record.outcome is None:
            worse = shift if record.trial.weights == judged else 0.0
            study.tell(record.trial, {"loss": bowl(record.trial.weights) + worse + noise(study)})


def test_a_round_stays_with_its_mixture_while_its_runs_come_in_and_ends() -> None:
    study = searched()
    first = confirming_trials(study.records, 2)
    assert len(first) == 4
    assert {record.trial.seed for record in first} == {SEED_OFFSET, SEED_OFFSET + 1}
    for record in first:
        end(study, [record])
        assert [r.trial for r in confirming_trials(study.records, 2)] == [r.trial for r in first]
    assert all(record.outcome is not None for record in confirming_trials(study.records, 2))
    best = study.recommend()
    assert best.source == "confirmed"
    assert best.weights == first[0].trial.weights
    assert len(compare(study.problem, study.history, best.weights)[0].differences) == 2
    more = confirming_trials(study.records, 3)
    assert [r.trial for r in more[:4]] == [r.trial for r in first]
    assert {r.trial.seed for r in more[4:]} == {SEED_OFFSET + 2}


def test_a_later_round_has_seeds_that_had_no_say_in_its_mixture() -> None:
    study = searched()
    end(study, confirming_trials(study.records, 2))
    add(study, {"books": 0.5, "code": 0.25, "web": 0.25})
    assert compare(study.problem, study.history, study.recommend().weights) == ()
    second = confirming_trials(study.records, 2)
    assert {record.trial.seed for record in second} == {SEED_OFFSET + 2, SEED_OFFSET + 3}
    assert all(record.outcome is None for record in second)
    end(study, second)
    assert len(compare(study.problem, study.history, study.recommend().weights)[0].differences) == 2


def test_confirmations_are_learnt_from_and_a_change_of_mind_is_said() -> None:
    study = searched()
    records = confirming_trials(study.records, 4)
    before = study.recommend()
    end(study, records, shift=0.3)
    best = study.recommend()
    assert best.completed == before.completed + len(records)
    assert best.source != "confirmed"
    assert best.confirmed is not None
    assert best.confirmed.weights == records[0].trial.weights
    assert best.change is not None
    assert best.change.interval[0] > 0
    assert best.change.mean == pytest.approx(best.confirmed.objective.mean - best.loss, abs=1e-6)
    # The round is done all the same: what changed its mind is no reason to begin another.
    assert all(record.outcome is not None for record in confirming_trials(study.records, 4))
    (found,) = compare(study.problem, study.history, best.confirmed.weights)
    assert found.mean > 0.1


def test_a_seed_on_which_a_run_failed_gives_way_to_a_fresh_one_for_all_mixtures() -> None:
    study = searched()
    first = confirming_trials(study.records, 2)
    study.tell(first[0].trial, Failure("the disk is full"))
    end(study, first[1:])
    second = confirming_trials(study.records, 2)
    assert [record.trial.seed for record in second] == [SEED_OFFSET + 1] * 2 + [SEED_OFFSET + 2] * 2
    assert [record.outcome is None for record in second] == [False] * 2 + [True] * 2
    assert second[2].trial.weights == first[0].trial.weights
    end(study, second)
    assert [r.trial for r in confirming_trials(study.records, 2)] == [r.trial for r in second]
    assert len(compare(study.problem, study.history, first[0].trial.weights)[0].differences) == 2


def test_a_call_replaces_no_more_seeds_than_it_is_asked_for() -> None:
    study = searched()
    for calls in (1, 2, 3):
        for record in confirming_trials(study.records, 2):
            study.tell(record.trial, Failure("the disk is full"))
        assert len(study.history.failed) == 4 * calls


def test_what_a_round_wants_is_known_without_recording_anything() -> None:
    study = searched()
    history, uniform = study.history, study.problem.anchors()["uniform"]
    pairs = confirming_candidates(study.problem, history, BEST_OF_THREE, seed=5, seeds=2)
    first = 5 + SEED_OFFSET
    assert [seed for _, seed in pairs] == [first, first, first + 1, first + 1]
    assert [candidate.weights for candidate, _ in pairs] == [BEST_OF_THREE, uniform] * 2
    assert {candidate.origin for candidate, _ in pairs} == {CONFIRM}
    assert study.history == history
