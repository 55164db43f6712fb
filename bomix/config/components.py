"""The parts of a study: which contract each belongs to, what it may have beyond that, and what is wrong with it."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Union

from bomix.contracts.acquisition import Acquisition, AcquisitionTraits
from bomix.contracts.callback import Callback, CallbackTraits
from bomix.contracts.evaluator import Evaluator, EvaluatorTraits
from bomix.contracts.executor import Execution, ExecutionTraits
from bomix.contracts.exporter import Exporter, ExporterTraits
from bomix.contracts.kernel import Kernel, KernelTraits
from bomix.contracts.mean import Mean, MeanTraits
from bomix.contracts.objective import Objective, ObjectiveTraits
from bomix.contracts.reweighter import Reweighter, ReweighterTraits
from bomix.contracts.strategy import Strategy, StrategyTraits
from bomix.contracts.surrogate import Surrogate, SurrogateTraits
from bomix.contracts.text import Source, SourceTraits, TokenizerSpec, TokenizerTraits
from bomix.contracts.traits import ComponentTraits, field_values, trait_faults, traits
from bomix.errors import Fault

COMPONENTS: Mapping[Any, str] = {
    Source: "source",
    TokenizerSpec: "tokenizer",
    Evaluator: "evaluator",
    Objective: "objective",
    Strategy: "strategy",
    Surrogate: "surrogate",
    Acquisition: "acquisition",
    Kernel: "kernel",
    Mean: "mean",
    Reweighter: "reweighter",
    Execution: "executor",
    Exporter: "exporter",
    Callback: "callback",
}
"""Protocol to registry group."""

TRAITS: Mapping[str, type[ComponentTraits]] = {
    "source": SourceTraits,
    "tokenizer": TokenizerTraits,
    "evaluator": EvaluatorTraits,
    "objective": ObjectiveTraits,
    "strategy": StrategyTraits,
    "surrogate": SurrogateTraits,
    "acquisition": AcquisitionTraits,
    "kernel": KernelTraits,
    "mean": MeanTraits,
    "reweighter": ReweighterTraits,
    "executor": ExecutionTraits,
    "exporter": ExporterTraits,
    "callback": CallbackTraits,
}
"""Registry group to what its components may have beyond their contract."""

METHODS = {
    "source": "documents",
    "evaluator": "evaluate",
    "objective": "__call__",
    "strategy": "ask",
    "surrogate": "fit",
    "kernel": "bind",
    "mean": "feature",
    "acquisition": "build",
    "reweighter": "update",
    "executor": "start",
    "exporter": "export",
    "callback": "ended",
}
"""Registry group to the method that a class must have to be of it."""


def child(where: str, key: object) -> str:
    """The path of a key below a path."""
    return f"{where}.{key}" if where else str(key)


def component_group(hint: Any) -> str | None:
    """The registry group of a type hint, where it is a component (``| None`` allowed)."""
    for option in options(hint):
        if (group := COMPONENTS.get(option)) is not None:
            return group
    return None


def options(hint: Any) -> tuple[Any, ...]:
    """The types that a hint allows: several where it is a union, else itself."""
    is_union = typing.get_origin(hint) in (Union, types.UnionType)
    return typing.get_args(hint) if is_union else (hint,)


def parts(value: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """A value and all that stands in its fields, at any depth, each with its path in a study file."""
    yield where, value
    if isinstance(value, Mapping):
        inner = [(child(where, str(name)), item) for name, item in value.items()]
    elif isinstance(value, (tuple, list)):
        inner = [(f"{where}[{position}]", item) for position, item in enumerate(value)]
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        inner = [(child(where, name), item) for name, item in field_values(value).items()]
    else:
        return
    for at, item in inner:
        yield from parts(item, at)


def nested_faults(spec: Any) -> list[Fault]:
    """The faults of all specs in the fields of a spec that no study file made; not its own."""
    found = []
    for at, value in parts(spec):
        if isinstance(value, type):
            found.append(Fault(at, f"{value.__name__} is a class; give one of its objects, {value.__name__}()"))
        elif at and dataclasses.is_dataclass(value):
            own = traits(value, ComponentTraits).faults()
            found += [Fault(child(at, fault.where) if fault.where else at, fault.what) for fault in own]
    return found


def misspelt_traits(spec: Any) -> list[Fault]:
    """Optional members of any component in a spec that are misspelt, or of another type than their contract says."""
    return [
        Fault(at, fault.what)
        for at, value in parts(spec)
        if not isinstance(value, type) and type(value).__module__ != "builtins"  # numbers, texts and lists are no part
        for contract, group in COMPONENTS.items()
        if isinstance(value, contract)
        for fault in trait_faults(value, TRAITS[group])
    ]
