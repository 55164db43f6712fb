"""Constraints in a study file: what they mean, and every fault with its line."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

import bomix
from bomix.config.constraint_spec import ConstraintSpec, constraints_of
from bomix.errors import FaultsError
from bomix.study.study import Study
from bomix.trial import Result

DOMAINS = ("code/a", "code/b", "web/high", "web/low", "wiki")


def study(*constraints, **options):
    return bomix.Study(list(DOMAINS), ["loss"], constraints=constraints, **options)


def test_names_patterns_ratios_and_sums_become_rows():
    specs = (
        ConstraintSpec(domains=("web/*", "web/low"), at_least=0.3, at_most=0.6),
        ConstraintSpec(domains=("wiki",), of=("web/*",), at_least=0.1, at_most=0.2, name="wiki"),
        ConstraintSpec(coefficients={"code/*": 2.0, "code/a": 1.0}, at_most=0.5),
        ConstraintSpec(domains=("code/?",), of=("wiki",), equals=2.0),
    )
    found, positions = constraints_of(specs, DOMAINS)
    assert positions == [0, 1, 1, 2, 3]
    assert dict(found[0].coefficients) == {"web/high": 1.0, "web/low": 1.0}
    assert dict(found[1].coefficients) == {"web/high": -0.1, "web/low": -0.1, "wiki": 1.0}
    assert (found[1].at_least, found[1].at_most, found[2].at_most) == (0.0, math.inf, 0.0)
    assert found[1].name == found[2].name == "wiki"
    assert dict(found[3].coefficients) == {"code/a": 1.0, "code/b": 2.0}
    assert dict(found[4].coefficients) == {"code/a": 1.0, "code/b": 1.0, "wiki": -2.0}
    assert found[4].at_least == found[4].at_most == 0.0


def test_a_share_of_ones_own_group_adds_coefficients_up():
    def rows(**keys):
        found, _ = constraints_of([ConstraintSpec(of=("web/*",), **keys)], DOMAINS)
        return [dict(each.coefficients) for each in found]

    assert rows(domains=("web/high",), at_least=0.6) == [{"web/high": 0.4, "web/low": -0.6}]
    assert rows(domains=("web/high",), equals=1.0) == [{"web/low": -1.0}]
    assert rows(coefficients={"web/high": 2.0, "wiki": 1.0}, at_most=0.5) == [
        {"web/high": 1.5, "web/low": -0.5, "wiki": 1.0}
    ]
    space = study({"domains": ["web/high"], "of": ["web/*"], "at_least": 0.6}).problem.space
    shares = space.to_weights(space.project([0.0, 0.0, 0.0, 1.0, 0.0]))
    assert shares["web/high"] / (shares["web/high"] + shares["web/low"]) == pytest.approx(0.6, abs=1e-9)


def test_a_domain_whose_name_has_a_star_is_meant_itself():
    (found,), _ = constraints_of([ConstraintSpec(domains=("c*",), at_most=0.5)], ("c*", "code"))
    assert dict(found.coefficients) == {"c*": 1.0}


FAULTS = [
    ("{domains: [wep/high], at_most: 0.5}", "constraints[0].domains[0]", "did you mean 'web/high'"),
    ("{domains: ['books/*'], at_most: 0.5}", "constraints[0].domains[0]", "no domain matches 'books/*'"),
    ("{domains: [wiki], at_least: 0.5, at_most: 0.4}", "constraints[0].at_least", "above 'at_most', 0.4"),
    ("{domains: [wiki]}", "constraints[0]", "no end"),
    ("{at_most: 0.5}", "constraints[0]", "either 'domains'"),
    ("{domains: [wiki], coefficients: {wiki: 1}, at_most: 0.5}", "constraints[0]", "either 'domains'"),
    ("{domains: [wiki], equals: 0.2, at_most: 0.5}", "constraints[0].at_most", "'equals'"),
    ("{domains: [wiki], at_most: 1.5}", "constraints[0].at_most", "from 0 to 1"),
    ("{domains: [wiki], at_mots: 0.5}", "constraints[0].at_mots", "did you mean 'at_most'"),
    ("{domains: [wiki], of: [wiki], at_most: 0.5}", "constraints[0].of", "always 1"),
    ("{coefficients: {wiki: 2}, of: [wiki], at_most: 2}", "constraints[0]", "every coefficient is zero"),
    ("{domains: [wiki], of: ['x*'], at_most: 0.5}", "constraints[0].of[0]", "no domain matches"),
    ("{coefficients: {wiki: 0}, at_most: 0.5}", "constraints[0].coefficients.wiki", "other than 0"),
    ("{coefficients: {'w*': 1, '*i': 2}, at_most: 0.5}", "constraints[0].coefficients", "both match domain 'wiki'"),
    ("{domains: [wiki], at_least: 0.5}", "constraints[0]", "allow at most 0.2"),
    ("{domains: ['web/*', 'code/*'], at_most: 0.7}", "constraints[0]", "no less than 0.8"),
]


@pytest.mark.parametrize(("text", "where", "what"), FAULTS)
def test_every_fault_is_named_with_its_line(text: str, where: str, what: str, tmp_path: Path):
    domains = "".join(f"  {name}: {'{upper: 0.2}' if name == 'wiki' else '{}'}\n" for name in DOMAINS)
    (tmp_path / "study.yaml").write_text(f"domains:\n{domains}metrics: [loss]\nconstraints:\n  - {text}\n")
    with pytest.raises(FaultsError) as caught:
        Study.open(tmp_path).problem  # noqa: B018  # what bounds contradict is told once they are known
    message = str(caught.value)
    assert where in message
    assert what in message
    assert "line 9" in message or ":9" in message


def test_constraints_that_leave_nothing_are_located_whatever_ratios_come_before():
    ratio = {"domains": ["wiki"], "of": ["web/*"], "at_least": 0.1, "at_most": 0.2}
    with pytest.raises(FaultsError, match=r"constraints\[1\], constraints\[2\]: no mixture keeps all") as caught:
        study(ratio, {"domains": ["web/*"], "at_least": 0.7}, {"domains": ["code/*"], "at_least": 0.4})
    assert "constraints[0]" not in str(caught.value)


def test_what_a_program_hands_over_is_checked():
    with pytest.raises(FaultsError, match=r"constraints\[1\].at_mots"):
        study({"domains": ["wiki"], "at_most": 0.5}, {"domains": ["wiki"], "at_mots": 0.5})
    with pytest.raises(FaultsError, match="expected a list of constraints"):
        bomix.Study(["a"], ["loss"], constraints={"domains": ["a"]})


def test_runs_that_break_a_constraint_inform_and_are_never_recommended(tmp_path: Path):
    """The lowest loss is that of an imported run without any code, of which a quarter is wanted."""
    begun = study({"domains": ["code/*"], "equals": 0.25}, path=tmp_path / "study", seed=0)
    for wiki in (0.2, 0.4, 0.6):
        weights = {**dict.fromkeys(DOMAINS, 0.0), "wiki": wiki, "web/high": 1.0 - wiki}
        begun.add(weights, {"loss": 2.0 - wiki})
    for _ in range(2):
        trial = begun.ask()
        begun.problem.space.check(trial.weights, tolerance=1e-9)
        begun.tell(trial, Result({"loss": 3.0 - trial.weights["wiki"]}))
    assert begun.problem.space.faults_of(begun.history.completed[0].trial.weights)
    best = begun.recommend()
    begun.problem.space.check(best.weights, tolerance=1e-9)
    for low, high in (best.ranges["code/a"], best.ranges["code/b"]):
        assert 0.0 <= low <= high <= 0.25 + 1e-9
    # As bounds, constraints may be others when the study goes on; its runs stay what they were.
    again = bomix.Study(
        list(DOMAINS), ["loss"], constraints=[{"domains": ["code/*"], "equals": 0.5}], seed=0, path=tmp_path / "study"
    )
    again.problem.space.check(again.ask().weights, tolerance=1e-9)
    assert len(again.history.completed) == 5


def test_faults_of_constraints_do_not_hide_each_other(tmp_path: Path):
    (tmp_path / "study.yaml").write_text(
        "domains: {web: {}, code: {}}\nmetrics: {loss: {}}\nconstraints:\n"
        "  - {domains: [web, coed], at_lest: 0.3}\n"
        "  - {domains: 'x*', at_least: 0.5, at_most: 0.2}\n"
        "  - {domains: web, of: [web], at_least: 0.5}\n"
        "  - web + code >= 0.5\n"
    )
    with pytest.raises(FaultsError) as caught:
        Study.open(tmp_path)
    said = str(caught.value)
    for part in (
        "constraints[0].at_lest (line 4): unknown key",
        "constraints[0].domains[1] (line 4): unknown domain 'coed'",
        "constraints[1].at_least (line 5): it is 0.5, above",
        "constraints[1].domains[0] (line 5): no domain matches 'x*'",
        "constraints[2].of (line 6): it matches the very domains of 'domains'",
        "(line 7): expected a mapping of keys, as {domains: [web, code], at_least: 0.5}, found 'web + code >= 0.5'",
    ):
        assert said.count(part) == 1


def test_all_constraints_that_are_to_blame_have_their_lines(tmp_path: Path):
    (tmp_path / "study.yaml").write_text(
        "domains: {web: {}, code: {}}\nmetrics: {loss: {}}\nconstraints:\n"
        "  - {domains: web, at_most: 0.3}\n  - {domains: code, at_most: 0.5}\n"
    )
    with pytest.raises(FaultsError, match=r"constraints\[0\], constraints\[1\] \(lines 4, 5\): no mixture keeps all"):
        Study.open(tmp_path).records.prepare()
