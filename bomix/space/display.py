"""Mixtures as text and as tables, for terminals, pages and notebooks."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bomix.space.weights import Weights

_SMALL = 0.0005
"""Weight that three decimals still show."""
_MOST = 8
"""Domains that are named; the rest is counted."""


def share(weight: float) -> str:
    """A weight with three decimals, or with two digits where those would all be zero."""
    return f"{weight:.3f}" if weight == 0.0 or weight >= _SMALL else f"{weight:.2g}"


def mixture(weights: Weights) -> str:
    """``code 0.250, web 0.750``; zeros left out, the eight largest where there are many."""
    largest = sorted(weights.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{name} {share(weight)}" for name, weight in largest if weight > 0][:_MOST]
    rest = sum(weight > 0 for weight in weights.values()) - len(shown)
    return ", ".join(shown) + (f", {rest} more" if rest else "")


def html_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table for notebooks; names may be anything and are shown as they are."""
    head = "".join(f"<th>{html.escape(str(cell))}</th>" for cell in heads)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
