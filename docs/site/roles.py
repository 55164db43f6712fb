"""An extension of Griffe: docstrings of this project as pages want them.

References, ``:class:`Name```, become code, and examples, whether in a section of their own or between two paragraphs,
become blocks of code.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":\w+:`~?(?:[\w.]+\.)?(\w+)`")
_CITATION = re.compile(r"\[(\w+\d{4}\w?)\]_")
_EXAMPLE = re.compile(r"^Example:$", re.MULTILINE)
_DOCTEST = re.compile(r"^>>> .*?(?=\n\n|\Z)", re.MULTILINE | re.DOTALL)


class Roles(griffe.Extension):
    """Rewrites every docstring as it is loaded."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """The text of one object."""
        if obj.docstring is not None:
            text = _EXAMPLE.sub("Examples:", obj.docstring.value)
            text = _DOCTEST.sub(lambda block: f"```pycon\n{block[0]}\n```", text)
            obj.docstring.value = _CITATION.sub(r"[\1]", _ROLE.sub(r"`\1`", text))
