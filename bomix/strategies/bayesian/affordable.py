"""Which scales a study trains, and which of them a search may spend on: small runs keep to their share of the cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bomix.problem import cost_at
from bomix.trial import EXPERT, Status

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.history import History
    from bomix.problem import Problem, StudyScale

FIRST = 1.0
"""Cost of all runs below the target, in runs of it: what smaller scales recommend may be off by far, however many runs
of theirs there are, and where they mislead this is what they cost. More of them do not help, see decision 52."""
FOR_EACH = 4
"""Runs of a scale beyond a design for each run of the next larger one: more of them say ever better what that scale
says, and no more of the target."""

KEPT = 2
"""Runs of the target that smaller ones leave room for in a stated cost, where that is no more than half of it; else
one: what small runs say is of no use before a run of the target has said how far it holds."""
_ROUNDING = 1e-9
"""Share of a stated cost by which sums of costs may miss it."""


def usable(problem: Problem) -> tuple[StudyScale, ...]:
    """Scales that are trained and no dearer than the target, the cheapest first."""
    most = max((each.cost for each in problem.scales if each.scale == problem.scale), default=np.inf)
    return tuple(each for each in problem.scales if each.trained and each.cost <= most)


def affordable(
    history: History, scales: Sequence[StudyScale], costs: Sequence[float], *, design: int, first: int = 0
) -> Tensor:
    """Which scales a run can be of, ``s`` booleans, so that those below the target keep to their share of the cost.

    None has many more runs than the next larger one. Imported runs cost nothing, and do not count. Where the target is
    none of them, cost is no bound below the dearest.

    Args:
        history: The record.
        scales: The scales to choose from, the cheapest first; the last one always can.
        costs: Cost of a run of each.
        design: Runs of a scale that need none of a larger one.
        first: The same of the cheapest, where it is more.
    """
    import torch

    asked = [history.counted_as(record) for record in history.asked if record.status is not Status.FAILED]
    counts = [sum(scale == each.scale for scale in asked) for each in scales]
    most = FIRST * costs[-1] if scales[-1].scale == history.scale else np.inf
    below = sum(count * cost for count, cost in zip(counts[:-1], costs[:-1], strict=True))
    found = [
        below + costs[number] <= most
        and counts[number] < max(design, first if number == 0 else 0) + FOR_EACH * counts[number + 1]
        for number in range(len(scales) - 1)
    ]
    return torch.tensor([*found, True])


def within(problem: Problem, history: History, costs: Sequence[float], *, design: int, first: int = 0) -> list[bool]:
    """Which of the :func:`usable` scales a run can be of by all bounds; none where the search is over.

    Scales of which the stated cost holds no run at all bound no other: the dearest that it holds takes their place.

    Args:
        problem: The scales and the stated cost.
        history: The record.
        costs: Cost of a run of each of them, as it counts towards the share of smaller scales.
        design: Runs of a scale that need none of a larger one.
        first: The same of the cheapest, where it is more.
    """
    scales, rest = usable(problem), left(problem, history)
    limit = np.inf if problem.cost is None else problem.cost * (1.0 + _ROUNDING)
    held = sum(each.cost <= limit for each in scales)
    if not held or rest < scales[0].cost:
        return [False] * len(scales)
    can = affordable(history, scales[:held], costs[:held], design=design, first=first).tolist()
    can += [False] * (len(scales) - held)
    return [one and other for one, other in zip(fitting(problem, history), can, strict=True)]


def left(problem: Problem, history: History) -> float:
    """What is left of the stated cost once all that is pending came back; infinite where none is stated."""
    if problem.cost is None:
        return np.inf
    experts = [each for each in history.records if each.trial.origin == EXPERT] if problem.experts_cost else []
    standing = [record for record in (*history.asked, *experts) if record.status is not Status.FAILED]
    spent = sum(cost_at(record.trial.scale or problem.default_scale, problem.scales) for record in standing)
    return problem.cost * (1.0 + _ROUNDING) - spent


def kept(problem: Problem) -> float:
    """Cost of the runs of the target that smaller scales leave room for in the stated one."""
    target = usable(problem)[-1]
    if problem.cost is None or target.scale != problem.scale or target.cost > problem.cost:
        return 0.0
    return target.cost * (KEPT if 2 * KEPT * target.cost <= problem.cost else 1)


def fitting(problem: Problem, history: History) -> list[bool]:
    """Which of the :func:`usable` scales a run can be of, so that it fits into what is left of the stated cost.

    Those below the target leave room for a run or two of it, see :data:`KEPT`, as long as there is some. Where none
    fits, all do: the search is over then, and who asks for more by hand has them.
    """
    scales, rest = usable(problem), left(problem, history)
    asked = [record for record in history.asked if record.status is not Status.FAILED]
    of_target = sum(history.counted_as(record) == problem.scale for record in asked)
    owed = max(0.0, kept(problem) - of_target * scales[-1].cost) if scales[-1].cost <= rest else 0.0
    fit = [each.cost <= rest - (owed if each is not scales[-1] else 0.0) for each in scales]
    return fit if any(fit) else [True] * len(scales)
