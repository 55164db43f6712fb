"""Which scales a study trains, and which of them a search may spend on: small runs keep to their share of the cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bomix.trial import Status

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.history import History
    from bomix.problem import Problem, StudyScale

FIRST = 1.0
"""Cost of all runs below the target, in runs of it, up to which none of the target is needed: what smaller scales
recommend may be off by far, however many runs of theirs there are."""
SHARE = 0.25
"""Their cost beyond, as a share of what was spent at the target: small runs cannot tell how far they are to be
believed, and where they mislead this is what they cost."""
FOR_EACH = 4
"""Runs of a scale beyond a design for each run of the next larger one: more of them say ever better what that scale
says, and no more of the target."""


def usable(problem: Problem) -> tuple[StudyScale, ...]:
    """Scales that are trained and no dearer than the target, the cheapest first."""
    most = max((each.cost for each in problem.scales if each.scale == problem.scale), default=np.inf)
    return tuple(each for each in problem.scales if each.trained and each.cost <= most)


def affordable(
    history: History, scales: Sequence[StudyScale], costs: Sequence[float], *, design: int, first: int = 0
) -> Tensor:
    """Which scales a run can be of, ``s`` booleans, so that those below the target keep to their share of the cost.

    None has many more runs than the next larger one. Imported runs cost nothing, and do not count. Where the target is
    not trained, all can.

    Args:
        history: The record.
        scales: The scales to choose from, the target last.
        costs: Cost of a run of each.
        design: Runs of a scale that need none of a larger one.
        first: The same of the cheapest, where it is more.
    """
    import torch

    if scales[-1].scale != history.scale:
        return torch.ones(len(scales), dtype=torch.bool)
    asked = [history.counted_as(record) for record in history.asked if record.status is not Status.FAILED]
    counts = [sum(scale == each.scale for scale in asked) for each in scales]
    most = (FIRST + SHARE * counts[-1]) * costs[-1]
    below = sum(count * cost for count, cost in zip(counts[:-1], costs[:-1], strict=True))
    found = [
        below + costs[number] <= most
        and counts[number] < max(design, first if number == 0 else 0) + FOR_EACH * counts[number + 1]
        for number in range(len(scales) - 1)
    ]
    return torch.tensor([*found, True])
