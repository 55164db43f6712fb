"""Lines that are read while they are written."""

from __future__ import annotations

from pathlib import Path

from bomix.execution.attempt.lines import LineReader


def test_each_whole_line_is_read_once_and_what_is_no_mapping_is_left_out(tmp_path: Path) -> None:
    reader = LineReader(path := tmp_path / "lines", limit=1000)
    assert reader.new() == []
    path.write_bytes(b'{"a": 1}\n{"b": ')
    assert reader.new() == [{"a": 1}]
    assert reader.new() == []
    with path.open("ab") as file:
        file.write(b'2}\n[3]\nno line\n\n{"c": 4}\n' + b"[" * 100_000)
    assert LineReader(path, limit=1000).new() == [{"a": 1}, {"b": 2}, {"c": 4}]
    assert reader.new() == [{"b": 2}, {"c": 4}]


def test_a_line_beyond_the_limit_does_not_hide_what_follows(tmp_path: Path) -> None:
    reader = LineReader(path := tmp_path / "lines", limit=16)
    path.write_bytes(b"x" * 32 + b'\n{"a": 1}\n')
    found = [data for _ in range(4) for data in reader.new()]
    assert found == [{"a": 1}]
