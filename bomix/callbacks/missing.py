"""Loggers whose package is not installed."""

from __future__ import annotations

from importlib.util import find_spec

from bomix.errors import Fault


def missing(package: str, extra: str) -> list[Fault]:
    """The fault of a logger whose package is not there.

    Args:
        package: What is imported.
        extra: The extra of bomix that brings it.
    """
    if find_spec(package.partition(".")[0]) is not None:
        return []
    return [Fault("", f"the package '{package}' is not installed; pip install 'bomix[{extra}]'")]
