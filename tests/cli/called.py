"""The command ``bomix`` in this process: what it prints, and the exit code that a shell sees."""

from __future__ import annotations

import contextlib
import io
import signal
import sys
from unittest import mock

from bomix.cli.main import main


def called(*arguments: object) -> tuple[int, str]:
    """Call the command.

    Args:
        arguments: What stands behind ``bomix``.

    Returns:
        The exit code, and what was printed, errors included. A traceback, which the command never prints on purpose,
        is the error of the test.
    """
    printed, before = io.StringIO(), signal.getsignal(signal.SIGTERM)
    command = ["bomix", *map(str, arguments)]
    try:
        with (
            mock.patch.object(sys, "argv", command),
            contextlib.redirect_stdout(printed),
            contextlib.redirect_stderr(printed),
        ):
            main()
    except SystemExit as ended:
        return int(ended.code or 0), printed.getvalue()
    finally:
        signal.signal(signal.SIGTERM, before)
