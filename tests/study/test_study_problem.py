"""The problem that a study poses, from its spec and what was measured; all that is wrong with it in one report."""

from __future__ import annotations

from pathlib import Path

import pytest

from bomix.config import study_file
from bomix.contracts.preparation import DomainStats, Preparation
from bomix.errors import FaultsError
from bomix.problem import Metric, Problem
from bomix.study.study_problem import problem_of, problems


def posed(folder: Path, text: str, **tokens: int) -> Problem:
    """The problem of a study file whose domains were measured to have so many tokens."""
    (folder / "study.yaml").write_text(text)
    spec = study_file.load(folder / "study.yaml")
    domains = {name: DomainStats(count, 1, 4.0) for name, count in tokens.items()}
    return problem_of(spec, Preparation(metrics=(Metric("loss"),), domains=domains), folder)


def test_the_natural_mixture_goes_by_measured_sizes_unless_they_are_stated(tmp_path: Path) -> None:
    text = "domains: {code: {tokens: 300}, web: {}}\nmetrics: [loss]\n"
    assert posed(tmp_path, text, code=1, web=100).natural == {"code": 0.75, "web": 0.25}
    assert posed(tmp_path, text).natural is None


def test_no_domain_is_read_more_often_than_its_cap_allows(tmp_path: Path) -> None:
    text = "domains: {code: {}, web: {max_epochs: 1}}\nmetrics: [loss]\ntarget: {tokens: 1000, max_epochs: 3}\n"
    space = posed(tmp_path, text, code=100, web=900).space
    assert dict(zip(space.domains, space.upper_array, strict=True)) == pytest.approx({"code": 0.3, "web": 0.9})


def test_all_that_is_wrong_is_told_at_once_under_a_heading_that_counts(tmp_path: Path) -> None:
    text = (
        "domains: {code: {lower: 0.7}, web: {lower: 0.6}}\nmetrics: [loss]\n"
        "objective: {kind: weighted_mean, of: {score: 1.0}}\n"
    )
    with pytest.raises(FaultsError) as raised:
        posed(tmp_path, text)
    assert {fault.where.split(".")[0] for fault in raised.value.faults} >= {"domains", "objective"}
    assert raised.value.title == problems(len(raised.value.faults)) != ""


def test_what_a_strategy_or_an_objective_lacks_is_told_with_the_cure(tmp_path: Path) -> None:
    text = "domains: {code: {}, web: {}}\nmetrics: [loss]\nobjective: {kind: excess, reference: natural}\n"
    with pytest.raises(FaultsError, match="give every domain 'tokens'"):
        posed(tmp_path, text)
    assert posed(tmp_path, text, code=1, web=1).natural == {"code": 0.5, "web": 0.5}
