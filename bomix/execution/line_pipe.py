"""Lines to and from a process: neither side ever waits for the other to read."""

from __future__ import annotations

import json
import os
import select
from collections import deque
from collections.abc import Callable, Mapping
from typing import IO, Any


class LinePipe:
    """JSON messages, a line each, over the standard input and output of a process.

    Args:
        stdin: Where messages go.
        stdout: Where they come from.
        gone: Makes the error that is raised where the process has ended.
    """

    def __init__(self, stdin: IO[bytes], stdout: IO[bytes], gone: Callable[[], Exception]) -> None:
        self._stdin, self._stdout, self._gone = stdin, stdout, gone
        self.lines: deque[bytes] = deque()
        self._rest = b""

    def send(self, message: Mapping[str, Any]) -> None:
        """Write a message, and keep what comes meanwhile; raises what ``gone`` makes where the process has ended."""
        left = (json.dumps(message) + "\n").encode()
        while left:
            readable, writable, _ = select.select([self._stdout], [self._stdin], [])
            if readable:
                self.receive()
            if writable:
                try:
                    left = left[os.write(self._stdin.fileno(), left[: select.PIPE_BUF]) :]
                except BrokenPipeError:
                    raise self._gone() from None

    def wait(self, timeout: float) -> None:
        """Take what comes within some seconds, unless there are lines already; raises as :meth:`send` does."""
        if not self.lines and select.select([self._stdout], [], [], timeout)[0]:
            self.receive()

    def receive(self) -> None:
        """Take what the process has said; raises what ``gone`` makes where it has ended."""
        if not (chunk := os.read(self._stdout.fileno(), 1 << 16)):
            raise self._gone()
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        self.lines.extend(lines)
