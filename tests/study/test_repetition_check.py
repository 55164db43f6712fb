"""What is said of proxies that repeat domains otherwise than the target does."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import bomix
from bomix.cli import tables
from bomix.contracts.repetition import Matching
from bomix.errors import FaultsError
from bomix.evaluators.command import Command
from bomix.study import repetition_check, study_scales
from bomix.study.study import Study
from tests.study.test_repetition import MATCHED, study, texts

SCALES = {"small": {"params": 10, "tokens": 1e6}, "large": {"params": 100, "tokens": 1e7}}
DOMAINS = {"books": bomix.DomainSpec(tokens=2e7), "web": bomix.DomainSpec(tokens=5e9)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return texts(tmp_path_factory.mktemp("study"))


def told(opened):
    return list(repetition_check.warnings(opened))


def test_proxies_that_see_too_much_or_too_little_text_are_named_with_the_cure(folder):
    first, second = told(study(folder, f"{MATCHED}, match_epochs: false"))
    assert first == (
        "proxies repeat domains less often than the target: 'code' (9.94 times less); "
        "target.match_epochs: true lets them"
    )
    assert second.startswith("proxies repeat domains more often than the target: 'prose' (")
    assert "less often" not in " ".join(told(study(folder)))


def test_a_cut_of_few_sequences_is_named_with_what_would_help(folder):
    *_, small = told(study(folder, "tokens: 1.6M, max_epochs: 80"))
    assert small == (
        "what proxies may see is less than 8 sequences of 16 tokens of 'code' (32 tokens); longer proxies (of 12,800 "
        "tokens, for all of them), shorter sequences, or a domain that takes them together would help"
    )


def test_epochs_stand_side_by_side(folder):
    table = tables.epochs(study(folder))
    assert [str(column.header) for column in table.columns] == [
        *("domain", "uniform, proxy", "uniform, target", "natural, proxy", "natural, target")
    ]
    code = [next(iter(column.cells)) for column in table.columns]
    assert code[:3] == ["code", "5x", "5x"]


def command(*argv, **target):
    evaluator = Command(argv=(sys.executable, *argv), metrics=("loss",))
    options = {"scales": SCALES, "target": bomix.TargetSpec(tokens=1e9, **target)}
    return Study(DOMAINS, evaluator=evaluator, **options)


def test_a_command_is_matched_where_it_asks_for_the_tokens_that_it_may_see():
    assert command("train.py", "{available}").problem.matching == Matching(1e9, {"books": 2e7, "web": 5e9})
    assert command("train.py").problem.matching is None
    assert command("train.py", match_epochs=True).problem.passes == {"books": 50.0, "web": 0.2}
    assert command("train.py").problem.passes == {"books": 0.5, "web": 0.002}


def test_every_scale_has_a_cut_of_its_own_and_the_passes_of_the_target():
    opened = command("train.py", "{available}")
    *scales, target = repetition_check.runs(opened)
    assert [each.name for each in scales] == ["small", "large"]
    assert all(each.passes == target.passes == {"books": 50.0, "web": 0.2} for each in scales)
    evaluator = study_scales.ready_evaluator(opened.spec, Path(), opened.problem.matching)
    assert [part.evaluator.matching.tokens(part.scale.tokens)["books"] for part in evaluator.parts] == [2e4, 2e5]


def refused(said, domains=DOMAINS, metrics=(), **options):
    with pytest.raises(FaultsError, match=re.escape(said)):
        Study(domains, metrics, target=bomix.TargetSpec(tokens=1e9, match_epochs=True), **options)


def test_what_cannot_be_cut_is_a_fault():
    said = "target.match_epochs: Synthetic reads no text of which a part could be left out"
    refused(said, evaluator={"kind": "synthetic", "domains": ["books", "web"]})
    said = "target.match_epochs: how many tokens a trial trains on is unknown"
    refused(said, evaluator=Command(argv=(sys.executable,), metrics=("loss",)))
    said = "domains.web.tokens: unknown, and target.match_epochs needs them"
    refused(said, {"books": DOMAINS["books"], "web": bomix.DomainSpec()}, ["loss"])


def test_runs_from_elsewhere_can_be_said_to_be_matched():
    problem = Study(DOMAINS, ["loss"], target=bomix.TargetSpec(tokens=1e9, match_epochs=True)).problem
    assert problem.matching is not None
    assert problem.passes == {"books": 50.0, "web": 0.2}
