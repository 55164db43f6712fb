"""Strategies that ask for a run that reweights: which runs, in which order, what they do while they wait and fail."""

from __future__ import annotations

import dataclasses
import logging

import pytest

from bomix.config.build import build, plain
from bomix.errors import FaultsError, StudyError
from bomix.history import History
from bomix.objectives.robust import Worst
from bomix.objectives.weighted import Mean, WeightedMean
from bomix.problem import Metric, Problem
from bomix.space.mixture_space import MixtureSpace
from bomix.strategies.baselines.reweighted import ODM, DoGE, DoReMi, FastMix, Reweighted
from bomix.training.reweighting import doge, doremi, odm
from bomix.trial import MODEL, Failure, Record, Result, Trial

DOMAINS = ("code", "maths", "web")
EVEN = dict.fromkeys(DOMAINS, 1.0 / 3.0)
FOUND = {"code": 0.5, "maths": 0.2, "web": 0.3}
AGAIN = {"code": 0.6, "maths": 0.2, "web": 0.2}


def problem(objective=None, **bounds):
    metrics = (Metric("code"), Metric("arc", "accuracy", "max"), Metric("web"))
    return Problem(MixtureSpace(DOMAINS, **bounds), metrics, objective or Mean())


def told(trial, mixture=FOUND):
    """What a training returns of a trial."""
    artifacts = {MODEL: f"/models/{trial.id}"} if trial.origin == "reference" else {}
    losses = {"code": 2.0, "arc": 0.3, "web": 3.0}
    return Result(losses, artifacts=artifacts, mixture=mixture if trial.reweighting else None)


def run(strategy, n, *, history=None, outcome=told, where=None):
    """The record after ``n`` more trials, each with its outcome before the next is asked for."""
    history = history or History()
    for _ in range(n):
        (candidate,) = strategy.ask(where or problem(), history, 1, seed=0)
        trial = Trial(history.next_id, candidate.weights, 0, candidate.origin, candidate.scale, candidate.reweighting)
        history = history.with_record(Record(trial, outcome(trial)))
    return history


def origins(history):
    return [record.trial.origin for record in history.records]


def test_doremi_asks_for_a_reference_then_reweights_then_proposes_what_was_found():
    history = run(DoReMi(), 5)
    assert origins(history) == ["reference", "reweighting", "doremi", "doremi", "doremi"]
    reference, reweighting, *others = (record.trial for record in history.records)
    assert reference.weights == pytest.approx(EVEN)
    assert reference.reweighting is None
    assert reweighting.weights == pytest.approx(EVEN)
    assert reweighting.reweighting.reference == reference.id
    assert reweighting.reweighting.rule == {"kind": "doremi", "eta": 1.0, "smoothing": 1e-4}
    assert all(trial.weights == pytest.approx(FOUND) for trial in others)
    assert all(trial.reweighting is None for trial in others)


@pytest.mark.parametrize("strategy", [DoGE(), ODM(), FastMix()])
def test_the_others_need_no_reference(strategy):
    history = run(strategy, 3)
    assert origins(history) == ["reweighting", strategy.origin, strategy.origin]
    assert history.records[0].trial.reweighting.reference is None


def test_a_second_round_compares_with_a_model_of_what_the_first_found():
    mixtures = iter([FOUND, AGAIN])
    history = run(DoReMi(rounds=2), 5, outcome=lambda trial: told(trial, next(mixtures) if trial.reweighting else None))
    assert origins(history) == ["reference", "reweighting", "reference", "reweighting", "doremi"]
    second = history.records[2].trial
    assert second.weights == pytest.approx(FOUND)
    assert history.records[3].trial.reweighting.reference == second.id
    assert history.records[3].trial.weights == pytest.approx(EVEN)
    assert history.records[4].trial.weights == pytest.approx(AGAIN)


def test_the_reference_may_be_natural():
    natural = {"code": 0.1, "maths": 0.2, "web": 0.7}
    where = dataclasses.replace(problem(), natural=natural)
    history = run(DoReMi(reference="natural"), 2, where=where)
    assert history.records[0].trial.weights == pytest.approx(natural)
    assert history.records[1].trial.weights == pytest.approx(EVEN)
    (fault,) = DoReMi(reference="natural").problem_faults(problem())
    assert fault.where == "reference"


def test_while_a_run_is_pending_it_asks_for_the_mixture_of_the_start():
    strategy = DoReMi()
    first, second = strategy.ask(problem(), History(), 2, seed=0)
    assert (first.origin, second.origin) == ("reference", "uniform")
    history = run(strategy, 1)
    (third,) = strategy.ask(problem(), history, 1, seed=0)
    pending = history.with_pending([third])
    (fourth,) = strategy.ask(problem(), pending, 1, seed=0)
    assert (third.origin, fourth.origin) == ("reweighting", "uniform")
    assert fourth.weights == pytest.approx(EVEN)


@pytest.mark.parametrize(("done", "what"), [(0, "reference run"), (1, "run that reweights")])
def test_a_run_that_fails_is_asked_for_again_and_after_three_failures_no_more(done, what):
    strategy = DoReMi()
    history = run(strategy, done)
    for _ in range(3):
        history = run(strategy, 1, history=history, outcome=lambda trial: Failure("diverged"))
    assert len({record.trial.origin for record in history.failed}) == 1
    with pytest.raises(StudyError, match=rf"the {what} failed 3 times"):
        strategy.ask(problem(), history, 1, seed=0)


