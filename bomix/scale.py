"""The scale of a training run: how large the model is and how long it is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, SupportsFloat

import numpy as np

from bomix.errors import Fault, raise_faults

_SUFFIXES = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "k"))
"""Unit to its suffix, the largest first, as a study file writes counts."""
_MOST = 1e24
"""Parameters or tokens that a run can have: far more than there is text, and their FLOPs are still a number."""
_MAX_DIGITS = 4
"""Significant digits of a count that is written with a suffix; one that needs more is written out."""


@dataclass(frozen=True)
class Scale:
    """The scale of a training run.

    Losses of one scale can be compared with each other; those of two scales cannot.

    Example:
        >>> scale = bomix.Scale(params=10_000_000, tokens=200_000_000)
        >>> str(scale), scale.flops
        ('10M params x 200M tokens', 1.2e+16)

    Attributes:
        params: Non-embedding parameters of the model; None where they are unknown.
        tokens: Training tokens; None where they are unknown.
        recipe: What else sets runs of these numbers apart, a learning rate say; None for the usual recipe.

    Raises:
        FaultsError: A number that is no positive whole one, or nothing known: such a run has the scale None.
    """

    params: int | None = None
    tokens: int | None = None
    recipe: str | None = None

    def __post_init__(self) -> None:
        counts = {"params": self.params, "tokens": self.tokens}
        faults = [
            Fault(name, f"expected a positive whole number, found {count!r}")
            for name, count in counts.items()
            if count is not None and not _is_count(count)
        ]
        if self.params is None and self.tokens is None and self.recipe is None:
            faults.append(Fault("params", "a scale needs params or tokens; where neither is known, give None for it"))
        raise_faults(faults, "this is no scale:")
        for name, count in counts.items():  # 50e6 and the integers of NumPy are whole numbers, too
            object.__setattr__(self, name, None if count is None else int(count))

    @property
    def flops(self) -> float | None:
        """Training FLOPs by the usual estimate ``6 * params * tokens``; None where either is unknown.

        Two FLOPs per parameter and token in the forward pass and four in the backward pass. Embeddings, the output
        matrix and the attention scores are left out.
        """
        return None if self.params is None or self.tokens is None else 6.0 * self.params * self.tokens

    def to_data(self) -> dict[str, int | str | None]:
        """Plain data that ``Scale(**data)`` takes; the recipe stands in it where there is one."""
        sizes: dict[str, int | str | None] = {"params": self.params, "tokens": self.tokens}
        return sizes if self.recipe is None else {**sizes, "recipe": self.recipe}

    def __str__(self) -> str:
        sizes = f"{written(self.params)} params x {written(self.tokens)} tokens"
        return sizes if self.recipe is None else f"{sizes} ({self.recipe})"


def comparable(first: Scale | None, second: Scale | None) -> bool:
    """Whether losses of two scales can be compared: the scales are the same as far as both are known.

    What is unknown is taken for the same, so that runs without a scale count as runs of any. It follows that two scales
    may each be comparable with a third and not with each other. What is known is compared exactly: rounded to what an
    evaluator really trains it is before it is recorded, see :func:`bomix.study.scales.of`.
    """
    if first is None or second is None:
        return True
    if first.recipe != second.recipe:
        return False
    pairs = ((first.params, second.params), (first.tokens, second.tokens))
    return all(one is None or other is None or one == other for one, other in pairs)


def counted_as(scale: Scale | None, scales: Sequence[Scale], target: Scale | None) -> Scale | None:
    """The scale of a study of several that a run counts as.

    Args:
        scale: What is known of the run's; where nothing is, it counts as a run of the target.
        scales: The scales of the study.
        target: The one that is decided about.

    Returns:
        One of them; None where the run is of none of them, or what is known of it fits several.
    """
    if scale is None or scale in scales:
        return target if scale is None else scale
    fitting = [each for each in scales if comparable(scale, each)]
    return fitting[0] if len(fitting) == 1 else None


def _is_count(value: Any) -> bool:
    """Whether a value of any library is a positive whole number; booleans and text are none."""
    if isinstance(value, (bool, str, np.bool_, np.complexfloating)) or not isinstance(value, SupportsFloat):
        return False
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):  # an array of several numbers, say
        return False
    return 0.0 < number <= _MOST and number == int(number)


def written(count: int | None) -> str:
    """A count in short: ``50M``, or all digits where a suffix would lose some; no two counts look alike."""
    if count is None:
        return "unknown"
    for unit, suffix in _SUFFIXES:
        text = f"{count / unit:.{_MAX_DIGITS}g}"
        if count >= unit and "e" not in text and round(float(text) * unit) == count:
            return f"{text}{suffix}"
    return f"{count:,}"
