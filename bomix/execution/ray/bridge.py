"""The process with Ray: it submits tasks and says how they end.

Run as ``python -m bomix.execution.ray.bridge``. The driver writes one JSON message a line to its standard input and
reads one a line from its standard output. After the first, ``{"submit": number, "job": {...}}`` has a task run, and
``{"stop": number}`` ends one. When standard input ends, the driver is gone, or needs it no more: the tasks end, and
with them a local cluster.
"""

from __future__ import annotations

import json
import os
import select
import signal
import time
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import ray

from bomix.errors import EvaluationError
from bomix.execution.pool import notes
from bomix.execution.ray import task
from bomix.execution.ray.cluster import connected
from bomix.execution.ray.nodes import Nodes
from bomix.execution.ray.outcomes import Crashed, gone

LOOK_S = 1.0
"""Seconds between looks at the nodes of the cluster, each of which costs some milliseconds."""
CRASH_S = 8.0
"""Seconds in which a node is known to be dead that took its workers with it: Ray asks every node every three."""


def main() -> None:
    """Serve until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    inbox, outbox = os.dup(0), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # what Ray prints belongs to the log, not among the messages
    lines = _Lines(inbox)
    if (header := lines.next()) is None:
        return
    try:
        with connected(header["address"], header["demand"]):
            _Bridge(header, lines, outbox).serve()
    except EvaluationError as error:
        _say(outbox, {"event": "broken", "message": str(error)})


class _Bridge:
    """Tasks of a driver.

    Args:
        header: ``demand``, what a task takes of its node, by Ray's names; ``placement_s``, seconds without a node that
            could hold one; ``setting``, the first argument of the task.
        lines: Messages of the driver.
        outbox: Where messages to the driver go.
    """

    def __init__(self, header: Mapping[str, Any], lines: _Lines, outbox: int) -> None:
        demand = header["demand"]
        self._nodes = Nodes(demand, header["placement_s"])
        self._setting = ray.put(header["setting"])
        # Ray runs a task four times by default whose process ended, by `sys.exit(0)` say, and counts none of it.
        self._task = ray.remote(
            max_retries=0, num_cpus=demand["CPU"], num_gpus=demand["GPU"], memory=demand.get("memory")
        )(task.run)
        self._lines = lines
        self._outbox = outbox
        self._tasks: dict[int, ray.ObjectRef] = {}
        self._folders: dict[int, Path] = {}
        self._over: SimpleQueue[tuple[int, Future[Any]]] = SimpleQueue()
        self._began: dict[int, Mapping[str, Any]] = {}
        self._crashed: dict[int, Crashed] = {}
        self._since: dict[int, float] = {}
        self._died: dict[int, int] = {}
        self._wake, self._woken = os.pipe()

    def serve(self) -> None:
        """Do what the driver says until it says no more.

        Raises:
            EvaluationError: For too long no node could hold a trial.
        """
        self._nodes.look(ray.nodes())
        self._say({"event": "ready"})
        looked = 0.0
        while True:
            readable, _, _ = select.select([self._lines.descriptor, self._wake], [], [], LOOK_S)
            if self._lines.descriptor in readable:
                if (message := self._lines.next()) is None:
                    return
                self._do(message)
            if self._wake in readable:
                os.read(self._wake, 1 << 12)
                while not self._over.empty():
                    self._end(*self._over.get())
            if time.monotonic() > looked + LOOK_S:
                looked = time.monotonic()
                self._look()

    def _do(self, message: Mapping[str, Any]) -> None:
        if "stop" in message:
            if (running := self._tasks.get(message["stop"])) is not None:
                ray.cancel(running, force=True)
            return
        number, job = message["submit"], message["job"]
        folders = [folder for _, folder in job["attempts"]]
        options = {"name": f"bomix {'/'.join(Path(folders[0]).parts[-4:])}", **self._nodes.options}
        self._folders[number] = Path(folders[0])
        self._died[number] = self._nodes.died
        self._tasks[number] = self._task.options(**options).remote(self._setting, job)
        self._tasks[number].future().add_done_callback(lambda future: self._done(number, future))

    def _done(self, number: int, future: Future[Any]) -> None:
        self._over.put((number, future))
        os.write(self._woken, b".")

    def _end(self, number: int, future: Future[Any]) -> None:
        """Say what came back of a task, unless its worker crashed and it is not known yet whether its node did."""
        if number not in self._tasks:  # its node was given up
            return
        error = future.exception()
        if error is None:
            reply = future.result()
            self._nodes.look(ray.nodes())
            others = {reply["where"]: self._nodes.avoid(reply["where"])} if "unseen" in reply else {}
            self._told(number, reply=reply, others=others)
            return
        said = gone(error)
        if isinstance(said, Crashed):
            self._crashed[number] = said
        else:
            self._told(number, gone=said)

    def _look(self) -> None:
        """See which nodes there are, and what follows from it.

        Raises:
            EvaluationError: For too long none could hold a trial.
        """
        self._nodes.look(ray.nodes())
        for number in list(self._tasks):
            began = self._beginning(number)
            # Ray does not say where a task was that had not begun: its node is alive for certain if none has died.
            all_live = self._nodes.died == self._died[number]
            alive = all_live if began is None else self._nodes.alive(began.get("where"))
            if number not in self._crashed and (began is None or alive):
                continue  # it runs, or waits
            # What runs on a node that is cut off is never heard of again, though Ray knows the node to be dead.
            waited = time.monotonic() - self._since.setdefault(number, time.monotonic())
            crashed = self._crashed.get(number, Crashed("the cluster has lost sight of it"))
            if (number in self._crashed and not alive) or waited > CRASH_S:
                self._told(number, gone=crashed.gone(began, lives=alive))
        if (warning := self._nodes.waiting(bool(self._tasks))) is not None:
            self._say({"event": "warning", "message": warning})

    def _beginning(self, number: int) -> Mapping[str, Any] | None:
        """What the worker of a task told when it began; None where it has not."""
        if number not in self._began and (found := notes.Reader(self._folders[number]).read()[:1]):
            self._began[number] = found[0]
        return self._began.get(number)

    def _told(self, number: int, **said: Any) -> None:
        """A task is over."""
        del self._tasks[number], self._folders[number]
        for known in (self._began, self._crashed, self._since, self._died):
            known.pop(number, None)
        self._say({"event": "over", "number": number, **said})

    def _say(self, message: Mapping[str, Any]) -> None:
        _say(self._outbox, message)


def _say(outbox: int, message: Mapping[str, Any]) -> None:
    left = (json.dumps(message) + "\n").encode()
    while left:
        left = left[os.write(outbox, left) :]


class _Lines:
    """Messages from a descriptor."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._file = os.fdopen(descriptor, "rb", buffering=0)

    def next(self) -> dict[str, Any] | None:
        """The next message, waited for; None at the end. Each is read to its end, so that none lies waiting."""
        line = self._file.readline()
        found: dict[str, Any] | None = json.loads(line) if line.endswith(b"\n") else None
        return found


if __name__ == "__main__":
    main()
