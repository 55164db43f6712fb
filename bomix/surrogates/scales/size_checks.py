"""Whether parameters and tokens tell the scales of a study apart, as laws and kernels that are functions of both need.

No torch is imported here, so that a study file is checked for it before anything runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bomix.errors import Fault

if TYPE_CHECKING:
    from bomix.scale import Scale


def known_axes(scales: Sequence[Scale]) -> tuple[bool, bool]:
    """Whether parameters, and tokens, are known of every scale."""
    by_params = all(scale.params is not None for scale in scales)
    return by_params, all(scale.tokens is not None for scale in scales)


def size_refusal(scales: Sequence[Scale], name: str) -> str | None:
    """What sizes do not say of some scales, with a cure; None where they tell them apart.

    Args:
        scales: The scales, at least one.
        name: Kind of the surrogate that asks.
    """
    if not any(known_axes(scales)):
        lacking = next(scale for scale in scales if scale.params is None or scale.tokens is None)
        return (
            f"{name} is a function of parameters and tokens, and neither is known of every scale ({lacking}); state "
            "params or tokens of all scales, or take the surrogate 'multi_scale'"
        )
    recipes = sorted({str(scale.recipe or "the usual one") for scale in scales})
    if len(recipes) > 1:
        return (
            f"{name} tells scales apart by parameters and tokens alone, and there are several recipes "
            f"({', '.join(recipes)}); take the surrogate 'multi_scale', which learns how recipes differ"
        )
    return None


def size_faults(scales: Sequence[Scale], name: str) -> list[Fault]:
    """The same as a fault of the surrogate in a study of these scales; none where it has no scales."""
    refusal = size_refusal(scales, name) if scales else None
    return [] if refusal is None else [Fault("kind", refusal)]
