"""The hyperparameters of a model fitted to the record, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bomix.posterior.belief import believe

if TYPE_CHECKING:
    from bomix.contracts.surrogate import Surrogate
    from bomix.history import History
    from bomix.problem import Problem
    from bomix.surrogates.models.hyperparameter import Hyperparameter


def hyperparameters(problem: Problem, history: History, surrogate: Surrogate, *, seed: int) -> list[Hyperparameter]:
    """The hyperparameters of the model that predictions are made with; empty where the model has none.

    Args:
        problem: The space, the metrics and the objective.
        history: The record to fit to.
        surrogate: The surrogate that is fitted.
        seed: The study's seed.

    Raises:
        StudyError: No trial has come back yet.
    """
    from bomix.surrogates.models.joint import JointModel

    model = believe(problem, history, surrogate, seed=seed).model
    return model.named_hyperparameters(problem.metric_names) if isinstance(model, JointModel) else []
