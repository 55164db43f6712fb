"""How long a run will take, by what it has done so far."""

from __future__ import annotations

import time
from collections.abc import Callable

LEAST = 0.05
"""Work from which on a pace is believed, in trials: the first reports hold the start of the processes as well."""
_MINUTES_FROM_S = 90.0
"""Seconds from which on minutes are said."""


class Pace:
    """Work that was done since the run began, in trials, and the time that it took.

    Trials that are under way count as far as they are. Those that are trained as one come back all at once: by what
    has ended alone, the first of sixteen would seem to have taken the time of all.

    Args:
        clock: Seconds, ascending.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()

    def left(self, ended: int, to_end: int, under_way: float) -> float | None:
        """Seconds until all is done.

        Args:
            ended: Trials that have ended since the run began.
            to_end: Trials that have not, those under way among them.
            under_way: How much of these is done, in trials.

        Returns:
            None where there is nothing to tell it by, or nothing left.
        """
        done = ended + under_way
        if done < LEAST or to_end <= 0:
            return None
        return (self._clock() - self._started) / done * max(0.0, to_end - under_way)


def in_words(seconds: float | None) -> str:
    """``, about 5 min left``; empty where it is not known."""
    if seconds is None:
        return ""
    return f", about {seconds / 60:.0f} min left" if seconds >= _MINUTES_FROM_S else f", about {seconds:.0f} s left"
