"""Batteries of tests for components, to run over a class of your own.

A battery is a class of tests that hold for every component of one extension point: whatever they ask, bomix relies on.
Three lines run one::

    from bomix.testing import SurrogateBattery

    class TestMine(SurrogateBattery):
        spec = MySurrogate()

and ``pytest`` does the rest. Each battery's docstring says what is tested, why, and which attributes it has. bomix
runs the same batteries over every component of its own, in ``tests/conformance``.

pytest is no dependency of bomix: ``pip install bomix[testing]`` brings it.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bomix.testing.acquisitions import AcquisitionBattery
    from bomix.testing.evaluators import EvaluatorBattery
    from bomix.testing.executors import ExecutorBattery
    from bomix.testing.exporters import ExporterBattery
    from bomix.testing.group_evaluators import GroupEvaluatorBattery
    from bomix.testing.group_executors import GroupExecutorBattery
    from bomix.testing.kernels import KernelBattery
    from bomix.testing.means import MeanBattery
    from bomix.testing.objectives import ObjectiveBattery
    from bomix.testing.reweighters import ReweighterBattery
    from bomix.testing.sources import SourceBattery
    from bomix.testing.strategies import StrategyBattery
    from bomix.testing.surrogates import SurrogateBattery
    from bomix.testing.tokenizers import TokenizerBattery

__all__ = [
    "AcquisitionBattery",
    "EvaluatorBattery",
    "ExecutorBattery",
    "ExporterBattery",
    "GroupEvaluatorBattery",
    "GroupExecutorBattery",
    "KernelBattery",
    "MeanBattery",
    "ObjectiveBattery",
    "ReweighterBattery",
    "SourceBattery",
    "StrategyBattery",
    "SurrogateBattery",
    "TokenizerBattery",
]

_HOMES = {
    "AcquisitionBattery": "bomix.testing.acquisitions",
    "EvaluatorBattery": "bomix.testing.evaluators",
    "ExecutorBattery": "bomix.testing.executors",
    "ExporterBattery": "bomix.testing.exporters",
    "GroupEvaluatorBattery": "bomix.testing.group_evaluators",
    "GroupExecutorBattery": "bomix.testing.group_executors",
    "KernelBattery": "bomix.testing.kernels",
    "MeanBattery": "bomix.testing.means",
    "ObjectiveBattery": "bomix.testing.objectives",
    "ReweighterBattery": "bomix.testing.reweighters",
    "SourceBattery": "bomix.testing.sources",
    "StrategyBattery": "bomix.testing.strategies",
    "SurrogateBattery": "bomix.testing.surrogates",
    "TokenizerBattery": "bomix.testing.tokenizers",
}

# Failed assertions show their values, as those of a test module do. A process that only runs trials has no pytest.
if "pytest" in sys.modules:
    import pytest

    pytest.register_assert_rewrite("bomix.testing.base", *_HOMES.values())


def __getattr__(name: str) -> object:
    """Import a battery at its first use, so that one for objectives does not wait for torch."""
    if (home := _HOMES.get(name)) is None:
        raise AttributeError(f"module 'bomix.testing' has no attribute '{name}'", name=name, obj=sys.modules[__name__])
    value: object = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
