"""The sizes of scales as numbers: logarithms of parameters and tokens, for laws and kernels that are functions of both.

An axis that some scale does not tell is left out for all. Sizes say nothing of a recipe, so runs of two cannot be told
apart by them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch

from bomix.errors import FitError
from bomix.surrogates.scales.levels import distinct, named
from bomix.surrogates.scales.size_checks import known_axes, size_refusal

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.scale import Scale

DECADE = math.log(10.0)
"""A decade in natural logarithms, in which sizes count."""


class Sizes(NamedTuple):
    """How scales become numbers.

    Attributes:
        axes: Whether parameters, and tokens, are known of every scale.
        origin: ``2`` logarithms that others are measured from; 0 for an axis that is left out.
    """

    axes: tuple[bool, bool]
    origin: tuple[float, float]

    def at(self, scale: Scale) -> Tensor:
        """``2`` logarithms of a scale's parameters and tokens beyond the origin; 0 where an axis is left out."""
        counts = (scale.params, scale.tokens)
        logs = [
            math.log(count) - start if told and count is not None else 0.0
            for told, count, start in zip(self.axes, counts, self.origin, strict=True)
        ]
        return torch.tensor(logs, dtype=torch.float64)

    def of_rows(self, scales: Sequence[Scale]) -> Tensor:
        """The same of several, ``n x 2``."""
        each = {scale: self.at(scale) for scale in set(scales)}
        return torch.stack([each[scale] for scale in scales]) if scales else torch.zeros(0, 2, dtype=torch.float64)


def sizes_of(scales: Sequence[Scale], *, largest: bool, name: str) -> Sizes:
    """How the scales of a study become numbers.

    Args:
        scales: All of them.
        largest: Whether the origin is the most of each axis, or the least.
        name: Kind of the surrogate that asks, for the errors.

    Raises:
        FitError: Neither axis is known of every scale, or scales differ in nothing but their recipe.
    """
    if (refusal := size_refusal(scales, name)) is not None:
        raise FitError(refusal)
    axes = known_axes(scales)
    pick = max if largest else min
    by_axis = [[scale.params for scale in scales], [scale.tokens for scale in scales]]
    counts = [[count for count in each if count is not None] for each in by_axis]
    origin = [math.log(pick(each)) if told else 0.0 for told, each in zip(axes, counts, strict=True)]
    return Sizes((axes[0], axes[1]), (origin[0], origin[1]))


def scales_of_rows(scales: Sequence[Scale | None], target: Scale) -> list[Scale]:
    """The scale of each run; None, and what is the same as far as it is known, is the target's."""
    known = distinct([target, *(scale for scale in scales if scale is not None)])
    return [named(scale, known) for scale in scales]
