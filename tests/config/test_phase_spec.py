"""Phases in a study file: what they mean, and every fault with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

import bomix
from bomix.config.phase_spec import phases_of_study
from bomix.errors import FaultsError
from bomix.study.study import Study


def test_the_last_phase_is_named_or_both_are():
    assert phases_of_study({"anneal": 0.25}) == (("pretrain", 0.75), ("anneal", 0.25))
    assert phases_of_study({"stable": 0.9, "decay": 0.1}) == (("stable", 0.9), ("decay", 0.1))
    assert phases_of_study({}) == ()


def test_a_study_without_the_key_is_what_it_was():
    study = bomix.Study(["code", "web"], ["loss"])
    assert (study.problem.phases, study.problem.whole, study.problem.single) == (
        None,
        study.problem,
        study.problem.space,
    )


FAULTS = [
    ("{anneal: 1.2}", "", "phases.anneal", "above 0 and below 1"),
    ("{pretrain: 0.2}", "", "phases.pretrain", "what the first phase is called"),
    ("{a: 0.5, b: 0.4}", "", "phases", "sum to 0.9"),
    ("{a: 0.5, b: 0.4, c: 0.1}", "", "phases", "3 phases"),
    ("{'a:b': 0.5}", "", "phases.a:b", "holds ':'"),
    ("{whole: 0.5}", "", "phases.whole", "take another name"),
    ("{anneal: much}", "", "phases.anneal", "expected a number"),
    ("0.2", "", "phases", "expected a mapping"),
    ("{anneal: 0.2}", "strategy: {kind: i_optimal, features: epochs}\n", "strategy.features", "for each phase"),
    ("{anneal: 0.2}", "strategy: mde\n", "phases", "one domain alone"),
    ("{anneal: 0.2}", "evaluator: {kind: synthetic, domains: 2}\n", "evaluator", "no field"),
    ("{anneal: 0.2}", "strategy: {kind: auto, pool: pool.csv}\n", "strategy.pool", "one mixture"),
]


@pytest.mark.parametrize(("value", "more", "where", "what"), FAULTS)
def test_faults_name_the_key_and_its_line(tmp_path: Path, value, more, where, what):
    text = f"domains: {{code: {{}}, web: {{}}}}\nmetrics: [loss]\nphases: {value}\n{more}"
    (tmp_path / "study.yaml").write_text(text)
    (tmp_path / "pool.csv").write_text("code,web\n0.5,0.5\n")
    with pytest.raises(FaultsError) as caught:
        _ = Study.open(tmp_path).problem
    said = [str(fault) for fault in caught.value.faults if where in str(fault) and what in str(fault)]
    assert said, str(caught.value)
    line = 4 if where.startswith(("evaluator", "strategy")) else 3
    assert f"(line {line})" in said[0]


def test_a_domain_cannot_be_called_as_a_weight_of_a_phase_is():
    with pytest.raises(FaultsError, match=r"domains.anneal:web: 'anneal:web' is what a weight of a phase is called"):
        bomix.Study(["web", "anneal:web"], ["loss"], phases={"anneal": 0.2})
    assert bomix.Study(["web", "anneal:web"], ["loss"]).problem.domain_count == 2


def test_phases_are_frozen_once_a_trial_is_asked_for(tmp_path: Path):
    def write(share):
        text = f"domains: {{code: {{}}, web: {{}}}}\nmetrics: [loss]\nphases: {{anneal: {share}}}\nstrategy: sobol\n"
        (tmp_path / "study.yaml").write_text(text)

    write(0.2)
    study = Study.open(tmp_path)
    study.tell(study.ask(), {"loss": 1.0})
    write(0.3)
    with pytest.raises(bomix.errors.StoreError, match=r"phases.anneal: 0.2 when the study began, 0.3 now"):
        _ = Study.open(tmp_path).problem
