"""The file in which a process that trains says how far it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from bomix.execution.attempt import position
from bomix.execution.attempt.position import FILE, Position, read
from bomix.progress import Progress


def test_others_read_what_was_noted_and_nothing_once_it_ended(tmp_path: Path) -> None:
    here = Position(tmp_path)
    assert read(tmp_path) is None
    here.note(Progress(3, 10, 120.0, {"loss": 2.0}))
    assert read(tmp_path) == Progress(3, 10, 120.0)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    here.end()
    assert list(tmp_path.iterdir()) == []


def test_reports_that_follow_each_other_fast_are_not_all_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Position(tmp_path)
    for step in (1, 2):
        here.note(Progress(step, 10))
    assert read(tmp_path) == Progress(1, 10)
    monkeypatch.setattr(position, "EVERY_S", 0.0)
    again = Position(tmp_path)
    for step in (3, 4):
        again.note(Progress(step, 10))
    assert read(tmp_path) == Progress(4, 10)


@pytest.mark.parametrize(
    "text", ["", "[1, 2]", '{"step": 1}', "[" * 10_000, '["a", 2, 3]', "[1, 2, 3" + " " * 5_000 + "]"]
)
def test_anything_else_in_its_place_is_no_position(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    assert read(tmp_path) is None


def test_a_folder_that_takes_no_file_ends_no_training(tmp_path: Path) -> None:
    here = Position(tmp_path / "nowhere")
    here.note(Progress(1, 2))
    here.end()
