"""What a program hands over, held against the type hints of the specs before anything compares or counts with it.

A study file is checked as it is built; objects that a program makes are not, as Python does not. Here their fields are:
numbers of NumPy, pandas and torch become plain ones, what has keys becomes a mapping, kinds and mappings as in a study
file become the objects that they stand for, and what is of another type is a fault with its path. Fields of a user's
own classes are theirs to check; specs of bomix inside them are looked at.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Collection, Mapping, Sequence
from operator import index
from typing import Any, Literal, SupportsIndex, TypeVar

import numpy as np

from bomix.config import registry
from bomix.config.build import build, component, spec_fields
from bomix.config.components import COMPONENTS, METHODS, child, component_group, options
from bomix.contracts.traits import field_values
from bomix.errors import Fault, did_you_mean, raise_faults
from bomix.io.store.plain import as_json, as_mapping, number, short

T = TypeVar("T")

_WORDS: Mapping[Any, str] = {
    bool: "True or False",
    int: "a whole number",
    float: "a finite number",
    str: "text",
}
_MOST = 2**63
"""Numbers from here on do not fit into 64 bits; none of them counts anything."""


def settled(spec: T) -> tuple[T, list[Fault]]:
    """A spec with plain values, and what in it, at any depth, is of another type than its field.

    Args:
        spec: A dataclass object of bomix; it is returned as it is where nothing in it needs another form.
    """
    faults: list[Fault] = []
    return _dataclass(spec, "", faults), faults


def argument(name: str, hint: Any, value: Any) -> Any:
    """An argument of a call in its plain form.

    Args:
        name: Its name, for the fault.
        hint: Its type, as the field of a spec would have it.
        value: What was given.

    Raises:
        FaultsError: It is of another type.
    """
    faults: list[Fault] = []
    plain = _value(hint, value, name, faults)
    raise_faults(faults)
    return plain


@functools.cache
def _hints(spec: type[Any]) -> Mapping[str, Any]:
    """Field to type of a class of bomix; empty for another, whose fields are its own."""
    if not spec.__module__.startswith("bomix."):
        return {}
    try:
        return typing.get_type_hints(spec)
    except NameError:  # a type that is only imported for the type checker: no spec of a study file
        return {}


def _dataclass(spec: Any, where: str, faults: list[Fault]) -> Any:
    kind: Any = type(spec)
    hints, changed = _hints(kind), {}
    values = field_values(spec)
    before = len(faults)
    for field in spec_fields(kind):
        value = values[field.name]
        if value is not field.default:
            plain = _value(hints.get(field.name, Any), value, child(where, field.name), faults)
            if plain is not value:
                changed[field.name] = plain
    return dataclasses.replace(spec, **changed) if changed and len(faults) == before else spec


def _value(hint: Any, value: Any, where: str, faults: list[Fault]) -> Any:
    """A value in its plain form; as it is where there are faults."""
    allowed = options(hint)
    if value is None and type(None) in allowed:
        return None
    if isinstance(value, type) and hint is not Any:
        faults.append(Fault(where, f"{value.__name__} is a class; give one of its objects, {value.__name__}()"))
        return value
    if (group := component_group(hint)) is not None:
        return _component(group, allowed, value, where, faults)
    attempts: list[list[Fault]] = []
    allowed = tuple(option for option in allowed if option is not type(None))
    for option in allowed:
        attempts.append([])
        plain = _single(option, value, where, attempts[-1])
        if not attempts[-1]:
            return plain
    deeper = [found for found in attempts if any(fault.where != where for fault in found)]
    if deeper or len(allowed) == 1:
        faults += (deeper or attempts)[0]
    else:
        wanted = " or ".join(_named(option) for option in allowed)
        faults.append(Fault(where, f"expected {wanted}, found {short(value)}"))
    return value


def _component(group: str, allowed: Sequence[Any], value: Any, where: str, faults: list[Fault]) -> Any:
    """An object of a contract, also made of its kind or of a mapping, as in a study file.

    One that is no dataclass is left to the spec's own faults, which name the cure.
    """
    if isinstance(value, (str, Mapping)):
        found: list[Fault] = []
        made = component(group, as_json(value), where, found)
        faults += found
        return value if found else _dataclass(made, where, faults)
    contract = next(option for option in allowed if COMPONENTS.get(option) == group)
    has_method = (method := METHODS.get(group)) is not None and method in dir(value)
    if not isinstance(value, contract) and not has_method:
        article = "an" if group[0] in "aeiou" else "a"
        known = ", ".join(sorted(registry.kinds(group))[:3])
        cure = f"give one of the {_plural(group)} as an object, or by its kind ({known}, ...)"
        faults.append(Fault(where, f"expected {article} {group}, found {short(value)}; {cure}"))
        return value
    return _dataclass(value, where, faults) if dataclasses.is_dataclass(value) else value


def _plural(group: str) -> str:
    """Several of a group of components: strategies, surrogates."""
    return f"{group[:-1]}ies" if group.endswith("y") else f"{group}s"


def _single(hint: Any, value: Any, where: str, faults: list[Fault]) -> Any:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return _section(typing.cast(type[Any], hint), value, where, faults)
    if origin in (Mapping, dict, types.MappingProxyType):
        return _mapping(inner[1], value, where, faults)
    if origin in (tuple, list):
        return _tuple(inner[0], value, where, faults)
    if origin is Literal:
        if not isinstance(value, (str, int)) or isinstance(value, bool) or value not in inner:
            close = did_you_mean(value, map(str, inner)) if isinstance(value, str) else ""
            faults.append(Fault(where, f"expected {_named(hint)}, found {short(value)}{close}"))
        return value
    if hint not in _WORDS:
        return _dataclass(value, where, faults) if _is_spec(value) else value
    plain = _scalar(hint, value)
    if plain is None:
        faults.append(Fault(where, f"expected {_WORDS[hint]}, found {short(value)}"))
    return plain


def _is_spec(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _section(hint: type[Any], value: Any, where: str, faults: list[Fault]) -> Any:
    if isinstance(value, hint):
        return _dataclass(value, where, faults)
    if isinstance(value, Mapping):
        made, found = build(hint, as_json(value), where=where)
        faults += found
        return value if found else _dataclass(made, where, faults)
    home = "bomix" if hint.__name__ in _PUBLIC else hint.__module__
    article = "an" if hint.__name__[0] in "AEIOU" else "a"
    what = f"expected {article} {hint.__name__}, found {short(value)}; write {home}.{hint.__name__}(...), or a mapping"
    faults.append(Fault(where, what))
    return value


_PUBLIC = frozenset({"BudgetSpec", "DomainSpec", "MetricSpec", "Scale", "StudyScaleSpec", "TargetSpec"})
"""Sections that stand in ``bomix`` itself."""


def _mapping(inner: Any, value: Any, where: str, faults: list[Fault]) -> Any:
    given = as_mapping(value)
    if not isinstance(given, Mapping):
        faults.append(Fault(where, f"expected a mapping from names, found {short(value)}"))
        return value
    for key in given:
        if not isinstance(key, str):
            faults.append(Fault(child(where, short(key)), f"a name must be text, found {short(key)}"))
    plain = {key: _value(inner, item, child(where, key), faults) for key, item in given.items()}
    same = given is value and all(plain[key] is item for key, item in given.items())
    return value if same else plain


def _tuple(inner: Any, value: Any, where: str, faults: list[Fault]) -> Any:
    is_list = isinstance(value, Collection) and not isinstance(value, (str, bytes, Mapping))
    if not is_list or (isinstance(value, np.ndarray) and value.ndim == 0):
        faults.append(Fault(where, f"expected a list, found {short(value)}"))
        return value
    items = list(value)
    plain = [_value(inner, item, f"{where}[{position}]", faults) for position, item in enumerate(items)]
    same = isinstance(value, (tuple, list)) and all(one is other for one, other in zip(plain, items, strict=True))
    return value if same else tuple(plain)


def _scalar(hint: Any, value: Any) -> Any:
    """A value of a plain type; None where it is none of that type."""
    if hint is str:
        return value if isinstance(value, str) else None
    if hint is bool:
        return bool(value) if isinstance(value, (bool, np.bool_)) else None
    if isinstance(value, bool):
        return None
    if type(value) is int:
        return value if abs(value) < _MOST else None
    if hint is float and isinstance(value, float):
        return value if math.isfinite(value) else None
    # Arrays and tensors of one number become that number; complex ones and booleans do not.
    plain = number(value)
    if isinstance(plain, bool) or not isinstance(plain, (int, float)) or not math.isfinite(plain):
        return None
    if hint is float:
        return plain
    if isinstance(value, SupportsIndex):
        return index(value)  # exact where a float would round
    return int(plain) if plain == int(plain) and abs(plain) < _MOST else None


def _named(hint: Any) -> str:
    """A type in words."""
    if typing.get_origin(hint) is Literal:
        return " or ".join(sorted(map(repr, typing.get_args(hint))))
    if hint in _WORDS:
        return _WORDS[hint]
    if dataclasses.is_dataclass(hint):
        return f"a {typing.cast(type[Any], hint).__name__}"
    return "a mapping from names" if typing.get_origin(hint) in (Mapping, dict) else "a list"
