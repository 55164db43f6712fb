"""Trials repeat each domain as the target will, and a study keeps what it began with."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest

from bomix.config.study_file import load
from bomix.contracts.repetition import Matching
from bomix.errors import FaultsError, StoreError
from bomix.study.study import Study

STUDY = """
domains:
  code: {{source: {{kind: files, paths: ["code/*.txt"]}}, tokens: 16000}}
  prose: {{source: {{kind: files, paths: ["prose/*.txt"]}}, tokens: 2000000}}
evaluator:
  kind: proxy
  tokenizer: {{kind: bpe, vocabulary: 300}}
  corpus: {{cache: cache, validation_share: 0.3}}
  model: {{hidden: 32, layers: 1, heads: 2}}
  sequence_length: 16
  batch_sequences: 2
  tokens: 3200
  curve_points: 1
  device: cpu
  dtype: fp32
strategy: {{kind: sobol}}
budget: {{trials: 1}}
target: {{{target}}}
"""
MATCHED = "tokens: 160000, max_epochs: 8"
"""Code alone fills a tenth in one pass, so that a cut of 20 sequences of 16 tokens belongs to a proxy of 3200."""


def texts(root):
    """Two folders of text, in each 60 documents."""
    rng = np.random.default_rng(0)
    for name, words in {"code": "def return import class self lambda", "prose": "the of and moon river"}.items():
        (root / name).mkdir()
        for k in range(60):
            (root / name / f"{k:02d}.txt").write_text(f"{k} " + " ".join(rng.choice(words.split(), 60)))
    return root


@pytest.fixture
def folder(tmp_path):
    return texts(tmp_path)


def study(folder, target=MATCHED):
    (folder / "study.yaml").write_text(STUDY.format(target=target))
    return Study.open(folder)


def test_a_proxy_repeats_a_small_domain_as_the_target_will(folder):
    opened = study(folder)
    assert opened.problem.matching == Matching(160_000.0, {"code": 16_000.0, "prose": 2_000_000.0})
    opened.run()
    for record in opened.history.completed:
        expected = opened.problem.epochs(record.result.realized)["code"]
        assert record.result.epochs["code"] == pytest.approx(expected)
    assert opened.problem.passes["code"] == 10.0
    assert opened.problem.passes["prose"] == pytest.approx(
        3200 / opened.records.resolved.preparation.domains["prose"].tokens
    )
    kept = json.loads((folder / "resolved.json").read_text())
    assert kept["matching"]["available"]["code"] == 16_000.0
    assert json.loads(opened.dataset.attrs["matching"]) == kept["matching"]


def test_faults_of_the_keys_name_their_lines(folder):
    text = STUDY.format(target="tokens: 160000, match_epochs: maybe")
    text = text.replace("tokens: 16000}", "tokens: 16000, max_epochs: 0}")
    (folder / "study.yaml").write_text(text.replace("tokens: 2000000}", "repetition_decay: -1}"))
    with pytest.raises(FaultsError) as error:
        load(folder / "study.yaml")
    assert [str(fault) for fault in error.value.faults] == [
        "domains.code.max_epochs (line 3): expected a positive number, found 0",
        "domains.prose.repetition_decay (line 4): expected a positive number, found -1",
        "target.match_epochs (line 18): expected true or false, found 'maybe'",
    ]


def test_a_cap_of_a_domain_that_nothing_can_keep_is_a_fault(tmp_path):
    (tmp_path / "study.yaml").write_text("domains:\n  code: {max_epochs: 2}\n  web: {tokens: 2B}\nmetrics: [loss]\n")
    with pytest.raises(FaultsError) as error:
        _ = Study.open(tmp_path).problem
    assert [str(fault) for fault in error.value.faults] == [
        "domains.code.max_epochs (line 2): how many tokens there are of 'code' is unknown, and the cap needs it; "
        "give domains.code.tokens",
        "domains.code.max_epochs (line 2): how many tokens the target has is unknown, and the cap needs it; "
        "give target.tokens",
    ]


def test_a_study_keeps_what_it_began_with(folder, caplog):
    opened = study(folder)
    opened.records.prepare()
    trial = opened.ask()
    assert trial.id == 0
    with pytest.raises(StoreError, match="match_epochs: true when the study began, false now"):
        _ = study(folder, f"{MATCHED}, match_epochs: false").problem
    with caplog.at_level(logging.WARNING):
        moved = study(folder, "tokens: 320000, max_epochs: 16")
        moved.records.prepare()
    assert moved.problem.matching.target_tokens == 160_000.0
    assert "stays cut as when the study began, for a target of 160,000 tokens" in caplog.text


def test_a_study_from_before_sees_all_of_its_text_and_says_so(folder, caplog):
    opened = study(folder, f"{MATCHED}, match_epochs: false")
    opened.records.prepare()
    opened.ask()
    with caplog.at_level(logging.WARNING):
        resumed = study(folder)
        resumed.records.prepare()
    assert resumed.problem.matching is None
    assert "the trials so far see all text of each domain" in caplog.text
    with pytest.raises(StoreError, match="match_epochs: false when the study began, true now"):
        _ = study(folder, f"{MATCHED}, match_epochs: true").problem
