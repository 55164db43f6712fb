"""Sentences as HTML."""

from __future__ import annotations

import html
import re

_KEPT = ("> ", "< ", " %")
"""What a line must not end in the middle of."""


def prose(text: str) -> str:
    """A sentence as HTML: commands in backticks are set as code, and numbers keep their signs beside them."""
    for sign in _KEPT:
        text = text.replace(sign, sign.replace(" ", "\N{NO-BREAK SPACE}"))
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))
