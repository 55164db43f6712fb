"""What is done while nothing is to be seen yet."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def working(what: str) -> Iterator[None]:
    """Show on a terminal, on standard error, what is under way; elsewhere nothing.

    Args:
        what: What is done, as a participle: ``fitting the model``.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    console = Console(stderr=True, markup=False, highlight=False)
    with console.status(what, spinner="dots"):
        yield
