"""From shares of a study's tokens to what a target run draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

import bomix
from bomix.contracts.preparation import DomainStats
from bomix.errors import BomixError, FaultsError
from bomix.io.exports.mixture import TargetRun, target_mixture
from bomix.io.exports.sources import DomainData
from bomix.io.exports.writing import exporter_of, write

WEIGHTS = {"books": 0.2, "code": 0.0, "web": 0.8}


def problem(tokens: float | None = 1e9) -> bomix.Problem:
    domains = {name: bomix.DomainSpec(tokens=1e9) for name in WEIGHTS}
    target = None if tokens is None else bomix.TargetSpec(tokens=tokens)
    return bomix.Study(domains, ["loss"], target=target).problem


def run(data: Mapping[str, dict[str, Any]] | None = None, **fields: Any) -> TargetRun:
    return TargetRun(data={name: DomainData(**each) for name, each in (data or {}).items()}, **fields)


def test_weights_of_zero_are_left_out_and_need_no_path() -> None:
    data = {"books": {"paths": "/b"}, "web": {"paths": "/w"}}
    found = target_mixture(problem(), WEIGHTS, exporter_of("megatron"), run(data))
    assert found.weights == {"books": 0.2, "web": 0.8}


def test_documents_are_fewer_where_they_are_longer() -> None:
    data = {"books": {"tokens_per_document": 1000}, "web": {"tokens_per_document": 100}}
    found = target_mixture(problem(), WEIGHTS, exporter_of("json"), run(data))
    assert found.shares("documents") == pytest.approx({"books": 0.2 / 8.2, "web": 8 / 8.2})
    assert found.count("documents") == 8_200_000


def test_the_length_of_documents_that_the_study_measured_is_used() -> None:
    measured = {"books": DomainStats(5000, 5, 4.0), "web": DomainStats(500, 5, 4.0)}
    found = target_mixture(problem(), WEIGHTS, exporter_of("json"), run(measured=measured))
    assert [domain.tokens_per_document for domain in found.domains] == [1000, 100]


def test_another_tokenizer_keeps_the_text() -> None:
    """A token of the study is 4 bytes; the target's are 2 bytes of books and 4 of the web: twice as many of books."""
    measured = {"books": DomainStats(5000, 5, 4.0), "web": DomainStats(500, 5, 4.0)}
    data = {"books": {"bytes_per_token": 2.0}, "web": {"bytes_per_token": 4.0}}
    found = target_mixture(problem(), WEIGHTS, exporter_of("json"), run(data, measured=measured))
    assert found.weights == pytest.approx({"books": 0.4 / 1.2, "web": 0.8 / 1.2})
    assert [domain.tokens for domain in found.domains] == [2e9, 1e9]
    assert [domain.tokens_per_document for domain in found.domains] == [2000, 100]


def test_another_tokenizer_must_be_known_of_every_domain() -> None:
    with pytest.raises(
        FaultsError, match=r"(?s)books.study_bytes_per_token.*web.bytes_per_token: other domains have it"
    ):
        target_mixture(problem(), WEIGHTS, exporter_of("json"), run({"books": {"bytes_per_token": 2.0}}))


def test_what_is_missing_is_told_at_once() -> None:
    with pytest.raises(BomixError, match="how many tokens the run trains on is unknown"):
        target_mixture(problem(None), WEIGHTS, exporter_of("megatron"), run())
    with pytest.raises(
        FaultsError, match=r"(?s)2 things are missing.*books: it has a weight of 0.2 and no path.*web: it"
    ):
        target_mixture(problem(), WEIGHTS, exporter_of("megatron"), run())
    with pytest.raises(FaultsError, match="its path /a is that of domain 'books' as well"):
        target_mixture(
            problem(), WEIGHTS, exporter_of("megatron"), run({"books": {"paths": "/a"}, "web": {"paths": "/a"}})
        )
    with pytest.raises(
        FaultsError, match="books: its weight is a share of documents, and how long they are is unknown"
    ):
        write(problem(), WEIGHTS, exporter_of("torchdata"), run())


def test_formats_and_keys_are_checked_as_those_of_a_study_file() -> None:
    with pytest.raises(BomixError, match=r"--format: unknown format 'megatorn'; did you mean 'megatron'"):
        exporter_of("megatorn")
    with pytest.raises(BomixError, match=r"format.frm: unknown key 'frm'; did you mean 'form'"):
        exporter_of("megatron", {"frm": "json"})
    with pytest.raises(BomixError, match=r"format.rows: an item is a document or a packed sequence"):
        exporter_of("hugging_face", {"rows": "tokens"})
    with pytest.raises(BomixError, match=r"bomix.strategies.auto:Auto"):
        exporter_of("bomix.strategies.auto:Auto")


def test_a_weight_that_rounding_moves_is_warned_of() -> None:
    data = {"books": {"paths": "/b"}, "web": {"paths": "/w"}}
    weights = {"books": 1e-4, "code": 0.0, "web": 1.0 - 1e-4}
    written = write(
        problem(), weights, exporter_of("olmo_core"), run(data, sequence_length=1_000_000, batch_sequences=100)
    )
    assert any(
        warning.startswith("books: the trainer draws 0.1 % of the tokens, +900.0 %") for warning in written.warnings
    )
    assert sum(each.tokens or 0.0 for each in written.drawn) == pytest.approx(1e9)
