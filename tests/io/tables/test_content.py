"""Bytes of tables: packed or not, never more than a table can have, and never a part of one."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import zstandard

from bomix.io.tables import content
from bomix.io.tables.content import read_content

TEXT = b"run,web,code\n" + b"".join(b"%d,0.25,0.75\n" % run for run in range(3000))
PACKED = {"gzip": gzip.compress(TEXT), "zstd": zstandard.compress(TEXT)}


def read(folder: Path, raw: bytes) -> tuple[bytes | None, list[str]]:
    path = folder / "t.csv"
    path.write_bytes(raw)
    faults: list = []
    return read_content(path, faults), [fault.what for fault in faults]


@pytest.mark.parametrize("raw", [TEXT, *PACKED.values(), *(2 * each for each in PACKED.values())])
def test_a_file_is_unpacked_by_how_it_begins_member_after_member(tmp_path: Path, raw: bytes) -> None:
    found, faults = read(tmp_path, raw)
    assert faults == []
    assert found in (TEXT, 2 * TEXT)


@pytest.mark.parametrize("kind", PACKED)
def test_what_is_cut_short_is_no_table_of_fewer_runs(tmp_path: Path, kind: str) -> None:
    for cut in (3, len(PACKED[kind]) // 2):
        found, faults = read(tmp_path, PACKED[kind][:-cut])
        assert found is None
        assert "cut short or damaged" in faults[0]


@pytest.mark.parametrize("kind", PACKED)
def test_a_file_that_unpacks_to_more_than_a_table_is_left(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "LARGEST_TABLE", len(TEXT) - 1)
    assert read(tmp_path, PACKED[kind])[1] == [f"cannot be read: unpacked it is longer than {len(TEXT) - 1:,} bytes"]


def test_a_small_bomb_costs_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = zstandard.compress(bytes(2**30 // 4))
    assert len(bomb) < 2**16
    monkeypatch.setattr(content, "LARGEST_TABLE", 2**20)
    import tracemalloc

    tracemalloc.start()
    read(tmp_path, bomb)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 2**27


@pytest.mark.parametrize(("raw", "name"), [(b"BZh9 and so on", "bzip2"), (b"\xfd7zXZ\x00 and", "xz")])
def test_another_packer_is_named(tmp_path: Path, raw: bytes, name: str) -> None:
    assert read(tmp_path, raw)[1] == [f"is compressed by {name}; unpack it, or use gzip or zstd"]
