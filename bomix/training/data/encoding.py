"""Texts to token ids, in their order: by this process, and by others beside it once there is much text.

What becomes of a text does not depend on who encodes it, so that a corpus is the same whatever the number of processes.
"""

from __future__ import annotations

import logging
import os
import pickle
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import TypeVar

import numpy as np

from bomix.contracts.text import Tokenizer
from bomix.training.data.tokenizer import LoadedTokenizer

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Ids = list[np.ndarray]
"""One array of token ids for each text."""

START_BYTES = 2_000_000
"""Text that is encoded before other processes are started, which takes as long as they take to start."""
MOST = 64
"""Processes at most: one that reads and writes feeds no more."""
_AHEAD = 2
"""Batches for each process that are read ahead, so that none waits."""


class Encoder:
    """Encodes texts, at first in this process.

    Args:
        tokenizer: What makes tokens of them.
        saved: Folder that the tokenizer is saved in.
        processes: How many encode at most; 1 never starts another.
    """

    def __init__(self, tokenizer: Tokenizer, saved: Path, processes: int) -> None:
        self._tokenizer = tokenizer
        self._saved = saved
        self._processes = min(processes, MOST)
        self._encoded = 0
        self._helpers: _Helpers | None = None

    def __enter__(self) -> Encoder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._helpers is not None:
            self._helpers.close()

    def encoded(self, items: Iterable[tuple[Item, Sequence[str]]]) -> Generator[tuple[Item, Ids], None, None]:
        """Encode the texts of each item, in order. Items are taken some way ahead of those that are yielded.

        Args:
            items: Anything, with the texts that belong to it.
        """
        waiting: deque[tuple[Item, Future[Ids]]] = deque()
        try:
            for item, texts in items:
                helpers = self._company()
                self._encoded += sum(map(len, texts))
                if helpers is None:
                    yield item, arrays(self._tokenizer, texts)
                    continue
                waiting.append((item, helpers.submit(texts)))
                if len(waiting) > _AHEAD * self._processes:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        finally:
            for _, future in waiting:
                future.cancel()

    def _company(self) -> _Helpers | None:
        """The processes that encode, started once there is enough text for them; None where this one does."""
        if self._helpers is None and self._processes > 1 and self._encoded >= START_BYTES:
            if (made := _message(self._tokenizer, self._saved)) is None:
                self._processes = 1
            else:
                self._helpers = _Helpers(self._tokenizer, made, self._processes)
        return self._helpers


def arrays(tokenizer: Tokenizer, texts: Sequence[str]) -> Ids:
    """Token ids of each text as arrays of the tokenizer's type."""
    return [np.array(ids, dtype=tokenizer.dtype) for ids in tokenizer.encode(texts)] if texts else []


def packed(found: Ids, dtype: np.dtype) -> tuple[bytes, list[int]]:
    """Arrays end to end, and how long each is: less to send than so many arrays."""
    return np.concatenate([*found, np.empty(0, dtype)]).astype(dtype).tobytes(), [len(ids) for ids in found]


def _unpacked(data: bytes, lengths: list[int], dtype: np.dtype) -> Ids:
    return np.split(np.frombuffer(data, dtype), np.cumsum(lengths)[:-1]) if lengths else []


def _message(tokenizer: Tokenizer, saved: Path) -> bytes | None:
    """What another process makes the tokenizer from; None where one of a user's cannot be handed over."""
    if isinstance(tokenizer, LoadedTokenizer):
        return pickle.dumps(saved)
    try:
        return pickle.dumps(tokenizer)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        logger.info("the tokenizer cannot be handed to other processes, and this one encodes alone: %s", error)
        return None


class _Helpers:
    """Processes that encode, each with a thread here that talks to it. One that dies is done without."""

    def __init__(self, tokenizer: Tokenizer, message: bytes, count: int) -> None:
        self._tokenizer = tokenizer
        self._alone = threading.Lock()
        self._idle: SimpleQueue[Connection | None] = SimpleQueue()
        self._threads = ThreadPoolExecutor(count)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._connections: list[Connection] = []
        for _ in range(count):
            self._idle.put(self._helper(message))

    def _helper(self, message: bytes) -> Connection | None:
        """Start a process; None where the system has none to spare."""
        ours, theirs = Pipe()
        self._connections.append(ours)
        try:
            with theirs:
                self._processes.append(_started(theirs.fileno()))
            ours.send_bytes(message)
        except OSError as error:
            logger.warning("no further process makes tokens of text: %s", error)
            return None
        return ours

    def submit(self, texts: Sequence[str]) -> Future[Ids]:
        return self._threads.submit(self._encode, list(texts))

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
        for connection in self._connections:
            connection.close()  # which ends the process
        for process in self._processes:
            process.wait()

    def _encode(self, texts: list[str]) -> Ids:
        # As many threads as entries of the queue, so that none waits; None stands for a process that has died.
        connection = self._idle.get()
        try:
            if connection is not None:
                connection.send(texts)
                data, lengths = connection.recv()
                return _unpacked(data, lengths, self._tokenizer.dtype)
        except (EOFError, OSError):
            connection = None
            logger.warning("a process that makes tokens of text ended (memory ran out, perhaps); it is done without")
        finally:
            self._idle.put(connection)
        with self._alone:  # what is wrong with the text, if anything is, is raised here
            return arrays(self._tokenizer, texts)


def _started(descriptor: int) -> subprocess.Popen[bytes]:
    environment = dict(os.environ)
    environment["PYTHONSAFEPATH"] = "1"  # the folder that bomix was called in is no place to import from
    here = str(Path(__file__).parents[3])  # where this one has found bomix, the folder that it runs in perhaps
    environment["PYTHONPATH"] = os.pathsep.join([*(path for path in sys.path if path), here])
    argv = [sys.executable, "-m", "bomix.training.data.encoding_process", str(descriptor)]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(argv, env=environment, pass_fds=[descriptor], stdin=quiet, stdout=quiet, stderr=quiet)
