"""After runs were carried over: along what changed first, the ratios of all else kept, then over the whole space."""

from __future__ import annotations

import dataclasses

import numpy as np

from bomix.history import History
from bomix.io.imports.carried import CARRIED, Carried
from bomix.objectives.weighted import Mean
from bomix.problem import Metric, Problem
from bomix.space.linear import Constraint
from bomix.space.mixture_space import MixtureSpace
from bomix.strategies.auto import Auto
from bomix.strategies.designs import Sobol
from bomix.strategies.extension import ORIGIN, Extension, along, changed_in
from bomix.surrogates.gp.presets import QUICK
from bomix.trial import IMPORTED, Record, Result, Trial

NAMES = ("books", "code", "web", "wiki")
PROBLEM = Problem(MixtureSpace(NAMES), (Metric("loss"),), Mean(), budget=30)
AT_BEST = {"books": 0.0, "code": 0.3, "web": 0.6, "wiki": 0.1}


def loss(weights: dict[str, float]) -> float:
    """Lowest on the face without books at :data:`AT_BEST`; a quarter of books is better still."""
    off = sum((weights[name] - AT_BEST[name]) ** 2 for name in ("code", "web", "wiki"))
    return 3.0 + off + (weights["books"] - 0.25) ** 2


def history(*, changed: tuple[str, ...] = ("books",)) -> History:
    """Ten runs without books, one of them at the best of these, as they were carried over."""
    rng = np.random.default_rng(0)
    rows = [[0.0, *row] for row in [[0.3, 0.6, 0.1], *rng.dirichlet(np.ones(3), 9).tolist()]]
    beside = {CARRIED: Carried(changed).to_data()} if changed else {}
    return History(
        tuple(
            Record(Trial(number, weights, 0, IMPORTED), Result({"loss": loss(weights)}, info=beside))
            for number, weights in enumerate(dict(zip(NAMES, row, strict=True)) for row in rows)
        )
    )


def ratios(weights: dict[str, float]) -> np.ndarray:
    kept = np.array([weights[name] for name in ("code", "web", "wiki")])
    return kept / kept.sum()


STRATEGY = Extension(Sobol(), trials=2, surrogate=QUICK)


def test_ratios_of_what_did_not_change_are_kept_until_its_trials_are_spent() -> None:
    first, second, third = STRATEGY.ask(PROBLEM, history(), 3, seed=0)
    assert [each.origin for each in (first, second)] == [ORIGIN, ORIGIN]
    assert third.origin != ORIGIN
    np.testing.assert_allclose(ratios(dict(first.weights)), ratios(dict(second.weights)), atol=1e-6)
    np.testing.assert_allclose(ratios(dict(first.weights)), [0.3, 0.6, 0.1], atol=0.08)
    assert first.weights["books"] > 0.0
    assert first != second


def test_an_ask_is_a_function_of_record_and_seed() -> None:
    assert STRATEGY.ask(PROBLEM, history(), 1, seed=3) == STRATEGY.ask(PROBLEM, history(), 1, seed=3)


def test_without_runs_that_were_carried_over_the_other_strategy_asks() -> None:
    plain = history(changed=())
    assert changed_in(PROBLEM, plain) == ()
    assert STRATEGY.ask(PROBLEM, plain, 2, seed=0) == Sobol().ask(PROBLEM, plain, 2, seed=0)
    assert not STRATEGY.goes_on(PROBLEM, history(changed=NAMES))  # where all changed there is no block


def test_trials_follow_the_changed_domains_and_take_no_more_than_half_of_the_budget() -> None:
    usual, asked = Extension(surrogate=QUICK), history()
    counts = []
    for budget in (None, 4):
        problem, record = dataclasses.replace(PROBLEM, budget=budget), asked
        while usual.goes_on(problem, record):
            record = record.with_record(Record(Trial(record.next_id, AT_BEST, 0, ORIGIN), Result({"loss": 3.0})))
        counts.append(record.n_asked)
    assert counts == [3, 2]


def test_auto_asks_for_what_is_unknown_first_and_then_as_ever() -> None:
    assert isinstance(Auto().acting(PROBLEM, history()), Extension)
    assert not isinstance(Auto().acting(PROBLEM, history(changed=())), Extension)


def test_bounds_and_constraints_hold_along_what_changed() -> None:
    limits = (Constraint({"code": 1.0, "books": 1.0}, at_most=0.45),)
    space = MixtureSpace(NAMES, upper={"books": 0.2}, constraints=limits)
    rng = np.random.default_rng(0)
    points = along(dataclasses.replace(PROBLEM, space=space), np.array([0.0, 0.3, 0.6, 0.1]), ["books"], rng)
    assert space.contains(points, tolerance=1e-9).all()
    assert points[:, 0].max() > 0.1


def test_what_does_not_fit_is_said() -> None:
    assert [fault.where for fault in Extension(trials=-1).faults()] == ["trials"]
