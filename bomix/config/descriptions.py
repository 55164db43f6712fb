"""What each key of a study file is: the sentence that the docstring of its spec has for it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

_SECTION = re.compile(r"^(Attributes|Args):$", re.MULTILINE)
"""Head of the part of a docstring that describes fields."""
_ENTRY = re.compile(r"^    (\w+):\s+(.+?)(?=^    \w|^\S|\Z)", re.MULTILINE | re.DOTALL)
"""One field below it: its name, then the text, whose further lines are indented more."""
_ROLE = re.compile(r":\w+:`~?(?:[\w.]+\.)?(\w+)`")
"""A reference to code, of which the last name is what a reader looks for."""


def descriptions(spec: type[Any]) -> Mapping[str, str]:
    """The sentence of each field of a spec, in the words of its docstring and of those of its base classes.

    Args:
        spec: A dataclass whose docstring has a section ``Attributes`` or ``Args``, in Google's style.

    Returns:
        Field to text in one line; a field without an entry has none.
    """
    found: dict[str, str] = {}
    for base in reversed(spec.__mro__):
        found.update(_entries(base.__dict__.get("__doc__") or ""))
    return found


def summary(spec: type[Any]) -> str:
    """The first paragraph of a spec's docstring, in one line; empty where it has none."""
    return _in_one_line(inspect.cleandoc(spec.__doc__ or "").split("\n\n")[0])


def _entries(docstring: str) -> Iterator[tuple[str, str]]:
    text = inspect.cleandoc(docstring)
    for head in _SECTION.finditer(text):
        for name, told in _ENTRY.findall(text[head.end() :].lstrip("\n").split("\n\n")[0] + "\n"):
            yield name, _in_one_line(told)


def _in_one_line(text: str) -> str:
    return _ROLE.sub(r"``\1``", " ".join(text.split()))
