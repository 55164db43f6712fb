"""What the parts of a strategy need of each other, and of the study."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bomix.acquisition.improvement import objective_faults
from bomix.config.build import parts
from bomix.errors import Fault
from bomix.laws.own_domain import own_faults

if TYPE_CHECKING:
    from bomix.contracts.acquisition import Acquisition
    from bomix.contracts.strategy import Strategy
    from bomix.contracts.surrogate import Surrogate
    from bomix.problem import Problem


def need_faults(acquisition: Acquisition, surrogate: Surrogate) -> list[Fault]:
    """What an acquisition function needs and a surrogate does not declare."""
    return [
        Fault(
            "acquisition",
            f"{type(acquisition).__name__} {need.replace('_', ' ')}, and surrogate {type(surrogate).__name__} is not "
            f"declared '{gift}'; change one of them",
        )
        for need, gift in (("needs_gradients", "differentiable"), ("needs_fantasies", "fantasizes"))
        if getattr(acquisition, need, False) and not getattr(surrogate, gift, False)
    ]


def surrogate_of(strategy: Strategy, problem: Problem) -> Surrogate | None:
    """What a study with this strategy predicts and recommends with; None where the strategy has no surrogate.

    A strategy that chooses it by the study has a method ``predicting(problem)``.
    """
    predicting = getattr(strategy, "predicting", None)
    found: Surrogate | None = getattr(strategy, "surrogate", None) if predicting is None else predicting(problem)
    return found


def part_faults(
    acquisition: Acquisition, surrogate: Surrogate | None, design: Strategy, problem: Problem
) -> list[Fault]:
    """What a strategy's acquisition, surrogate and design lack in a study."""
    found = objective_faults(acquisition, problem.objective)
    return found + surrogate_faults(surrogate, problem) + strategy_faults(design, problem, "design")


def strategy_faults(strategy: Strategy, problem: Problem, where: str) -> list[Fault]:
    """What a strategy that stands somewhere lacks in a study."""
    own = getattr(strategy, "problem_faults", None)
    found: list[Fault] = [] if own is None else own(problem)
    return [Fault(f"{where}.{fault.where}" if fault.where else where, fault.what) for fault in found]


def surrogate_faults(surrogate: Surrogate | None, problem: Problem) -> list[Fault]:
    """Names in a surrogate, or in any part of it, that the study does not have."""
    found = []
    for where, part in parts(surrogate, "surrogate"):
        faults = own_faults(getattr(part, "own", None), problem.space.domains, problem.metric_names)
        if (of_metrics := getattr(part, "metric_faults", None)) is not None:
            faults += of_metrics(problem.metric_names)
        found += [Fault(f"{where}.{fault.where}", fault.what) for fault in faults]
    return found


def lends_surrogate(strategy: Strategy) -> bool:
    """Whether a strategy, or a step of it, has a surrogate for some study, see :func:`surrogate_of`."""
    steps = getattr(strategy, "steps", None)
    if steps is not None:
        return any(lends_surrogate(step.strategy) for step in steps)
    return any(getattr(strategy, name, None) is not None for name in ("predicting", "surrogate"))
