"""Values of any library as plain numbers and plain JSON, and what cannot become either."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, SupportsFloat, runtime_checkable

import numpy as np

from bomix.errors import Fault

DEEPEST = 32
"""Most levels of lists and mappings in each other: more is no note on a run, and some readers give up at a hundred."""
_SHOWN = 80
"""Characters of a value that a message shows: enough to know it again."""


@runtime_checkable
class _Keyed(Protocol):
    """What ``dict`` can be made of: a row of a pandas table, an xarray dataset."""

    def keys(self) -> Iterable[Any]:
        """The names."""

    def __getitem__(self, key: Any, /) -> Any:
        """The value of a name."""


def as_mapping(value: Any) -> Any:
    """A mapping where the value is one or has its ``keys`` and items, as a pandas Series has; anything else as it is.

    A name that stands twice is not made one: such a value stays as it is, for the checks to name.
    """
    if isinstance(value, (Mapping, type)) or not isinstance(value, _Keyed):
        return value
    keys = list(value.keys())
    try:
        found = {key: value[key] for key in keys}
    except (KeyError, TypeError, ValueError):  # the keys of what only looks like a mapping
        return value
    return found if len(found) == len(keys) else value


def number(value: Any) -> Any:
    """A float where the value is a real number of any library; anything else is left to the checks.

    Booleans and complex numbers are left as well, whose ``float`` NumPy and torch would give.
    """
    if isinstance(value, float):
        return float(value)  # of NumPy's subclass as well
    if isinstance(value, (bool, int)) or not isinstance(value, SupportsFloat):
        return value
    if isinstance(value, (np.ndarray, np.generic)):
        return float(value.item()) if value.dtype.kind in "fiu" and value.size == 1 else value
    torch: Any = sys.modules.get("torch")
    given: Any = value
    is_tensor = torch is not None and isinstance(value, torch.Tensor)
    if is_tensor and given.dtype == torch.bool:
        return value
    try:
        return float(given.detach() if is_tensor else given)
    except (TypeError, ValueError, OverflowError, RuntimeError):  # what a tensor of several numbers raises, say
        return value


def as_json(value: Any, levels: int = DEEPEST) -> Any:
    """Plain data as JSON holds it: keys as text, tuples and arrays as lists, numbers and paths of any library.

    What lies deeper than ``levels``, a mapping whose keys become the same, and what JSON has no form for stay as they
    are, for :func:`json_faults` to name.
    """
    if not levels or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, Mapping):
        plain = {_key(key): as_json(item, levels - 1) for key, item in value.items()}
        return plain if len(plain) == len(value) else value
    if isinstance(value, (list, tuple)):
        return [as_json(item, levels - 1) for item in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return as_json(value.tolist(), levels - 1)
    return os.fsdecode(value) if isinstance(value, os.PathLike) else number(value)


def json_faults(where: str, value: Any) -> list[Fault]:
    """Why a mapping, as :func:`as_json` leaves it, cannot be kept as JSON and come back as it is.

    Args:
        where: What it is called in a message.
        value: The mapping.
    """
    if not isinstance(value, Mapping):
        return [Fault(where, f"expected a mapping, found {short(value)}")]
    if _is_deep(value):
        return [Fault(where, f"is nested deeper than {DEEPEST} levels, or holds itself; flatten it")]
    try:
        same = json.loads(json.dumps(value, allow_nan=False)) == value
    except (TypeError, ValueError) as error:
        return [Fault(where, f"must be plain JSON: {str(error)[:_SHOWN]}")]
    return [] if same else [Fault(where, "has two keys that are the same as text; rename one of them")]


def short(value: Any) -> str:
    """A value in a message, cut where it is long; one that cannot be printed is named by its type."""
    try:
        text = repr(value)
    except (RecursionError, ValueError, TypeError):  # ValueError: a number of more digits than Python prints
        return f"a {type(value).__name__}"
    if "\n" in text:  # a table, or an array
        text = " ".join(text.split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _is_deep(value: Any, levels: int = DEEPEST) -> bool:
    """Whether lists and mappings lie in each other deeper than that."""
    if not isinstance(value, (Mapping, list, tuple)):
        return False
    inner = value.values() if isinstance(value, Mapping) else value
    return not levels or any(_is_deep(item, levels - 1) for item in inner)


def _key(key: Any) -> Any:
    """A key as JSON writes it; one that it has no form for stays as it is."""
    plain = key.item() if isinstance(key, np.generic) else key
    return json.dumps(plain) if plain is None or isinstance(plain, (bool, int, float)) else plain
