"""bomix finds the data mixture that a language model should be trained on.

Every public name is imported when it is first used, so that ``import bomix`` costs next to nothing.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bomix.errors import BomixError
    from bomix.history import History
    from bomix.objective import Mean, WeightedMean
    from bomix.problem import Fidelity, Metric, Problem
    from bomix.protocols import Evaluator, Objective, Strategy, Surrogate
    from bomix.space import MixtureSpace
    from bomix.spec import BudgetSpec, DomainSpec, ExecutionSpec, MetricSpec, TargetSpec
    from bomix.study import Study
    from bomix.trial import Candidate, Failure, Result, Trial

__version__ = "0.1.0"

__all__ = [
    "BomixError",
    "BudgetSpec",
    "Candidate",
    "DomainSpec",
    "Evaluator",
    "ExecutionSpec",
    "Failure",
    "Fidelity",
    "History",
    "Mean",
    "Metric",
    "MetricSpec",
    "MixtureSpace",
    "Objective",
    "Problem",
    "Result",
    "Strategy",
    "Study",
    "Surrogate",
    "TargetSpec",
    "Trial",
    "WeightedMean",
    "__version__",
]

_HOMES = {
    "TargetSpec": "bomix.spec",
    "MetricSpec": "bomix.spec",
    "ExecutionSpec": "bomix.spec",
    "DomainSpec": "bomix.spec",
    "BudgetSpec": "bomix.spec",
    "BomixError": "bomix.errors",
    "Candidate": "bomix.trial",
    "Evaluator": "bomix.protocols",
    "Failure": "bomix.trial",
    "Fidelity": "bomix.problem",
    "History": "bomix.history",
    "Mean": "bomix.objective",
    "Metric": "bomix.problem",
    "MixtureSpace": "bomix.space",
    "Objective": "bomix.protocols",
    "Problem": "bomix.problem",
    "Result": "bomix.trial",
    "Strategy": "bomix.protocols",
    "Study": "bomix.study",
    "Surrogate": "bomix.protocols",
    "Trial": "bomix.trial",
    "WeightedMean": "bomix.objective",
}


def __getattr__(name: str) -> object:
    """Import a public name at its first use; the next use finds it in the module."""
    if (home := _HOMES.get(name)) is None:
        # With `obj`, Python's own traceback adds the closest name.
        raise AttributeError(f"module 'bomix' has no attribute '{name}'", name=name, obj=sys.modules[__name__])
    value: object = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
