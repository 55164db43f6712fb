"""Runs that designs list by name: repeats of the natural mixture and mixtures without one domain."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import bomix
from bomix.history import History
from bomix.problem import Problem
from bomix.space.linear import Constraint
from bomix.space.mixture_space import MixtureSpace
from bomix.strategies.at_target import AtTarget
from bomix.strategies.bayesian.whole_space import Bayesian
from bomix.strategies.design_first import design_size
from bomix.strategies.designs import Dirichlet, Sobol, Vertices
from bomix.strategies.i_optimal import IOptimal
from bomix.strategies.listed import deleted
from bomix.trial import CONFIRM, Candidate, Record, Result, Trial

DESIGNS = [Sobol, Dirichlet, Vertices, IOptimal]
NATURAL = {"books": 0.1, "code": 0.2, "maths": 0.3, "web": 0.4}


def problem_of(**bounds: object) -> Problem:
    space = MixtureSpace(list(NATURAL), **bounds)  # type: ignore[arg-type]
    return Problem(space, (bomix.Metric("loss"),), bomix.Mean(), NATURAL)


def told(candidates: list[Candidate], origin: str | None = None) -> History:
    trials = [Trial(index, each.weights, 0, origin or each.origin) for index, each in enumerate(candidates)]
    return History(tuple(Record(trial, Result({"loss": 1.0})) for trial in trials))


def test_a_deletion_is_the_natural_mixture_without_the_domain() -> None:
    found = deleted(problem_of())
    assert [origin for origin, _ in found] == ["deletion"] * 4
    for (_, weights), left_out in zip(found, NATURAL, strict=True):
        share = 1.0 - NATURAL[left_out]
        assert weights[left_out] == 0.0
        others = {name: weights[name] for name in NATURAL if name != left_out}
        assert others == pytest.approx({name: NATURAL[name] / share for name in others}, abs=1e-12)


def test_deletions_keep_bounds_and_constraints() -> None:
    total = Constraint({"code": 1.0, "maths": 1.0}, at_least=0.45, at_most=0.6)
    problem = problem_of(lower={"books": 0.02}, upper={"web": 0.45, "maths": 0.5, "code": 0.4}, constraints=[total])
    found = problem.space.to_arrays(weights for _, weights in deleted(problem))
    assert problem.space.contains(found, tolerance=1e-9).all()
    assert found[0, 0] == pytest.approx(0.02)  # a lower bound keeps that much of it
    without = [weights for weights in found if (weights[1:] == 0.0).any()]
    assert len(without) == len(found) - 1 == 2  # without maths there is too little of code


@pytest.mark.parametrize("design", DESIGNS)
def test_anchors_repeats_and_deletions_come_in_order_and_asks_are_pure(design: type[Sobol]) -> None:
    spec, problem = design(replicates=3, deletions=True), problem_of()
    together = spec.ask(problem, History(), 11, seed=5)
    assert [each.origin for each in together[:8]] == ["uniform", *["natural"] * 3, *["deletion"] * 4]
    assert not {each.origin for each in together[8:]} & {"uniform", "natural", "deletion"}
    one_by_one: list[Candidate] = []
    for _ in range(11):
        one_by_one += spec.ask(problem, told(one_by_one), 1, seed=5)
    assert one_by_one == together


def test_a_run_that_is_there_is_not_asked_for_again() -> None:
    spec, problem = Sobol(replicates=3, deletions=True), problem_of()
    natural = Candidate(problem.anchors()["natural"], "natural")
    runs = told([natural, natural])
    assert [each.origin for each in spec.ask(problem, runs, 3, seed=0)] == ["uniform", "natural", "deletion"]
    confirming = told([natural, natural], origin=CONFIRM)
    assert [each.origin for each in spec.ask(problem, confirming, 4, seed=0)] == ["uniform", *["natural"] * 3]


def test_the_studys_own_replicates_are_not_doubled(tmp_path: Path) -> None:
    rows = "".join(f"  {name}: {{tokens: {share}B}}\n" for name, share in NATURAL.items())
    (tmp_path / "study.yaml").write_text(
        f"domains:\n{rows}metrics: [loss]\nbudget: {{trials: 20}}\nreplicates: {{natural: 3}}\n"
        "strategy: {kind: bayesian, design: {kind: sobol, replicates: 3}}\n"
    )
    study = bomix.Study.open(tmp_path)
    trials = study.ask(7)
    assert [trial.origin for trial in trials] == [*["natural"] * 3, "uniform", *["sobol"] * 3]
    assert len({trial.seed for trial in trials[:3]}) == 3
    assert design_size(None, study.problem, Sobol(replicates=3)) == design_size(None, study.problem)


def test_a_design_of_the_usual_size_makes_room_for_what_is_listed() -> None:
    problem = problem_of()
    assert design_size(None, problem, Sobol(replicates=3, deletions=True)) == design_size(None, problem) + 2 + 4
    assert AtTarget(design=Sobol(deletions=True)).chosen(problem).n_init == design_size(None, problem) + 4


def test_a_design_that_is_too_small_for_what_it_lists_is_a_fault() -> None:
    problem = problem_of()
    (fault,) = Bayesian(design=Sobol(deletions=True), n_init=5).problem_faults(problem)
    assert (fault.where, "lists 6 runs" in fault.what) == ("n_init", True)
    assert not Bayesian(design=Sobol(deletions=True), n_init=6).problem_faults(problem)
    (fault,) = AtTarget(design=Sobol(deletions=True)).problem_faults(replace(problem, budget=8))
    assert "larger budget" in fault.what


@pytest.mark.parametrize("design", DESIGNS)
def test_no_run_at_all_is_a_fault(design: type[Sobol]) -> None:
    assert [fault.where for fault in design(replicates=0).faults()] == ["replicates"]


def test_of_a_pool_the_nearest_mixtures_are_listed() -> None:
    rows = np.random.default_rng(0).dirichlet(np.ones(4), 12)
    problem = replace(problem_of(), pool=tuple(map(tuple, rows.tolist())))
    asked = problem.space.to_arrays(
        each.weights for each in IOptimal(deletions=True).ask(problem, History(), 12, seed=0)
    )
    assert all((np.abs(rows - point).max(axis=1) < 1e-9).any() for point in asked)
    assert len(np.unique(asked.round(9), axis=0)) == 12


def test_of_two_phases_neither_has_the_domain() -> None:
    domains = {name: {"tokens": f"{share}B"} for name, share in NATURAL.items()}
    problem = bomix.Study(domains, ["loss"], phases={"anneal": 0.2}).problem
    found = [problem.phases.aggregate(weights) for _, weights in deleted(problem)]
    assert found == [pytest.approx(weights) for _, weights in deleted(problem_of())]
    assert all(problem.phases.is_tied(weights) for _, weights in deleted(problem))
