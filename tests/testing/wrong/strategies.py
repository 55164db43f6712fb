"""Strategies that a study could not trust."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np

from bomix.errors import Fault
from bomix.strategies.designs import Dirichlet
from bomix.testing import StrategyBattery
from bomix.trial import Candidate

CALLS = []


@dataclass(frozen=True)
class Wrong:
    how: str = ""

    def problem_faults(self, problem):
        return [Fault("domains", "too few")] if self.how == "picky" else []

    def ask(self, problem, history, q, *, seed):
        space = problem.space
        match self.how:
            case "one_too_many":
                q = q + 1
            case "single":
                return [Candidate(space.to_weights(space.sobol(1, seed=0)[0]), "wrong")] * q
            case "global":
                weights = np.random.dirichlet(np.ones(len(space.domains)), q)
                return [Candidate(space.to_weights(row), "wrong") for row in weights]
            case "shared":
                random.random()
            case "batched":
                seed = seed + q
            case "remembering":
                CALLS.append(q)
                seed = len(CALLS)
            case "in_order" if history.records:
                first = next(iter(history.records[0].trial.weights))
                seed = sum(map(ord, first))
        return Dirichlet(anchors=False).ask(problem, history, q, seed=seed)


class TestOneTooMany(StrategyBattery):
    spec = Wrong("one_too_many")
    caught_by = ("test_it_proposes_as_many_mixtures_as_are_asked_for", "test_none_are_none")


class TestTheSameAgain(StrategyBattery):
    spec = Wrong("single")
    caught_by = (
        "test_it_never_asks_again_for_what_is_pending",
        "test_what_it_is_told_to_be_pending_is_not_proposed",
    )


class TestGlobalRandomness(StrategyBattery):
    spec = Wrong("global")
    caught_by = ("test_the_record_and_the_seed_decide_and_no_global_generator_moves",)


class TestMovesAGlobalGenerator(StrategyBattery):
    spec = Wrong("shared")
    caught_by = ("test_the_record_and_the_seed_decide_and_no_global_generator_moves",)


class TestOneAtATimeIsAnother(StrategyBattery):
    spec = Wrong("batched")
    caught_by = ("test_asking_one_at_a_time_is_asking_at_once",)


class TestRemembers(StrategyBattery):
    spec = Wrong("remembering")
    caught_by = ("test_it_runs_from_a_study_file",)


class TestOrderOfTheNames(StrategyBattery):
    spec = Wrong("in_order")
    caught_by = ("test_the_order_in_which_domains_are_named_changes_nothing",)


class TestPicky(StrategyBattery):
    spec = Wrong("picky")
    caught_by = ("test_it_has_no_faults_in_a_problem",)
