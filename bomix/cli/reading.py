"""Shows how far text has become tokens: a bar for each domain on a terminal, lines elsewhere. To standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from bomix import progress
from bomix.cli.pace import in_words
from bomix.progress import Reading

if TYPE_CHECKING:
    from rich.progress import Progress, TextColumn

QUIET_S = 30.0
"""Seconds between two lines of one domain in a log."""


@contextmanager
def shown() -> Iterator[None]:
    """Show the readings that are reported inside the block."""
    display = ReadingDisplay()
    try:
        with progress.reading_to(display.show):
            yield
    finally:
        display.close()


def silence() -> None:
    """Show none of the readings of the command that runs."""
    click.get_current_context().with_resource(progress.reading_to(lambda reading: None))


class ReadingDisplay:
    """A line for each domain, or further validation set, that takes longer than a moment.

    Args:
        clock: Seconds, ascending.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._name: str | None = None
        self._first: Reading | None = None
        self._began = self._said = 0.0
        self._bar: Progress | None = None

    def show(self, reading: Reading) -> None:
        """Show a reading; one that is done with its first report took no time worth a line."""
        if reading.name != self._name:
            self.close()
            if reading.is_done:
                return
            self._open(reading)
        if self._bar is not None:
            self._draw(self._bar, reading)
        elif reading.is_done or self._clock() - self._said >= QUIET_S:
            self._said = self._clock()
            click.echo(f"{reading.name}: {self._figures(reading)}", err=True)
        if reading.is_done:
            self.close()

    def close(self) -> None:
        """End the bar that is drawn, which stays as it is."""
        if self._bar is not None:
            self._bar.stop()
        self._name = self._bar = None

    def _open(self, reading: Reading) -> None:
        self._name, self._first = reading.name, reading
        self._began = self._said = self._clock()
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress

            columns = (_text("{task.description}"), BarColumn(bar_width=20), _text("{task.fields[figures]}"))
            self._bar = Progress(*columns, console=Console(stderr=True, highlight=False))
            self._bar.add_task(reading.name, total=1.0, figures="")
            self._bar.start()

    def _draw(self, bar: Progress, reading: Reading) -> None:
        (task,) = bar.task_ids
        known = reading.share is not None
        bar.update(
            task, total=1.0 if known else None, completed=reading.share or 0.0, figures=self._figures(reading, "")
        )

    def _figures(self, reading: Reading, tokens: str = ", {:,} tokens") -> str:
        """Documents, how many a second, tokens where there is room for them, and the time left."""
        assert self._first is not None, "it was opened with a reading"
        seconds = max(1e-9, self._clock() - self._began)
        speed = (reading.documents - self._first.documents) / seconds
        done = f"{reading.documents:,} documents{tokens.format(reading.tokens)}"
        if speed >= 0.5:  # none was read since the first report of a corpus that is small, or was there already
            done += f", {speed:,.0f} documents/s"
        if reading.is_done:
            return done
        share = "" if reading.share is None else f", {100 * reading.share:.0f} %"
        return f"{done}{share}{in_words(self._left(reading, seconds))}"

    def _left(self, reading: Reading, seconds: float) -> float | None:
        """Seconds left, by what was done since the first report: an interrupted building begins in the middle."""
        assert self._first is not None, "it was opened with a reading"
        if reading.share is None or (gained := reading.share - (self._first.share or 0.0)) <= 0.0:
            return None
        return seconds * (1.0 - reading.share) / gained


def _text(form: str) -> TextColumn:
    """A column in which names are no markup."""
    from rich.progress import TextColumn

    return TextColumn(form, markup=False)
