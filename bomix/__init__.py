"""bomix finds the data mixture that a language model should be trained on.

Every public name is imported when it is first used, so that ``import bomix`` costs next to nothing.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bomix.config.budget import BudgetSpec
    from bomix.config.constraint_spec import ConstraintSpec
    from bomix.config.scale_spec import StudyScaleSpec
    from bomix.config.sections import DomainSpec, MetricSpec, TargetSpec
    from bomix.config.tree_spec import NodeSpec
    from bomix.contracts.evaluator import Evaluator
    from bomix.contracts.objective import Objective
    from bomix.contracts.strategy import Strategy
    from bomix.contracts.surrogate import Surrogate
    from bomix.errors import BomixError
    from bomix.evaluators.proxy import Proxy
    from bomix.execution.local.spec import LocalExecution
    from bomix.history import History
    from bomix.objectives.weighted import Mean, WeightedMean
    from bomix.problem import Metric, Problem
    from bomix.scale import Scale
    from bomix.space.linear import Constraint
    from bomix.space.mixture_space import MixtureSpace
    from bomix.study.study import Study
    from bomix.trial import Candidate, Failure, Result, Trial

__version__ = "0.1.0"

__all__ = [
    "BomixError",
    "BudgetSpec",
    "Candidate",
    "Constraint",
    "ConstraintSpec",
    "DomainSpec",
    "Evaluator",
    "Failure",
    "History",
    "LocalExecution",
    "Mean",
    "Metric",
    "MetricSpec",
    "MixtureSpace",
    "NodeSpec",
    "Objective",
    "Problem",
    "Proxy",
    "Result",
    "Scale",
    "Strategy",
    "Study",
    "StudyScaleSpec",
    "Surrogate",
    "TargetSpec",
    "Trial",
    "WeightedMean",
    "__version__",
]

_HOMES = {
    "StudyScaleSpec": "bomix.config.scale_spec",
    "TargetSpec": "bomix.config.sections",
    "MetricSpec": "bomix.config.sections",
    "DomainSpec": "bomix.config.sections",
    "BudgetSpec": "bomix.config.budget",
    "BomixError": "bomix.errors",
    "Candidate": "bomix.trial",
    "Constraint": "bomix.space.linear",
    "ConstraintSpec": "bomix.config.constraint_spec",
    "Evaluator": "bomix.contracts.evaluator",
    "Failure": "bomix.trial",
    "History": "bomix.history",
    "LocalExecution": "bomix.execution.local.spec",
    "Mean": "bomix.objectives.weighted",
    "Metric": "bomix.problem",
    "MixtureSpace": "bomix.space.mixture_space",
    "NodeSpec": "bomix.config.tree_spec",
    "Objective": "bomix.contracts.objective",
    "Problem": "bomix.problem",
    "Proxy": "bomix.evaluators.proxy",
    "Result": "bomix.trial",
    "Scale": "bomix.scale",
    "Strategy": "bomix.contracts.strategy",
    "Study": "bomix.study.study",
    "Surrogate": "bomix.contracts.surrogate",
    "Trial": "bomix.trial",
    "WeightedMean": "bomix.objectives.weighted",
}


def __getattr__(name: str) -> object:
    """Import a public name at its first use; the next use finds it in the module."""
    if (home := _HOMES.get(name)) is None:
        # With `obj`, Python's own traceback adds the closest name.
        raise AttributeError(f"module 'bomix' has no attribute '{name}'", name=name, obj=sys.modules[__name__])
    # A module names what it holds at run time only: that is what a lazy import is.
    value: object = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names alone: modules come and go with what was imported."""
    return sorted(__all__)
