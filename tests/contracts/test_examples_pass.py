"""What a page shows can be copied: the class of each contract's example passes the battery of its group.

The classes are taken out of the pages' text, into modules of their own: a study file names a class by its module.
"""

from __future__ import annotations

import ast
import doctest
import importlib
import re
import sys
import types
from pathlib import Path
from typing import Any

import bomix
from bomix.config.components import COMPONENTS
from bomix.testing import (
    AcquisitionBattery,
    EvaluatorBattery,
    ExecutorBattery,
    ExporterBattery,
    KernelBattery,
    MeanBattery,
    ObjectiveBattery,
    ReweighterBattery,
    SourceBattery,
    StrategyBattery,
    SurrogateBattery,
    TokenizerBattery,
)

ROOT = Path(__file__).resolve().parents[2]


def module_of(name: str, code: str, namespace: dict[str, Any]) -> types.ModuleType:
    """A module with the imports, functions and classes of some code, and with nothing else that the code does."""
    module = types.ModuleType(f"{__name__}.{name}")
    vars(module).update({key: value for key, value in namespace.items() if not key.startswith("__")})
    tree = ast.parse(code)
    tree.body = [
        each for each in tree.body if isinstance(each, (ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef))
    ]
    sys.modules[module.__name__] = module
    exec(compile(tree, name, "exec", dont_inherit=True), vars(module))
    return module


def page(name: str, contract: str = "") -> types.ModuleType:
    """The example of a contract's page, or of the docstring of a contract on it."""
    found = importlib.import_module(f"bomix.contracts.{name}")
    text = (vars(found)[contract] if contract else found).__doc__
    examples = doctest.DocTestParser().get_examples(text)
    code = "".join(example.source for example in examples)
    return module_of(f"{name}{contract}", code, {**vars(found), "bomix": bomix})


def guide() -> types.ModuleType:
    """The example of the guide's page on plug-ins."""
    text = (ROOT / "docs" / "guide" / "plug-ins.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    return module_of("guide", code, {})


class TestAcquisition(AcquisitionBattery):
    spec = page("acquisition").Improving()


class TestEvaluator(EvaluatorBattery):
    spec = page("evaluator").Bowl()
    metrics = ("loss",)
    checks_weights = False  # a bowl over whatever domains there are


class TestShortEvaluator(EvaluatorBattery):
    spec = page("evaluator", "Evaluator").Formula()
    metrics = ("loss",)
    checks_weights = False


class TestExecutor(ExecutorBattery):
    spec = page("executor").Here()
    isolated = False


class TestExporter(ExporterBattery):
    spec = page("exporter").PerMillion()


class TestKernel(KernelBattery):
    spec = page("kernel").Dot()


class TestMean(MeanBattery):
    spec = page("mean").Entropy()


class TestObjective(ObjectiveBattery):
    spec = page("objective").First("code")


class TestShortObjective(ObjectiveBattery):
    spec = page("objective", "Objective").RootMeanSquare()


class TestStrategy(StrategyBattery):
    spec = page("strategy").Few()


class TestShortStrategy(StrategyBattery):
    spec = page("strategy", "Strategy").Random()


class TestStrategyOfTheGuide(StrategyBattery):
    spec = guide().Nearby()


class TestSurrogate(SurrogateBattery):
    spec = page("surrogate").Smooth()


class TestReweighter(ReweighterBattery):
    spec = page("reweighter").Hardest()


TEXT = page("text")


class TestSource(SourceBattery):
    spec = TEXT.Repeated()


class TestTokenizer(TokenizerBattery):
    spec = TEXT.Bytes()


def test_the_example_of_every_extension_point_is_here() -> None:
    tried = {value.group for name, value in globals().items() if name.startswith("Test")}
    owes_nothing = {"callback"}  # whatever it does or raises, the run goes on: tests/execution/test_callbacks.py
    assert tried == {*COMPONENTS.values()} - owes_nothing
