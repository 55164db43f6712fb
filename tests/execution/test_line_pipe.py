"""Two processes that write to each other, and read."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from bomix.execution.line_pipe import LinePipe

ANSWERS = """
import sys
for line in sys.stdin:
    print(line, end="", flush=True)
    print(line, end="", flush=True)
"""


class GoneError(Exception):
    """The process has ended."""


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", ANSWERS], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as made:
        yield made
        made.kill()


def pipe_to(process: subprocess.Popen[bytes]) -> LinePipe:
    assert process.stdin is not None
    assert process.stdout is not None
    return LinePipe(process.stdin, process.stdout, GoneError)


def test_messages_longer_than_a_pipe_holds_go_both_ways(process: subprocess.Popen[bytes]) -> None:
    pipe, long = pipe_to(process), {"text": "x" * 300_000}
    for _ in range(3):
        pipe.send(long)
    while len(pipe.lines) < 6:
        pipe.receive()
    assert all(json.loads(line) == long for line in pipe.lines)


def test_what_is_there_already_is_not_waited_for(process: subprocess.Popen[bytes]) -> None:
    pipe = pipe_to(process)
    pipe.wait(0.0)
    assert not pipe.lines
    pipe.send({"a": 1})
    while len(pipe.lines) < 2:
        pipe.receive()
    pipe.wait(60.0)
    assert len(pipe.lines) == 2


def test_a_process_that_has_ended_is_told(process: subprocess.Popen[bytes]) -> None:
    pipe = pipe_to(process)
    process.kill()
    process.wait()
    with pytest.raises(GoneError):
        pipe.receive()
    with pytest.raises(GoneError):
        pipe.send({"a": 1})
