"""Every registered strategy keeps linear constraints to 1e-9, whatever it proposes."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

import bomix
from bomix.config import registry
from bomix.contracts.strategy import StrategyTraits
from bomix.contracts.traits import traits
from bomix.io.exports.mixture import TargetRun, target_mixture
from bomix.io.exports.writing import exporter_of
from bomix.space.linear import Constraint
from bomix.space.mixture_space import MixtureSpace
from bomix.study.confirmation import confirming_trials
from bomix.testing.strategies import DOMAINS, SEED, problem_of, tried
from tests.conformance import test_strategies as conformance
from tests.conformance.every import spec_of

pytestmark = pytest.mark.usefixtures("short_chains")

FIRST, SECOND, THIRD = sorted(DOMAINS)[:3]
CONSTRAINTS = (
    Constraint({FIRST: 1.0, SECOND: 1.0}, 0.45, 0.7),
    Constraint({FIRST: 1.0, SECOND: -0.5}, None, 0.0),
    Constraint({THIRD: 1.0}, 0.15, 0.15),
)
"""A sum between two ends, a ratio, and a total."""
KINDS = sorted(registry.kinds("strategy"))
RULES = {"doremi", "doge", "odm", "fastmix", "reweighted"}
"""Kinds whose first trials are runs that reweight, and whose mixture is what these found."""


def strategy(kind):
    if kind == "fixed":
        return conformance.fixed_over(DOMAINS)
    options = {**conformance.cheap(kind), **conformance.OPTIONS.get(kind, {})}
    return spec_of("strategy", kind, options)


@pytest.fixture(scope="module")
def problem():
    return dataclasses.replace(problem_of(), space=MixtureSpace(DOMAINS, constraints=CONSTRAINTS))


@pytest.mark.parametrize("n", [0, 6])
@pytest.mark.parametrize("kind", KINDS)
def test_every_strategy_keeps_constraints_to_1e_9(kind, n, problem):
    spec, history = strategy(kind), tried(problem, n)
    if kind == "mde":  # it asks once experts of all domains are there
        battery = conformance.TestMde()
        history = battery.experienced(problem, history)
    if traits(spec, StrategyTraits).problem_faults(problem):
        pytest.skip("it does not fit the problem")
    for candidate in spec.ask(problem, history, 2, seed=SEED):
        if kind in RULES and candidate.reweighting is not None:
            continue  # where the rule begins; it moves the weights itself
        problem.space.check(candidate.weights, tolerance=1e-9)


def test_anchors_are_the_nearest_mixtures_that_keep_constraints(problem):
    for weights in problem.anchors().values():
        problem.space.check(weights, tolerance=1e-9)
    assert not problem.allows("uniform")


def test_a_space_of_constraints_and_at_least_is_kept_as_well():
    space = MixtureSpace(DOMAINS, at_least=dict.fromkeys(DOMAINS, 0.2), constraints=CONSTRAINTS[:1])
    points = space.snap(space.sobol(64, seed=0))
    assert space.contains(points, tolerance=1e-9).all()
    assert ((points == 0.0) | (points >= 0.2 - 1e-9)).all()
    assert np.ptp(points, axis=0).min() > 0.0


def test_confirmations_and_exports_keep_constraints_and_experts_are_exempt():
    together = {"domains": ["code", "wiki"], "at_least": 0.5}
    own = {"domains": ["wiki"], "of": ["code", "wiki"], "at_most": 1 / 3}
    named = {"domains": ["code", "web", "wiki"], "metrics": ["loss"], "constraints": [together, own]}
    assert bomix.Study(**named, strategy="mde").ask(expert=True).weights == {"code": 1.0, "web": 0.0, "wiki": 0.0}
    study = bomix.Study(**named)
    space = study.problem.space
    for point in space.sobol(5, seed=0):
        study.add(space.to_weights(point), {"loss": float(3.0 - np.sqrt(point[1]) - 0.2 * np.sqrt(point[2]))})
    best = study.recommend().weights
    confirming = [record.trial.weights for record in confirming_trials(study.records, 2)]
    text = exporter_of("json").export(target_mixture(study.problem, best, exporter_of("json"), TargetRun())).text
    exported = {name: json.loads(text).get(name, 0.0) for name in best}
    assert len(confirming) >= 2
    for weights in (best, exported, *confirming):
        space.check(weights, tolerance=1e-9)
