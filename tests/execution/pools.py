"""Pools of workers as executions that a study file could say, for the battery of tests."""

from __future__ import annotations

import dataclasses
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

from bomix.contracts.evaluator import Evaluator
from bomix.errors import Fault, count_faults
from bomix.execution.futures import FuturesExecution
from bomix.execution.pool.executor import PoolExecutor


@dataclasses.dataclass(frozen=True)
class InPool:
    """Trials in threads or processes of Python's own pools, which end with the executor."""

    workers: int = 1
    attempts: int = 1
    max_failures: int = 3
    of: Literal["threads", "processes"] = "threads"

    def faults(self) -> list[Fault]:
        return count_faults(1, workers=self.workers, attempts=self.attempts, max_failures=self.max_failures)

    def start(self, evaluator: Evaluator, *, folder: Path | None = None) -> PoolExecutor:
        pool = make_pool(self.of, self.workers)
        try:
            executor = FuturesExecution(pool, self.workers).start(evaluator, folder=folder)
        except BaseException:
            pool.shutdown()
            raise
        close = executor.close

        def close_both() -> None:
            try:
                close()
            finally:
                pool.shutdown()

        executor.close = close_both  # type: ignore[method-assign]
        return executor


def make_pool(of: str, workers: int) -> Executor:
    """Processes are spawned: those forked of one with threads are no sound ones."""
    return ThreadPoolExecutor(workers) if of == "threads" else ProcessPoolExecutor(workers, get_context("spawn"))
