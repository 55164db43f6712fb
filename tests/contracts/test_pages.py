"""The page of each contract runs: its example is a whole class, and is what the contract says."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import bomix
import bomix.contracts
from bomix.config.components import COMPONENTS, TRAITS
from bomix.contracts.evaluator import PreparingEvaluator

PAGES = [module.name for module in pkgutil.iter_modules(bomix.contracts.__path__)]
POINTS = sorted({contract.__module__.rpartition(".")[2] for contract in COMPONENTS})


@pytest.mark.parametrize("page", PAGES)
def test_the_examples_run(page: str):
    assert doctest.testmod(importlib.import_module(f"bomix.contracts.{page}"), extraglobs={"bomix": bomix}).failed == 0


@pytest.mark.parametrize("page", POINTS)
def test_the_page_of_an_extension_point_shows_a_class(page: str):
    module = importlib.import_module(f"bomix.contracts.{page}")
    assert ">>> @dataclass(frozen=True)\n... class " in (module.__doc__ or "")


def test_every_contract_has_traits_that_name_it_and_stand_on_its_page():
    for contract, group in COMPONENTS.items():
        # Of an evaluator the optional method `prepare` is known as well.
        assert TRAITS[group].contract is (PreparingEvaluator if group == "evaluator" else contract)
        assert TRAITS[group].__module__ == contract.__module__
