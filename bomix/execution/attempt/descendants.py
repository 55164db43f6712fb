"""Processes that a trial started, wherever they moved: none of them outlives it.

A program that calls ``setsid`` leaves its process group, and one whose parent ends is handed to the nearest ancestor
that adopts orphans, init as a rule. On Linux a trial's process and the server both adopt them, so that whatever a
trial started stays below them; elsewhere only the group can be ended.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import time
from collections.abc import Container

import psutil

_PR_SET_CHILD_SUBREAPER = 36
"""The number of that operation in Linux's ``prctl.h``."""
_PATIENCE_S = 5.0
"""Seconds in which the kernel ends what is killed; a process that waits for a device may take longer."""
_PAUSE_S = 0.01
"""Seconds between looks at processes that were killed."""


def adopt_orphans() -> None:
    """Have descendants of this process become its children when their parents end; nothing but on Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_descendants(*, but: Container[int] = ()) -> None:
    """Kill what this process started, and what that started, and wait for the end of it.

    Args:
        but: Ids of children that stay, with all that is below them.
    """
    patience = time.monotonic() + _PATIENCE_S
    while time.monotonic() < patience:
        mine = [each for each in psutil.Process().children() if each.pid not in but]
        below = [each for one in mine for each in (one, *_below(one))]
        for each in below:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        for one in mine:
            with contextlib.suppress(ChildProcessError):  # its own parent may have waited for it
                os.waitpid(one.pid, os.WNOHANG)
        if not below:
            return
        time.sleep(_PAUSE_S)


def _below(process: psutil.Process) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return list(process.children(recursive=True))
    return []
