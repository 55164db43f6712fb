"""Packages that an extra of bomix brings, and what is said where they are not installed."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec


def missing(extra: str, packages: Sequence[str]) -> str | None:
    """What is not installed and how to get it, in words; None where all is there. Nothing is imported.

    Args:
        extra: The extra of bomix that brings the packages.
        packages: Names under which they are imported.
    """
    lacking = [name for name in packages if find_spec(name) is None]
    if not lacking:
        return None
    named = ", ".join(lacking)
    return f"{named} {'is' if len(lacking) == 1 else 'are'} not installed; pip install 'bomix[{extra}]'"
