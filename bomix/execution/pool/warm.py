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

from bomix.contracts.evaluator import Evaluator
from bomix.execution.attempt.parcel import Parcel
from bomix.execution.local.executor import LocalExecutor

KEPT_S = 60.0
"""Seconds that an idle one is kept: a driver has the next trial ready within some, and memory is others' as well."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """Limits of an attempt, as :class:`bomix.execution.local.executor.LocalExecutor` takes them.

    Attributes:
        timeout_s: Seconds after which it is ended; None for no limit.
        silence_s: Seconds without a sign of life after which it is; None for no limit.
        grace_s: Seconds between SIGTERM and SIGKILL then.
    """

    timeout_s: float | None
    silence_s: float | None
    grace_s: float


@dataclasses.dataclass(frozen=True)
class Setting:
    """What a worker runs trials with.

    Attributes:
        parcel: The evaluator.
        prefix: ``sys.prefix`` of the driver: where the worker has the same, both have the same packages.
        folder: The driver's working directory; the worker's own where it is not there.
        environment: What trials have in their environment besides.
        limits: Limits of an attempt.
    """

    parcel: Parcel
    prefix: str
    folder: str
    environment: Mapping[str, str]
    limits: Limits

    @classmethod
    def of(cls, evaluator: Evaluator, limits: Limits, environment: Mapping[str, str] | None = None) -> Setting:
        """That of an evaluator, as this process has it.

        Raises:
            EvaluationError: It cannot be pickled.
        """
        return cls(Parcel.of(evaluator), sys.prefix, os.getcwd(), environment or {}, limits)

    def to_data(self) -> dict[str, Any]:
        """As plain values."""
        return {
            **vars(self),
            "parcel": self.parcel.to_data(),
            "environment": dict(self.environment),
            "limits": vars(self.limits),
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Setting:
        """What :meth:`to_data` made."""
        return cls(**{**data, "parcel": Parcel.from_data(data["parcel"]), "limits": Limits(**data["limits"])})

    def start(self) -> LocalExecutor:
        """A process of this machine that trials are forked from.

        Raises:
            OSError: No process can be started.
        """
        return LocalExecutor(
            dataclasses.replace(self.parcel, sys_path=self._sys_path(), environment=self._environment()),
            workers=1,
            timeout_s=self.limits.timeout_s,
            silence_s=self.limits.silence_s,
            grace_s=self.limits.grace_s,
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
        return {**found, **self.parcel.environment, **self.environment}


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
