"""The search of the target alone: what it sees of a record of several scales, and that it does not go back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bomix.posterior.belief import learns_across
from bomix.strategies.auto import Auto
from bomix.strategies.bayesian import cost_aware as strategy
from bomix.strategies.bayesian.target_alone import ask_alone
from bomix.strategies.designs import Sobol
from bomix.surrogates.scales.spec import MultiScale
from bomix.trial import ALONE
from tests.strategies.bayesian.test_cost_aware import LARGE, QUICK, SMALL, history, problem, runs


def test_it_proposes_what_a_study_of_the_target_alone_would_be_given() -> None:
    of_both = history(*runs(SMALL, 6), *runs(LARGE, 3, first=6))
    of_target = replace(of_both.of_scale(LARGE), scales=())
    found = ask_alone(Sobol(), problem(), of_both, seed=0)
    (expected,) = Sobol().ask(replace(problem(), scales=()), of_target, 1, seed=0)
    assert (found.weights, found.scale) == (expected.weights, LARGE)
    assert found.origin == f"{ALONE}{expected.origin}"


def test_origins_are_its_own_again_where_it_looks_at_them() -> None:
    seen = []

    class Looking:
        def ask(self, problem: object, history: object, q: int, *, seed: int) -> object:
            seen.extend(record.trial.origin for record in history.records)  # type: ignore[attr-defined]
            return Sobol().ask(problem, history, q, seed=seed)  # type: ignore[arg-type]

    of_both = history(*runs(SMALL, 2), *runs(LARGE, 1, first=2, origin=f"{ALONE}turbo_0"))
    ask_alone(Looking(), problem(), of_both, seed=0)  # type: ignore[arg-type]
    assert seen == ["turbo_0"]


def test_a_run_of_the_target_by_it_says_that_smaller_scales_were_given_up() -> None:
    small = runs(SMALL, 2, origin=f"{ALONE}sobol")
    for origin, alone in (("sobol", False), (f"{ALONE}sobol", True)):
        known = history(*small, *runs(LARGE, 2, first=2, origin=origin))
        assert known.target_alone == alone
        assert learns_across(MultiScale(), known) != alone


def test_what_was_given_up_is_not_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("no model across scales is needed")

    monkeypatch.setattr(strategy, "believe", never)
    known = history(*runs(SMALL, 6), *runs(LARGE, 5, first=6), *runs(LARGE, 1, first=11, origin=f"{ALONE}sobol"))
    (found,) = QUICK.ask(problem(), known, 1, seed=0)
    (expected,) = Auto().ask(replace(problem(), scales=()), known.of_scale(LARGE), 1, seed=0)
    assert (found.weights, found.scale) == (expected.weights, LARGE)
