"""Cells in parallel processes, one thread each; what is done is not done again."""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bomix.benchmark import cells
from bomix.benchmark.cells import Cell
from bomix.errors import EvaluationError

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")

logger = logging.getLogger(__name__)

Watch = Callable[[Cell, int, int], None]
"""Called with a cell that has ended, the number of cells that have, and the number that there were to run."""


def missing(wanted: Sequence[Cell], folder: Path) -> list[Cell]:
    """The cells that have no result yet."""
    return [cell for cell in wanted if cells.read(cell, folder) is None]


def run_all(wanted: Sequence[Cell], folder: Path, *, processes: int, watch: Watch | None = None) -> None:
    """Run the cells that have no result yet.

    A cell that raises does not stop the others; a process that is killed loses its cell alone. The next call runs
    what has no result.

    Args:
        wanted: Cells in the order in which they are begun.
        folder: Folder of the benchmark, where their files are.
        processes: Number of cells that run at a time.
        watch: Called after every cell that has ended.

    Raises:
        EvaluationError: After all others have ended: cells that failed.
    """
    waiting = deque(missing(wanted, folder))
    total, done, failures = len(waiting), 0, []
    workers: list[_Worker] = []
    try:
        with _one_thread():
            workers = [_Worker.start(folder, waiting.popleft()) for _ in range(min(processes, total))]
            while workers:
                for worker in _ended(workers):
                    cell, done, error = worker.cell, done + 1, worker.receive()
                    if error is not None:
                        failures.append(f"{cell.problem} / {cell.name} / seed {cell.seed}: {error}")
                        logger.warning("%s", failures[-1])
                    if watch is not None:
                        watch(cell, done, total)
                    if waiting:
                        worker.go_on(waiting.popleft())
                    else:
                        worker.stop()
                        workers.remove(worker)
    finally:
        for worker in workers:
            worker.kill()
    if failures:
        first = failures[0].splitlines()[-1]
        raise EvaluationError(f"{len(failures)} of {total} cells failed, the first: {first}")


@dataclass
class _Worker:
    """A process that runs one cell after the other: imports are paid once."""

    folder: Path
    cell: Cell
    process: Any
    pipe: Connection

    @classmethod
    def start(cls, folder: Path, cell: Cell) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, folder, list(sys.path)), daemon=True)
        process.start()
        theirs.close()
        ours.send(cell)
        return cls(folder, cell, process, ours)

    def receive(self) -> str | None:
        """How the cell failed, if it did."""
        try:
            error: str | None = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            return f"its process ended with code {self.process.exitcode}; run the same command again to repeat it"
        return error

    def go_on(self, cell: Cell) -> None:
        """Begin with the next cell, in a new process where the old one died."""
        self.cell = cell
        try:
            self.pipe.send(cell)
        except OSError:
            fresh = _Worker.start(self.folder, cell)
            self.process, self.pipe = fresh.process, fresh.pipe

    def stop(self) -> None:
        """Let the process end."""
        self.pipe.close()
        self.process.join()

    def kill(self) -> None:
        """End the process now."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


def _ended(workers: Sequence[_Worker]) -> list[_Worker]:
    """Wait until cells have ended; the workers that ran them."""
    ready = connection.wait([worker.pipe for worker in workers])
    return [worker for worker in workers if worker.pipe in ready]


def _serve(pipe: Connection, folder: Path, path: list[str]) -> None:
    """Run cells until the other end is closed."""
    sys.path[:] = path
    while True:
        try:
            cell = pipe.recv()
        except (EOFError, OSError, KeyboardInterrupt):
            return
        try:
            cells.run(cell, folder)
        except KeyboardInterrupt:
            return
        except Exception:  # a peer may fail in any way
            pipe.send(traceback.format_exc().strip())
        else:
            pipe.send(None)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let processes that are started meanwhile begin with one thread each."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
