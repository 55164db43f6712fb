"""Trials in any executor of :mod:`concurrent.futures`: threads, processes, Dask, Parsl, executorlib, mpi4py."""

from __future__ import annotations

import concurrent.futures
import pickle
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import BrokenExecutor, Future
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bomix
from bomix.config.settled import argument
from bomix.contracts.traits import field_values
from bomix.errors import Fault, FaultsError, SetupError, count_faults, raise_faults
from bomix.execution.pool import worker
from bomix.execution.pool.calls import Gone
from bomix.execution.pool.executor import PoolExecutor
from bomix.execution.pool.warm import Limits, Setting

if TYPE_CHECKING:
    from bomix.contracts.evaluator import Evaluator
    from bomix.contracts.executor import Execution

_NOT_THERE = (ImportError, AttributeError, pickle.PicklingError, pickle.UnpicklingError, TypeError)
"""What a pool raises where its workers cannot load what they are to call: that of one trial is that of all."""


def in_executor(execution: Execution, executor: Any, workers: int | None) -> FuturesExecution:
    """An execution like another one, with its trials in an executor.

    Args:
        execution: The study's own, whose numbers and limits are taken as far as it has them.
        executor: What takes calls.
        workers: Calls at a time; the execution's own unless given.

    Raises:
        FaultsError: It is no executor, or there are no such workers.
    """
    if not isinstance(executor, concurrent.futures.Executor):
        what = f"expected a concurrent.futures.Executor, found {type(executor).__name__}"
        raise FaultsError([Fault("executor", f"{what}; a Dask client makes one by get_executor()")])
    if workers is not None:
        raise_faults(count_faults(1, workers=argument("workers", int, workers)))
    known = {field.name for field in fields(FuturesExecution)} - {"executor"}
    own = {name: value for name, value in field_values(execution).items() if name in known}
    return FuturesExecution(executor, **own if workers is None else own | {"workers": workers})


@dataclass(frozen=True)
class FuturesExecution:
    """Trials in an executor that was made in Python, one call for each; :meth:`bomix.Study.run` makes it.

    Attributes:
        executor: What takes calls; it is not shut down.
        workers: Calls at a time, those that wait in it among them.
        attempts: How often a trial is tried before it counts as failed.
        max_failures: Failed trials after which a run of the study gives up.
        max_lost: How often a trial may be lost with its worker before it counts as failed.
        timeout_s: Seconds after which an attempt is ended; None for no limit.
        silence_s: Seconds without progress, or anything new in its log, after which it is; None for no limit.
        grace_s: Seconds between SIGTERM and SIGKILL where an attempt is ended.
        ask_ahead: New trials that are asked for while all workers are busy.
    """

    executor: concurrent.futures.Executor
    workers: int = 1
    attempts: int = 1
    max_failures: int = 3
    max_lost: int = 10
    timeout_s: float | None = None
    silence_s: float | None = None
    grace_s: float = 10.0
    ask_ahead: int = 0

    def faults(self) -> list[Fault]:
        """Counts must be positive."""
        return count_faults(1, workers=self.workers, attempts=self.attempts, max_failures=self.max_failures)

    def start(self, evaluator: Evaluator, *, folder: Path | None = None) -> PoolExecutor:
        """Get ready to run trials.

        Args:
            evaluator: What trains; it is pickled, so its class lives in an importable module.
            folder: Not used: what is kept lies in the attempts' own folders.

        Raises:
            EvaluationError: The evaluator cannot be pickled.
        """
        setting = Setting.of(evaluator, Limits(self.timeout_s, self.silence_s, self.grace_s))
        pool = _FuturesPool(self.executor, setting.to_data())
        return PoolExecutor(pool, workers=self.workers, setting=setting)


class _FuturesPool:
    """Calls in an executor; a :class:`bomix.execution.pool.calls.Pool`."""

    def __init__(self, executor: concurrent.futures.Executor, setting: Mapping[str, Any]) -> None:
        self._executor = executor
        self._setting = setting
        self._futures: dict[int, Future[dict[str, Any]]] = {}

    def submit(self, number: int, job: Mapping[str, Any]) -> None:
        """Have a worker run a job.

        Raises:
            EvaluationError: The executor was shut down, or has broken.
        """
        name = type(self._executor).__name__
        try:
            # Each job differs by the folder of its attempt: where equal calls are one, as in Dask, it is still run.
            self._futures[number] = self._executor.submit(worker.run, self._setting, job)
        except Exception as error:  # whatever an executor of somebody else raises: it takes no calls
            raise SetupError(f"{name} takes no trials ({type(error).__name__}: {error}); make a new one") from error

    def wait(self, timeout: float) -> Iterator[tuple[int, Mapping[str, Any] | Gone]]:
        """The jobs that are over."""
        if not self._futures:
            time.sleep(timeout)
        else:
            concurrent.futures.wait(self._futures.values(), timeout, concurrent.futures.FIRST_COMPLETED)
        for number in [number for number, future in self._futures.items() if future.done()]:
            yield number, _reply(self._futures.pop(number))

    def stop(self, number: int) -> None:
        """Cancel a job that has not begun; one that runs looks itself whether it is wanted."""
        if number in self._futures:
            self._futures[number].cancel()

    def unseen(self, where: str) -> bool:
        """An executor does not say which worker a job goes to."""
        return False

    def close(self) -> bool:
        """It belongs to who made it."""
        return False


def _reply(future: Future[dict[str, Any]]) -> Mapping[str, Any] | Gone:
    """What came back of a job."""
    if future.cancelled():
        return Gone("the executor cancelled it")
    error = future.exception()
    if error is None:
        return future.result()
    said = f"{type(error).__name__}: {error}"
    if isinstance(error, BrokenExecutor):
        return Gone(f"the executor has broken and runs nothing more ({said}); make a new one and run again", last=True)
    if isinstance(error, _NOT_THERE):
        return Gone(
            f"a worker cannot load what it is to call ({said}); install bomix {bomix.__version__}, and what the "
            "evaluator needs, where the workers run",
            last=True,
        )
    return Gone(f"its worker was lost ({said})")