def test_a_withdrawn_reference_takes_its_run_with_it():
    strategy = DoReMi()
    history = run(strategy, 3)
    gone = dataclasses.replace(history.records[0], withdrawn="the disk was full")
    history = History((gone, *history.records[1:]))
    assert origins(run(strategy, 3, history=history))[-3:] == ["reference", "reweighting", "doremi"]


def test_another_rule_is_another_run():
    history = run(DoReMi(), 3)
    other = DoReMi(rule=doremi.DoReMi(eta=0.5))
    after = run(other, 2, history=history)
    assert origins(after)[-2:] == ["reweighting", "doremi"]  # the reference serves both
    assert after.records[-2].trial.reweighting.reference == 0
    assert origins(run(DoReMi(), 1, history=after))[-1] == "doremi"


def test_asks_are_settled_once_the_mixture_is_found_and_not_before():
    history = History()
    for expected in (False, False, True, True):
        assert DoReMi().settled(problem(), history) is expected
        history = run(DoReMi(), 1, history=history)
    failed = run(ODM(), 3, outcome=lambda _: Failure("diverged"))
    assert not ODM().settled(problem(), failed)


def test_losses_of_a_run_that_reweights_are_not_learnt_from_and_its_start_may_be_proposed():
    history = run(ODM(), 1)
    assert history.observations == ()
    assert history.tried == ()
    assert len(history.asked) == 1


def test_what_was_found_is_moved_into_the_bounds_and_it_is_said_once(caplog):
    where = problem(upper={"code": 0.4})
    caplog.set_level(logging.WARNING)
    history = run(ODM(), 3, where=where)
    assert history.records[1].trial.weights == pytest.approx({"code": 0.4, "maths": 0.25, "web": 0.35})
    assert [record.message for record in caplog.records if "space" in record.message] == [
        "odm: the space does not allow the mixture as it is; the nearest is taken (code 0.5 -> 0.4, maths 0.2 -> 0.25, "
        "web 0.3 -> 0.35)"
    ]


def test_the_target_is_what_the_objective_counts_of_the_losses():
    objective = WeightedMean({"code": 0.75, "web": 0.25})
    history = run(FastMix(), 1, where=problem(objective))
    assert history.records[0].trial.reweighting.target == {"code": 0.75, "web": 0.25}
    worst = run(DoGE(rule=doge.DoGE(target=True)), 1, where=problem(Worst(("code", "web"))))
    assert {*worst.records[0].trial.reweighting.target} == {"code", "web"}
    assert run(ODM(), 1).records[0].trial.reweighting.target == {}
    (fault,) = FastMix().problem_faults(problem(Mean(metrics=("arc",))))
    assert fault.where == "rule"
    with pytest.raises(FaultsError, match="counts no loss"):
        FastMix().ask(problem(Mean(metrics=("arc",))), History(), 1, seed=0)


def test_keys_of_doremi_alone_are_faults_elsewhere():
    assert [fault.where for fault in ODM(rounds=2, reference="natural").faults()] == ["rounds", "reference"]
    assert [fault.where for fault in DoReMi(rounds=0, batch_sequences=0).faults()] == ["rounds", "batch_sequences"]


def test_a_study_file_names_the_rule_or_leaves_it_out():
    found, faults = build(DoReMi, {"rule": {"kind": "doremi", "eta": 0.5}, "batch_sequences": 8})
    assert faults == []
    assert found == DoReMi(rule=doremi.DoReMi(eta=0.5), batch_sequences=8)
    assert build(Reweighted, {"rule": "odm"})[0].origin == "odm"
    assert plain(ODM())["rule"]["kind"] == "odm"
    _, faults = build(DoReMi, {"rule": {"kind": "doremi", "eta": -1.0}})
    assert [fault.where for fault in faults] == ["rule.eta"]


def test_it_says_what_it_will_do():
    assert DoReMi().description(problem()) == "a reference run, a run that reweights by 'doremi', then what it found"
    assert ODM().description(problem()) == "a run that reweights by 'odm', then what it found"


@pytest.mark.parametrize(("strategy", "kind"), [(DoReMi(rule=odm.ODM()), "odm"), (ODM(rule=doremi.DoReMi()), "doremi")])
def test_a_rule_of_another_kind_than_the_strategy_is_refused(strategy, kind):
    faults = strategy.faults()
    assert "rule" in [fault.where for fault in faults]
    assert any(f"this is '{kind}'; write strategy: {{kind: {kind}, ...}}, or 'reweighted'" in f.what for f in faults)
    assert Reweighted(rule=odm.ODM()).faults() == []


@pytest.mark.parametrize("strategy", [DoReMi(batch_sequences=2), DoGE(batch_sequences=2), FastMix(batch_sequences=2)])
def test_a_batch_that_cannot_hold_each_domain_is_refused_where_a_rule_weighs_them_within_it(strategy):
    (fault,) = strategy.problem_faults(problem())
    assert fault.where == "batch_sequences"
    assert "give at least 3" in fault.what
    assert dataclasses.replace(strategy, batch_sequences=3).problem_faults(problem()) == []
    assert ODM(batch_sequences=1).problem_faults(problem()) == []
