"""The model that a study predicts and recommends with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bomix.config.spec import StudySpec
    from bomix.contracts.surrogate import Surrogate
    from bomix.problem import Problem


def study_surrogate(spec: StudySpec, problem: Problem) -> Surrogate:
    """The strategy's surrogate, or that of the strategy ``auto`` where it has none.

    Args:
        spec: It names the strategy.
        problem: What strategies that choose their surrogate look at.
    """
    from bomix.strategies.auto import Auto
    from bomix.strategies.checks import surrogate_of

    return surrogate_of(spec.strategy, problem) or Auto().predicting(problem)
