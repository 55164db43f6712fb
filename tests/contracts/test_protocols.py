"""One contract for each group of the registry, and every registered class has its methods."""

from __future__ import annotations

import pytest

from bomix.config import registry
from bomix.config.components import COMPONENTS, METHODS
from bomix.contracts.acquisition import Acquisition
from bomix.contracts.evaluator import Evaluator, PreparingEvaluator
from bomix.contracts.executor import Execution
from bomix.contracts.exporter import Exporter
from bomix.contracts.kernel import Kernel
from bomix.contracts.mean import Mean
from bomix.contracts.objective import Objective
from bomix.contracts.reweighter import Reweighter
from bomix.contracts.strategy import Strategy
from bomix.contracts.surrogate import Surrogate
from bomix.contracts.text import Source, TokenizerSpec

CONTRACTS = {
    "acquisition": (Acquisition, "build"),
    "evaluator": (Evaluator, "evaluate"),
    "executor": (Execution, "start"),
    "exporter": (Exporter, "export"),
    "kernel": (Kernel, "bind"),
    "mean": (Mean, "feature"),
    "objective": (Objective, "__call__"),
    "reweighter": (Reweighter, "update"),
    "source": (Source, "documents"),
    "strategy": (Strategy, "ask"),
    "surrogate": (Surrogate, "fit"),
    "tokenizer": (TokenizerSpec, "build"),
}


@pytest.mark.parametrize("group", CONTRACTS)
def test_every_group_has_its_contract_and_its_method(group):
    contract, method = CONTRACTS[group]
    assert COMPONENTS[contract] == group
    assert METHODS.get(group, method) == method
    assert callable(getattr(contract, method))
    for kind in registry.kinds(group):
        assert callable(getattr(registry.resolve(group, kind), method)), kind


def test_an_evaluator_that_prepares_is_an_evaluator():
    class Plain:
        def evaluate(self, trial, workdir):
            raise AssertionError

    class Preparing(Plain):
        def prepare(self, domains):
            raise AssertionError

    assert isinstance(Plain(), Evaluator)
    assert not isinstance(Plain(), PreparingEvaluator)
    assert isinstance(Preparing(), PreparingEvaluator)
