"""Numbers and mixtures as the command line and the page show them."""

from __future__ import annotations

import math
from collections.abc import Sequence

NAMED = 5
"""Domains or metrics that a sentence names before it counts the rest."""
LARGE = 1e7
"""Size from which a value is shown with an exponent: no loss or score is as large, and a slipped unit may be."""


def done_of(done: int, budget: int | None, what: str = "trials") -> str:
    """How much of a budget is done, ``3 of 6 trials``; one that was smaller than what is done is named beside it."""
    if budget is None:
        return f"{done} {what}"
    return f"{done} of {budget} {what}" if done <= budget else f"{done} {what} (budget {budget})"


def value(objective: float, *, sign: str = "") -> str:
    """An objective as text; ``-`` where a trial lacks a metric that counts.

    Args:
        objective: The number, of any size.
        sign: ``+`` for differences, of which the sign is always shown.
    """
    if math.isnan(objective):
        return "-"
    return format(objective, f"{sign}.4f" if abs(objective) < LARGE else f"{sign}.6g")


def percent(probability: float) -> str:
    """A probability that is never rounded to certainty."""
    if probability > 0.995:
        return "> 99 %"
    return "< 1 %" if probability < 0.005 else f"{probability:.0%}".replace("%", " %")


def listed(names: Sequence[str]) -> str:
    """``code, web and wiki``; of many names the first few, and how many more there are."""
    more = [f"{len(names) - NAMED} more"] if len(names) > NAMED else []
    texts = [*names[:NAMED], *more]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
