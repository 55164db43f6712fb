"""The end of a trial that has to end now: it is asked, and after a while it is made to."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Collection, Iterator

import psutil

_CONCLUDING_S = 2.0
"""Seconds in which an evaluator whose programs have ended may conclude: it reads a file or two, and writes one."""


class Ending:
    """SIGTERM to what a trial's process started, then to itself, and SIGKILL to all that is left after a while.

    What it started comes first: the process would not wait for it, and what is left of a trial whose own process has
    ended is killed. So a trainer has the whole time to save what it has, and the evaluator sees how it ended, and may
    still come to a result.

    Args:
        pid: The process, which leads a process group; a child of this one that has not been waited for.
        grace_s: Seconds before SIGKILL; 0 sends that at once.
    """

    def __init__(self, pid: int, grace_s: float) -> None:
        self._pid = pid
        now = time.monotonic()
        self._ask_at, self._kill_at = now, now + grace_s
        self._started: list[psutil.Process] = []
        self._asked = False
        with contextlib.suppress(psutil.NoSuchProcess):
            self._started = psutil.Process(pid).children(recursive=True)
        if grace_s > 0:
            for each in self._started:
                _ask(each.pid)
        self.go_on()

    def go_on(self) -> None:
        """Send what is due."""
        now = time.monotonic()
        if any(_lives(each) for each in self._started):
            self._ask_at = now + _CONCLUDING_S
        if now >= self._kill_at:
            kill_group(self._pid)
            os.kill(self._pid, signal.SIGKILL)  # it may not lead its group yet, or have left it
        elif not self._asked and now >= self._ask_at:
            self._asked = True
            _ask(self._pid)


def kill_group(pid: int) -> None:
    """Kill the process group that a process leads, or led."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def ended() -> Iterator[tuple[int, int]]:
    """Id and exit code of each child of this process that has ended, waited for."""
    with contextlib.suppress(ChildProcessError):  # there is none
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            yield found[0], os.waitstatus_to_exitcode(found[1])


def unblock(numbers: Collection[signal.Signals]) -> None:
    """Have signals that this process's parent blocks end it, those included that have come already."""
    for number in numbers:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)


def _ask(pid: int) -> None:
    """SIGTERM, also to a process that is stopped: it goes on to see it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGCONT)


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
