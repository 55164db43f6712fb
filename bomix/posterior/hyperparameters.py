"""What a surrogate's model of the record learnt, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bomix.posterior.belief import believe

if TYPE_CHECKING:
    from bomix.contracts.surrogate import Surrogate
    from bomix.history import History
    from bomix.problem import Problem
    from bomix.surrogates.models.hyperparameter import Hyperparameter


def hyperparameters(problem: Problem, history: History, surrogate: Surrogate, *, seed: int) -> list[Hyperparameter]:
    """The hyperparameters of the model that predictions are made with; none where it has none to tell.

    Args:
        problem: Names and objective.
        history: What to learn from.
        surrogate: How.
        seed: The study's.

    Raises:
        StudyError: No trial has come back yet.
    """
    from bomix.surrogates.models.joint import JointModel

    model = believe(problem, history, surrogate, seed=seed).model
    return model.named_hyperparameters(problem.metric_names) if isinstance(model, JointModel) else []
