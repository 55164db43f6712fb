"""Numbers and mixtures as the command line shows them."""

from __future__ import annotations

import math
from collections.abc import Mapping

from bomix.cli.running import LARGE

_SMALL = 0.0005
"""Weight that three decimals still show."""


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


def share(weight: float) -> str:
    """A weight with three decimals, or with two digits where those would all be zero."""
    return f"{weight:.3f}" if weight == 0.0 or weight >= _SMALL else f"{weight:.2g}"


def mixture(weights: Mapping[str, float]) -> str:
    """``code 0.25, web 0.75``; zeros left out, the eight largest where there are many."""
    largest = sorted(weights.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{name} {share(weight)}" for name, weight in largest if weight > 0][:8]
    rest = sum(weight > 0 for weight in weights.values()) - len(shown)
    return ", ".join(shown) + (f", {rest} more" if rest else "")
