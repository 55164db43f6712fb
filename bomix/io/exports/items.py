"""Trainers that draw items: what an item is must be said, since only whoever wrote the data knows."""

from __future__ import annotations

from bomix.contracts.exporter import Unit
from bomix.errors import Fault


def item_faults(key: str, unit: Unit) -> list[Fault]:
    """A fault where items are said to be tokens.

    Args:
        key: The key that says what an item is.
        unit: Its value.
    """
    return (
        [Fault(key, "an item is a document or a packed sequence; give documents or sequences")]
        if unit == "tokens"
        else []
    )
