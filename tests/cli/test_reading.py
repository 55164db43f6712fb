"""How far text has become tokens: bars on a terminal, lines in a log, nothing for what takes a moment."""

from __future__ import annotations

import io
import sys
from itertools import count

import click
import pytest

from bomix.cli.reading import QUIET_S, ReadingDisplay, silence
from bomix.progress import Reading, reading_to, report_reading


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def readings(name: str) -> list[Reading]:
    parts = [Reading(name, 100 * k, 1000 * k, k / 10, is_done=False) for k in range(1, 10)]
    return [*parts, Reading(name, 1000, 10_000, 1.0, is_done=True)]


def test_a_log_has_a_line_now_and_then_with_speed_and_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    clock = count(0.0, QUIET_S / 2)
    display = ReadingDisplay(lambda: next(clock))
    for reading in readings("web"):
        display.show(reading)
    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("web: ") for line in lines)
    assert "documents/s, 20 %, about" in lines[0]
    assert lines[0].endswith("left")
    assert lines[-1].startswith("web: 1,000 documents, 10,000 tokens, ")
    assert 3 <= len(lines) < len(readings("web"))


def test_what_takes_a_moment_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    ReadingDisplay().show(Reading("web", 3, 30, 1.0, is_done=True))
    assert capsys.readouterr().err == ""


def test_a_terminal_has_a_bar_for_each_domain_and_names_are_no_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    display = ReadingDisplay()
    for name in ("web[b]", "code"):
        for reading in readings(name):
            display.show(reading)
    display.show(Reading("books", 5, 50, None, is_done=False))
    display.close()
    shown = terminal.getvalue()
    assert "web[b] " in shown
    assert shown.index("web[b]") < shown.index("code") < shown.index("books")
    assert "1,000 documents, " in shown
    assert "documents/s" in shown


def test_a_command_may_show_none(capsys: pytest.CaptureFixture[str]) -> None:
    clock = count(0.0, QUIET_S)

    @click.command()
    def quiet() -> None:
        silence()
        for reading in readings("web"):
            report_reading(reading)

    with reading_to(ReadingDisplay(lambda: next(clock)).show):
        quiet.main([], standalone_mode=False)
        assert capsys.readouterr().err == ""
        for reading in readings("web"):
            report_reading(reading)
    assert "web: " in capsys.readouterr().err


def test_a_corpus_that_was_there_has_no_rate(capsys: pytest.CaptureFixture[str]) -> None:
    clock = count(0.0, QUIET_S)
    display = ReadingDisplay(lambda: next(clock))
    display.show(Reading("web", 300, 60_000, 0.9, is_done=False))
    display.show(Reading("web", 300, 60_000, 1.0, is_done=True))
    assert capsys.readouterr().err.splitlines()[-1] == "web: 300 documents, 60,000 tokens"
