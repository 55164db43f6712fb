"""A study whose strategy asks for runs that reweight needs an evaluator that can."""

from __future__ import annotations

import dataclasses

import pytest

import bomix
from bomix.config.budget import BudgetSpec
from bomix.config.reweighting_checks import need_reweighting, reweighting_faults, too_few_trials
from bomix.errors import FaultsError
from bomix.evaluators.synthetic.spec import Synthetic
from bomix.strategies.baselines.reweighted import ODM, DoReMi
from bomix.strategies.designs import Sobol
from bomix.strategies.sequence import Sequence, Step


@dataclasses.dataclass(frozen=True)
class Able:
    def evaluate(self, trial, workdir):
        raise AssertionError("nobody runs it")

    def reweighting_faults(self, reweighting):
        return []


def test_a_need_is_found_however_deep_it_lies():
    assert need_reweighting(ODM())
    assert need_reweighting(Sequence((Step(Sobol(), 3), Step(ODM()))))
    assert not need_reweighting(Sequence((Step(Sobol(), 3), Step(Sobol()))))


def test_an_evaluator_that_trains_nothing_is_refused():
    (fault,) = reweighting_faults(ODM(), Synthetic())
    assert fault.where == "evaluator"
    assert "Synthetic cannot reweight" in fault.what
    assert reweighting_faults(ODM(), Able()) == []
    assert reweighting_faults(ODM(), None) == []
    assert reweighting_faults(Sobol(), Synthetic()) == []


def test_a_study_says_so_before_its_first_trial():
    with pytest.raises(FaultsError, match="take 'proxy', or another strategy"):
        bomix.Study(["d0", "d1"], ["loss"], evaluator=Synthetic(), strategy=ODM())


@pytest.mark.parametrize(("strategy", "least"), [(ODM(), 2), (DoReMi(), 3), (DoReMi(rounds=9), 19)])
def test_a_budget_that_ends_before_the_mixture_is_found_and_measured_is_too_small(strategy, least):
    assert too_few_trials(strategy, least) == []
    faults = too_few_trials(strategy, least - 1)
    assert [fault.where for fault in faults] == ["budget.trials"]
    assert f"takes {least} trials" in faults[0].what


def test_a_strategy_that_needs_no_more_than_one_trial_may_have_none():
    assert too_few_trials(Sobol(), 0) == []  # experts may be all that is trained


def test_a_study_says_that_its_budget_is_too_small():
    with pytest.raises(FaultsError, match=r"budget.trials: ODM takes 2 trials .* raise it, or take fewer rounds"):
        bomix.Study(["d0", "d1"], ["loss"], evaluator=Able(), strategy=ODM(), budget=BudgetSpec(trials=1))
