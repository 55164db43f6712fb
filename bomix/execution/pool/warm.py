"""Processes that trials are forked from, kept by a worker for the next trial: imports take longer than a small one."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bomix.execution.attempt.parcel import Parcel
from bomix.execution.local.executor import LocalExecutor

KEPT_S = 60.0
"""Seconds that an idle one is kept: a driver has the next trial ready within some, and memory is others' as well."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """What a worker runs trials with.

    Attributes:
        parcel: The evaluator.
        prefix: ``sys.prefix`` of the driver: where the worker has the same, both have the same packages.
        folder: The driver's working directory; the worker's own where it is not there.
        threads: Threads of numerical libraries; None leaves that to the worker's environment.
        timeout_s: See :class:`bomix.execution.local.executor.LocalExecutor`.
        silence_s: Likewise.
    """

    parcel: Parcel
    prefix: str
    folder: str
    threads: int | None = None
    timeout_s: float | None = None
    silence_s: float | None = None

    def to_data(self) -> dict[str, Any]:
        """As plain values."""
        return {**vars(self), "parcel": self.parcel.to_data()}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Setting:
        """What :meth:`to_data` made."""
        return cls(**{**data, "parcel": Parcel.from_data(data["parcel"])})

    def start(self) -> LocalExecutor:
        """A process of this machine that trials are forked from.

        Raises:
            OSError: No process can be started.
        """
        return LocalExecutor(
            dataclasses.replace(self.parcel, sys_path=self._sys_path(), environment=self._environment()),
            workers=1,
            timeout_s=self.timeout_s,
            silence_s=self.silence_s,
            folder=self.folder if Path(self.folder).is_dir() else None,
        )

    def _sys_path(self) -> tuple[str, ...]:
        """The driver's where that fits; else the worker's, and what the driver has besides after it."""
        if self.prefix == sys.prefix:
            return self.parcel.sys_path
        return tuple(dict.fromkeys([*sys.path, *self.parcel.sys_path]))

    def _environment(self) -> dict[str, str]:
        # Some engines put the folder of bomix on the path of their workers alone, where no child process finds it.
        place = str(Path(__file__).parents[3])
        given = os.environ.get("PYTHONPATH", "")
        found = {
            "PYTHONPATH": given if place in given.split(os.pathsep) else os.pathsep.join(filter(None, [given, place]))
        }
        if self.threads is not None:
            found["OMP_NUM_THREADS"] = str(self.threads)
        return {**found, **self.parcel.environment}


@dataclasses.dataclass
class _Idle:
    setting: Setting
    environment: dict[str, str]
    executor: LocalExecutor
    since: float


_idle: list[_Idle] = []
_lock = threading.Lock()


@contextlib.contextmanager
def warm(setting: Setting) -> Iterator[LocalExecutor]:
    """One that runs nothing, kept for the next trial unless there was an error; whatever it runs ends at an error."""
    environment = dict(os.environ)  # an engine gives every call other devices by it
    with _lock:
        found = next((each for each in _idle if (each.setting, each.environment) == (setting, environment)), None)
        if found is not None:
            _idle.remove(found)
    executor = setting.start() if found is None else found.executor
    try:
        yield executor
    except BaseException:
        executor.close()
        raise
    with _lock:
        _idle.append(_Idle(setting, environment, executor, time.monotonic()))
    timer = threading.Timer(KEPT_S + 1.0, end_idle, kwargs={"kept_s": KEPT_S})
    timer.daemon = True
    timer.start()


def end_idle(*, kept_s: float = 0.0) -> None:
    """End those of this process that have been idle for some seconds."""
    with _lock:
        old = [each for each in _idle if time.monotonic() >= each.since + kept_s]
        for each in old:
            _idle.remove(each)
    for each in old:
        each.executor.close()
