"""``--paths``: a file, single domains, and every way in which they can be wrong."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from bomix.errors import BomixError
from bomix.io.exports.sources import DomainData, path_shares, read_sources

DOMAINS = ("books", "code", "web")


def test_a_file_may_say_a_path_a_list_or_all_that_is_known(tmp_path: Path) -> None:
    file = tmp_path / "paths.yaml"
    file.write_text(
        "web: /data/web\ncode: [/data/a, /data/b]\n"
        "books: {paths: {/x: 3B, /y: 1B}, tokens: 4B, tokens_per_document: 9e4, bytes_per_token: 4.5}\n"
    )
    found = read_sources([str(file)], DOMAINS)
    assert [*found["web"].sizes] == ["/data/web"]
    assert [*found["code"].sizes] == ["/data/a", "/data/b"]
    assert found["books"].sizes == {"/x": 3e9, "/y": 1e9}
    assert (found["books"].tokens, found["books"].tokens_per_document) == (4e9, 9e4)


def test_single_domains_add_up_and_may_hold_an_equals_sign() -> None:
    found = read_sources(["web=/a", "web=s3://bucket/x=1"], DOMAINS)
    assert [*found["web"].sizes] == ["/a", "s3://bucket/x=1"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("wbe: /data", r"paths.yaml: wbe: the study has no domain 'wbe'; did you mean 'web'"),
        ("web: {path: /data}", r"web.path: unknown key 'path'; did you mean 'paths'"),
        ("web: {paths: [3]}", "web.paths: expected a path"),
        ("web: 3", "web: expected a mapping of keys"),
        ("web: ''", "web.paths: the path is empty"),
        ("web: {paths: {/a: few}}", "web.paths./a: expected the tokens in it, 12B say, found 'few'"),
        ("web: {paths: {/a: 0}}", "expected the tokens in it"),
        ("web: {paths: /a, tokens_per_document: 0}", "web.tokens_per_document: expected a positive number"),
        ("web: {paths: /a, bytes_per_token: -4}", "web.bytes_per_token: expected a positive number"),
        ("- web", "expected a mapping of domain to paths"),
        ("web: [", "not readable as YAML or JSON"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "paths.yaml"
    file.write_text(text)
    with pytest.raises(BomixError, match=said):
        read_sources([str(file)], DOMAINS)


def test_a_file_that_is_not_there_and_a_domain_that_is_none() -> None:
    with pytest.raises(BomixError, match=r"--paths nowhere.yaml: there is no such file"):
        read_sources(["nowhere.yaml"], DOMAINS)
    with pytest.raises(BomixError, match="the study has no domain 'wbe'"):
        read_sources(["wbe=/data"], DOMAINS)


def test_shares_of_paths_come_from_their_tokens_or_from_the_files(tmp_path: Path) -> None:
    told = DomainData({"/x": "3B", "/y": "1B"})
    assert path_shares("books", told, weighs=True) == ({"/x": 0.75, "/y": 0.25}, [])
    (tmp_path / "a.bin").write_bytes(b"12")
    (tmp_path / "b.bin").write_bytes(b"123456")
    here = DomainData([str(tmp_path / "a"), str(tmp_path / "b")])
    assert [*path_shares("web", here, weighs=True)[0].values()] == [0.25, 0.75]


def test_paths_that_nobody_measured_are_a_fault_where_the_trainer_weighs_them() -> None:
    data = DomainData(["/nowhere/a", "/nowhere/b"])
    shares, faults = path_shares("web", data, weighs=True)
    assert [fault.where for fault in faults] == ["web.paths"]
    assert "paths: {/nowhere/a: 12B, ...}" in faults[0].what
    shares, faults = path_shares("web", data, weighs=False)
    assert faults == []
    assert all(math.isnan(share) for share in shares.values())
