"""What a message says of a value that a study file has, and of what is wanted in its place."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Literal

_SHOWN = 60
"""Characters of a value that a message shows: half a line of a terminal."""


def type_in_words(hint: Any) -> str:
    """What a type hint asks for: ``a whole number``, ``a list``."""
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    if hint in names:
        return names[hint]
    if typing.get_origin(hint) is Literal:
        # Sorted: `typing` keeps one of two literals that differ in their order, whichever was imported first.
        return " or ".join(sorted(map(repr, typing.get_args(hint))))
    origin = typing.get_origin(hint)
    if origin in (tuple, list):
        return "a list"
    return "a mapping" if dataclasses.is_dataclass(hint) or origin in (Mapping, dict) else str(hint)


def shown(data: Any) -> str:
    """A value in words, cut before it is made: what an alias repeats may be long."""
    text = "".join(_pieces(data))
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _pieces(data: Any) -> Iterator[str]:
    """The text of a value, piece by piece, until there is more of it than is shown."""
    left = _SHOWN + 1
    for piece in _all_pieces(data):
        yield piece
        if (left := left - len(piece)) <= 0:
            return


def _all_pieces(data: Any) -> Iterator[str]:
    if isinstance(data, Mapping):
        yield "{"
        for position, (key, value) in enumerate(data.items()):
            yield f"{', ' if position else ''}{str(key)[:_SHOWN]!r}: "
            yield from _all_pieces(value)
        yield "}"
    elif isinstance(data, list):
        yield "["
        for position, value in enumerate(data):
            yield ", " if position else ""
            yield from _all_pieces(value)
        yield "]"
    elif isinstance(data, str):
        yield repr(data[: _SHOWN + 1])
    elif isinstance(data, int) and abs(data) >= 10**_SHOWN:
        yield f"a number of more than {_SHOWN} digits"
    else:
        yield repr(data)


def to_quote(hint: Any, data: Any) -> str:
    """The advice to quote what YAML took for something else than the text that is wanted.

    How it stands in the file is lost (``007`` and ``0x7`` are 7, ``~`` is nothing), so that no quoted text is shown.
    """
    taken = hint is str and (data is None or isinstance(data, (bool, int, float)))
    return "; where it is a name, put quotes around it as it stands there" if taken else ""
