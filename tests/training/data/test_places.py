"""Files elsewhere are read as those here are, and what keeps them from being read is told with the cure."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from bomix.errors import DataError
from bomix.training.data import places
from bomix.training.data.sources import Files
from bomix.training.data.token_files import Tokens

TEXTS = ["one\ntwo", "\u00e9"]
LINES = "".join(json.dumps({"text": text}) + "\n" for text in TEXTS).encode()


@pytest.fixture
def memory() -> Iterator[MemoryFileSystem]:
    found = MemoryFileSystem()
    yield found
    found.store.clear()


def test_files_elsewhere_give_the_same_documents(memory: MemoryFileSystem) -> None:
    memory.pipe("/bucket/a.jsonl", LINES)
    memory.pipe("/bucket/deep/b.json.gz", gzip.compress(LINES))
    memory.pipe("/bucket/c.txt", b"a whole document")
    with memory.open("/bucket/d.parquet", "wb") as file:
        pq.write_table(pa.table({"text": TEXTS}), file)
    source = Files(
        ("memory://bucket/**/*.j*", "memory://bucket/a.jsonl", "memory://bucket/c.txt", "memory://bucket/d*")
    )
    assert source.remote
    assert [str(file) for file in source.files()] == [
        f"memory:///bucket/{name}" for name in ("a.jsonl", "c.txt", "d.parquet", "deep/b.json.gz")
    ]
    assert list(source.documents()) == [*TEXTS, "a whole document", *TEXTS, *TEXTS]
    before = source.signature()
    assert source.signature() == before
    memory.pipe("/bucket/a.jsonl", LINES + LINES)
    assert source.signature() != before


def test_a_broken_line_elsewhere_is_named(memory: MemoryFileSystem) -> None:
    memory.pipe("/bucket/a.jsonl", LINES + b"{")
    with pytest.raises(DataError, match=r"memory:///bucket/a\.jsonl:3: broken JSON"):
        list(Files(("memory://bucket/a.jsonl",)).documents())
    with pytest.raises(DataError, match=r"no file matches 'memory://bucket/\*\.csv'; correct the path"):
        Files(("memory://bucket/*.csv",)).signature()
    with pytest.raises(DataError, match=r"'memory://bucket' is a folder; write"):
        Files(("memory://bucket",)).signature()


def test_a_driver_that_is_missing_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def without(url: str) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.core.url_to_fs", without)
    monkeypatch.setattr(places, "find_spec", lambda package: None)
    for url, package in (
        ("s3://bucket/a.jsonl", "s3fs"),
        ("gs://bucket/a.jsonl", "gcsfs"),
        ("az://b/a.jsonl", "adlfs"),
    ):
        said = rf"'{url}': reading .* needs the package {package}; pip install {package}"
        [fault] = Files((url, "here.jsonl")).faults()
        assert fault.where == "paths"
        assert re.fullmatch(said, fault.what)
        with pytest.raises(DataError, match=said):
            Files((url,)).signature()


def test_a_protocol_that_does_not_exist_is_no_path_on_this_machine() -> None:
    with pytest.raises(DataError, match="fsspec knows no protocol 's4'"):
        Files(("s4://bucket/a.jsonl",)).signature()
    assert not places.is_remote("c:/data/a.jsonl")
    assert not places.is_remote("data/a://b")


def test_tokens_are_read_on_this_machine_alone() -> None:
    assert [fault.where for fault in Tokens(("s3://bucket/a.npy",)).faults()] == ["paths"]
