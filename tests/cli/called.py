"""The command ``bomix`` in this process: what it prints, and the exit code that a shell sees."""

from __future__ import annotations

import contextlib
import io
import signal
import sys
from typing import NamedTuple
from unittest import mock

from bomix.cli.main import main


class Ended(NamedTuple):
    """How a command ended.

    Attributes:
        returncode: The exit code that a shell sees.
        stdout: What was printed.
        stderr: What was printed of progress and errors.
    """

    returncode: int
    stdout: str
    stderr: str


def called(*arguments: object) -> tuple[int, str]:
    """Call the command.

    Args:
        arguments: What stands behind ``bomix``.

    Returns:
        The exit code, and what was printed, errors included. A traceback, which the command never prints on purpose,
        is the error of the test.
    """
    printed = io.StringIO()
    return _code(arguments, printed, printed), printed.getvalue()


def ended(*arguments: object) -> Ended:
    """The same, with what goes to the two streams apart."""
    printed, said = io.StringIO(), io.StringIO()
    return Ended(_code(arguments, printed, said), printed.getvalue(), said.getvalue())


def _code(arguments: tuple[object, ...], printed: io.StringIO, said: io.StringIO) -> int:
    before = signal.getsignal(signal.SIGTERM)
    command = ["bomix", *map(str, arguments)]
    try:
        with (
            mock.patch.object(sys, "argv", command),
            contextlib.redirect_stdout(printed),
            contextlib.redirect_stderr(said),
        ):
            main()
    except SystemExit as exit:
        return int(exit.code or 0)
    finally:
        signal.signal(signal.SIGTERM, before)
