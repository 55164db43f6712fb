"""Tasks of a Ray cluster, as a pool of workers; Ray itself lives in a process of its own.

It ends the process that it was started in when the head of its cluster is lost, handles signals there, and changes its
environment: none of that must happen to a driver, or to the notebook that it runs in.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any

from bomix.errors import EvaluationError, SetupError
from bomix.execution.attempt.redaction import redacted
from bomix.execution.line_pipe import LinePipe
from bomix.execution.local.slots import DEVICE_SHARE, THREADS
from bomix.execution.pool.calls import Gone
from bomix.execution.pool.executor import PoolExecutor
from bomix.execution.pool.warm import Limits, Setting
from bomix.execution.ray.environment import MISSING, environment, installed

if TYPE_CHECKING:
    from bomix.contracts.evaluator import Evaluator

logger = logging.getLogger(__name__)

_ENDING_S = 20.0
"""Seconds that the process with Ray has to end: a local cluster takes some to stop, more on a busy machine."""
_CONNECTING_S = 150.0
"""Seconds in which Ray comes up: a local cluster took half a minute on a busy machine, one that exists two."""
_TOLD = 2000
"""Characters of the log of the process with Ray that an error shows."""


def start(
    evaluator: Evaluator,
    *,
    address: str,
    workers: int,
    demand: Mapping[str, float],
    placement_s: float | None,
    limits: Limits,
) -> PoolExecutor:
    """Connect to a cluster, or start one; arguments as :class:`bomix.execution.ray.spec.RayExecution` has them.

    Raises:
        EvaluationError: Ray is not installed, there is no such cluster, or the evaluator cannot be pickled.
    """
    if not installed():
        raise SetupError(MISSING)
    setting = Setting.of(evaluator, limits, _environment(demand))
    header = {"address": address, "demand": demand, "placement_s": placement_s, "setting": setting.to_data()}
    return PoolExecutor(RayPool(header, setting.parcel.secrets), workers=workers, setting=setting)


def _environment(demand: Mapping[str, float]) -> dict[str, str]:
    """What trials have in their environment: threads for the CPUs, and the part of a GPU that is theirs."""
    found = dict.fromkeys(THREADS, str(max(1, int(demand["CPU"]))))
    if 0.0 < demand["GPU"] < 1.0:
        found[DEVICE_SHARE] = f"{demand['GPU']:g}"
    return found


class RayPool:
    """Tasks of a Ray cluster; a :class:`bomix.execution.pool.calls.Pool`.

    Args:
        header: The first message to the process with Ray, see :mod:`bomix.execution.ray.bridge`.
        secrets: Values that must not be in what is told of it.

    Raises:
        EvaluationError: There is no such cluster.
    """

    def __init__(self, header: Mapping[str, Any], secrets: Collection[str] = ()) -> None:
        self._secrets = secrets
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._bridge = subprocess.Popen(
            [sys.executable, "-P", "-m", "bomix.execution.ray.bridge"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment(header["address"], os.environ),
            start_new_session=True,  # Ctrl-C is the driver's to handle
        )
        assert self._bridge.stdin is not None
        assert self._bridge.stdout is not None
        self._stdin, self._stdout = self._bridge.stdin, self._bridge.stdout
        self._pipe = LinePipe(self._stdin, self._stdout, self._ended)
        self._others: dict[str, bool] = {}
        try:
            self._pipe.send(header)
            self._connect()
        except BaseException:
            self.close()
            raise

    def _connect(self) -> None:
        """Wait until the process with Ray is a driver of the cluster.

        Raises:
            EvaluationError: It does not become one.
        """
        patience = time.monotonic() + _CONNECTING_S
        while not any(message["event"] == "ready" for message in self._messages(1.0)):
            if time.monotonic() > patience:
                raise EvaluationError(f"Ray has not come up in {_CONNECTING_S:g} s; it said: {self._said()}")

    def submit(self, number: int, job: Mapping[str, Any]) -> None:
        """Have a task run a job.

        Raises:
            EvaluationError: Ray has ended.
        """
        self._pipe.send({"submit": number, "job": job})

    def wait(self, timeout: float) -> Iterator[tuple[int, Mapping[str, Any] | Gone]]:
        """The jobs that are over.

        Raises:
            EvaluationError: Ray has ended, or has no node for the trials.
        """
        for message in self._messages(timeout):
            if message["event"] == "over":
                gone = message.get("gone")
                self._others |= message.get("others", {})
                yield message["number"], message["reply"] if gone is None else Gone(**gone)

    def stop(self, number: int) -> None:
        """Cancel a task, or kill the worker that runs it."""
        self._pipe.send({"stop": number})

    def unseen(self, where: str) -> bool:
        """Whether another node could hold a trial; this one gets none any more."""
        return self._others.get(where, False)

    def close(self) -> bool:
        """End the process with Ray, and with it all tasks, and the cluster where it is a local one."""
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()
        try:
            self._bridge.wait(timeout=_ENDING_S)
        except subprocess.TimeoutExpired:
            self._bridge.kill()
            self._bridge.wait()
        self._stdout.close()
        self._log.close()
        return True

    def _messages(self, timeout: float) -> Iterator[dict[str, Any]]:
        """What the process with Ray says within some seconds.

        Raises:
            EvaluationError: It has ended, or says that it cannot go on.
        """
        self._pipe.wait(timeout)
        while self._pipe.lines:
            message = json.loads(self._pipe.lines.popleft())
            if message["event"] == "broken":
                raise self._broken(message)
            if message["event"] == "warning":
                logger.warning("%s", redacted(message["message"], self._secrets))
            yield message

    def _ended(self) -> EvaluationError:
        for message in map(json.loads, self._pipe.lines):
            if message["event"] == "broken":
                return self._broken(message)
        return EvaluationError(
            "Ray has ended, and all running trials with it; where it was the head of the cluster, start it and the "
            f"nodes again. The same command then goes on. Ray said: {self._said()}"
        )

    def _broken(self, message: Mapping[str, Any]) -> EvaluationError:
        return SetupError(redacted(message["message"], self._secrets))

    def _said(self) -> str:
        """The end of the log of the process with Ray, without secrets."""
        self._log.seek(0)
        # Cut after that: a part of a secret is not known for one.
        return redacted(self._log.read().decode(errors="replace"), self._secrets).strip()[-_TOLD:] or "nothing"
