"""The model that a study predicts and recommends with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bomix.config import registry

if TYPE_CHECKING:
    from bomix.config.spec import StudySpec
    from bomix.contracts.surrogate import Surrogate
    from bomix.problem import Problem


def study_surrogate(spec: StudySpec, problem: Problem) -> Surrogate:
    """The strategy's surrogate, or a Gaussian process where the strategy has none.

    Args:
        spec: It names the strategy.
        problem: What strategies that choose their surrogate look at.
    """
    from bomix.strategies.checks import surrogate_of

    return surrogate_of(spec.strategy, problem) or registry.resolve("surrogate", "gp")()
