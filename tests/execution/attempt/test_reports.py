"""Reports in a file: each is read once, whole, in its order."""

from __future__ import annotations

from pathlib import Path

import pytest

from bomix.execution.attempt import reports
from bomix.execution.attempt.reports import FILE, KEPT, LOSSES, Reader, Reports
from bomix.progress import Progress
from bomix.trial import Trial

TRIAL = Trial(3, {"code": 0.5, "web": 0.5}, 0, "sobol")


def test_what_is_reported_is_read_once_and_in_its_order(tmp_path: Path) -> None:
    told = [Progress(step, 3, 100.0, {"loss": 2.0 - step}, None if step else 3) for step in range(3)]
    writer, reader = Reports(tmp_path), Reader(tmp_path)
    assert list(reader.new()) == []
    for each in told:
        writer.report(each)
    writer.flush()
    assert list(reader.new()) == told
    assert list(reader.new()) == []


def test_reports_that_follow_each_other_fast_are_the_newest(tmp_path: Path) -> None:
    writer, reader = Reports(tmp_path), Reader(tmp_path)
    for step in range(1000):
        writer.report(Progress(step, 1000))
    writer.flush()
    steps = [each.step for each in reader.new() if isinstance(each, Progress)]
    assert steps == [0, *range(1000 - KEPT, 1000)]


def test_a_finished_trial_is_written_at_once_after_what_was_reported(tmp_path: Path) -> None:
    writer = Reports(tmp_path)
    writer.report(Progress(1, 9))
    writer.report(Progress(2, 9))
    writer.finished(TRIAL)
    assert list(Reader(tmp_path).new()) == [Progress(1, 9), Progress(2, 9), 3]


def test_a_line_that_is_not_whole_yet_is_read_later_and_what_is_no_line_is_skipped(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"step": 1}\nnonsense\n[]\n{"finished": 4}\n{"finis')
    reader = Reader(tmp_path)
    assert list(reader.new()) == [4]
    with (tmp_path / FILE).open("a") as file:
        file.write('hed": 5}\n')
    assert list(reader.new()) == [5]


def test_what_is_no_line_for_ever_fills_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "_LIMIT", 100)
    (tmp_path / FILE).write_text("x" * 250 + '\n{"finished": 4}\n')
    reader = Reader(tmp_path)
    assert [list(reader.new()) for _ in range(3)] == [[], [], [4]]


def test_many_losses_are_cut_and_a_folder_that_takes_no_file_ends_no_training(tmp_path: Path) -> None:
    writer = Reports(tmp_path)
    writer.report(Progress(1, 2, 3.0, {f"loss{number}": 1.0 for number in range(1000)}))
    (found,) = Reader(tmp_path).new()
    assert isinstance(found, Progress)
    assert len(found.losses) == LOSSES
    gone = Reports(tmp_path / "nowhere")
    gone.report(Progress(1, 2))
    gone.flush()
