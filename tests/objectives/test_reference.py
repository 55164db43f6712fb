"""The reference run of an objective is what the record says of an anchor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bomix.errors import ConfigError, FitError
from bomix.history import History
from bomix.objectives.reference import require_reference, resolved, wants_reference
from bomix.objectives.robust import Excess, Guardrail, Worst
from bomix.problem import Metric, Problem
from bomix.space.mixture_space import MixtureSpace
from bomix.trial import CONFIRM, IMPORTED, Record, Result, Trial

SPACE = MixtureSpace(("a", "b"))
METRICS = (Metric("loss"), Metric("score", unit="1", direction="max"))
PROBLEM = Problem(SPACE, METRICS, Excess(), {"a": 0.8, "b": 0.2})
UNIFORM, NATURAL = {"a": 0.5, "b": 0.5}, {"a": 0.8, "b": 0.2}


def history(*runs):
    return History(
        tuple(
            Record(Trial(i, weights, 0, origin), Result({k: v for k, v in losses.items() if v is not None}))
            for i, (weights, origin, losses) in enumerate(runs)
        )
    )


RUNS = (
    (UNIFORM, "uniform", {"loss": 3.0, "score": 0.4}),
    (UNIFORM, IMPORTED, {"loss": 3.2, "score": None}),
    (UNIFORM, CONFIRM, {"loss": 9.0, "score": 0.9}),
    (NATURAL, "natural", {"loss": 2.0, "score": 0.7}),
)


def test_repeats_are_averaged_and_confirmations_do_not_count():
    found = resolved(PROBLEM, history(*RUNS))
    assert found.objective.measured == pytest.approx({"loss": 3.1, "score": -0.4})
    assert found.value({"loss": 3.0, "score": 0.1}) == pytest.approx(0.3)  # the score is 0.3 worse, the loss better
    assert not wants_reference(found)
    assert resolved(found, History()) is found
    natural = resolved(replace(PROBLEM, objective=Guardrail(reference="natural")), history(*RUNS))
    assert natural.objective.measured == pytest.approx({"loss": 2.0, "score": -0.7})


def test_until_every_metric_that_counts_is_measured_there_is_no_value():
    for runs in ((), RUNS[3:], ((UNIFORM, "uniform", {"loss": 3.0, "score": None}),)):
        found = resolved(PROBLEM, history(*runs))
        assert found is PROBLEM
        assert np.isnan(found.value({"loss": 3.0, "score": 0.4}))
        with pytest.raises(FitError, match="uniform"):
            require_reference(found)
    one = replace(PROBLEM, objective=Excess(("loss",)))
    assert resolved(one, history((UNIFORM, "uniform", {"loss": 3.0, "score": None}))).value({"loss": 3.5}) == 0.5


def test_a_reference_by_hand_is_given_as_reported():
    given = replace(PROBLEM, objective=Excess(reference={"loss": 3.0, "score": 0.4}))
    found = resolved(given, History())
    assert found.objective.reference == {"loss": 3.0, "score": 0.4}
    assert found.value({"loss": 2.9, "score": 0.3}) == pytest.approx(0.1)
    assert resolved(found, History()) is found


def test_an_anchor_that_the_bounds_forbid_is_the_nearest_that_they_allow():
    problem = replace(PROBLEM, space=MixtureSpace(("a", "b"), upper={"a": 0.4}))
    runs = history(({"a": 0.4, "b": 0.6}, "uniform", {"loss": 3.0, "score": 0.4}))
    assert not wants_reference(resolved(problem, runs))


def test_an_unknown_natural_mixture_is_said_with_its_cure():
    with pytest.raises(ConfigError, match="'uniform' or a mapping"):
        resolved(replace(PROBLEM, natural=None, objective=Excess(reference="natural")), History())


def test_objectives_without_a_reference_are_left_alone():
    problem = replace(PROBLEM, objective=Worst())
    assert resolved(problem, History()) is problem
    require_reference(problem)
