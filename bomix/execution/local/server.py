"""The warm server: imports once, forks a process per trial, or per group of trials that are trained as one.

Run as ``python -m bomix.execution.local.server``. The driver writes one JSON message a line to its standard input and
reads one a line from its standard output. After the first, ``{"cancel": job}`` ends a process, ``{"close": true}``
ends all and then the server, and any other message starts one: ``{"job": number, "attempts": [[trial, folder], ...],
"slot": {"number": number, "environment": {...}, "cpus": [...]}}``. It stays single-threaded and never touches a GPU, so
that forking is sound; a child may then initialise CUDA for itself. When standard input ends, the driver is gone: the
children are killed and the server ends. SIGINT and SIGTERM, which may come to all processes of a job, are the driver's
to act upon.
"""

from __future__ import annotations

import base64
import contextlib
import gc
import json
import os
import pickle
import select
import signal
import sys
from collections import deque
from importlib import import_module
from pathlib import Path
from typing import Any

from bomix.contracts.evaluator import EvaluatorTraits
from bomix.contracts.traits import traits
from bomix.execution.attempt.descendants import adopt_orphans, end_descendants
from bomix.execution.local import child
from bomix.execution.local.ending import Ending, ended, kill_group, unblock
from bomix.execution.local.slots import Slot
from bomix.io.store import records

DRIVERS_SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""Signals that the driver acts upon, and the server does not: it blocks them."""
TICK = 0.02
"""Seconds between looks at ended children."""


def main() -> None:
    """Serve until standard input ends."""
    signal.pthread_sigmask(signal.SIG_BLOCK, DRIVERS_SIGNALS)
    adopt_orphans()
    inbox, outbox = os.dup(0), os.dup(1)
    os.set_inheritable(inbox, False)
    os.set_inheritable(outbox, False)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2, 1)  # prints of imported packages belong to the log, not among the messages
    lines = _Lines(inbox)
    _, header = lines.next(None)
    if header is None:
        return
    sys.path[:] = header["sys_path"]
    try:
        evaluator = pickle.loads(base64.b64decode(header["evaluator"]))
        for module in traits(evaluator, EvaluatorTraits).preload:
            import_module(module)
    except Exception as error:  # whatever a user's module does while it is imported
        _send(outbox, {"event": "broken", "message": f"{type(error).__name__}: {error}"})
        return
    gc.collect()
    gc.freeze()  # keeps the collector from touching, and so copying, the pages that children share
    _send(outbox, {"event": "ready"})
    _serve(evaluator, lines, inbox, outbox, header["grace_s"])


def _serve(evaluator: Any, lines: _Lines, inbox: int, outbox: int, grace_s: float) -> None:
    children: dict[int, int] = {}
    endings: dict[int, Ending] = {}
    closing = False
    while children or not closing:
        arrived, message = lines.next(TICK)
        if arrived:
            if message is None:
                for pid in children:
                    kill_group(pid)
                end_descendants()
                return
            closing |= "close" in message
            if closing or "cancel" in message:
                unwanted = [pid for pid, job in children.items() if closing or job == message["cancel"]]
                endings |= {pid: Ending(pid, grace_s) for pid in unwanted if pid not in endings}
            else:
                children[_fork(evaluator, message, inbox, outbox)] = message["job"]
                _send(outbox, {"event": "started", "job": message["job"]})
        for pid, code in ended():
            job = children.pop(pid, None)
            if job is None:  # an orphan that was adopted
                continue
            endings.pop(pid, None)
            kill_group(pid)
            end_descendants(but=children)  # what the process started and left behind
            _send(outbox, {"event": "ended", "job": job, "code": code})
        for ending in endings.values():
            ending.go_on()


def _fork(evaluator: Any, message: dict[str, Any], inbox: int, outbox: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        unblock(DRIVERS_SIGNALS)
        code = child.run(
            evaluator,
            [(records.trial_from_json(trial), Path(workdir)) for trial, workdir in message["attempts"]],
            slot=Slot(**message["slot"]),
            driver=inbox,
            send=lambda update: _send(outbox, {"job": message["job"], **update}),
        )
    finally:
        os._exit(code)


def _send(descriptor: int, message: dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError):  # the driver is gone, and the end of standard input says so
        os.write(descriptor, (json.dumps(message) + "\n").encode())


class _Lines:
    """Messages from a descriptor; None stands for its end."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._rest = b""
        self._queue: deque[dict[str, Any] | None] = deque()

    def next(self, timeout: float | None) -> tuple[bool, dict[str, Any] | None]:
        """Whether a message arrived within ``timeout`` seconds (None waits for ever), and the message."""
        while not self._queue:
            if not select.select([self._descriptor], [], [], timeout)[0]:
                return False, None
            chunk = os.read(self._descriptor, 1 << 16)
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            self._queue.extend(json.loads(line) for line in lines)
            if not chunk:
                self._queue.append(None)
        return True, self._queue.popleft()


if __name__ == "__main__":
    main()
