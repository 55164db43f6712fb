"""Study files to frozen specs and back.

A spec is a frozen dataclass; its fields are the keys, their type hints the schema, their defaults the defaults.
A field whose type is a protocol of bomix is a component: a mapping with ``kind``, or the bare kind where every
other key has a default. Every problem of a file is reported at once, with its path and the nearest known key.

Numbers may carry a suffix (``128k``, ``10M``, ``1.5B``), as token counts are long.
"""

from __future__ import annotations

import dataclasses
import math
import re
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from bomix.config import registry
from bomix.config.components import METHODS, TRAITS, child, component_group, options
from bomix.config.secret import SECRET, names_alone
from bomix.config.wording import shown, to_quote, type_in_words
from bomix.contracts.traits import ComponentTraits, field_values, trait_faults, traits
from bomix.errors import Fault, UnknownKindError, did_you_mean

T = TypeVar("T")

FILLED = "filled_from"
"""Key of a field's metadata: the part of the study that the field is filled from.

``domains``: their sources by name. ``scales``: the scales up to the one that is decided about, the cheapest first, of a
study of several. ``scale``: what :attr:`bomix.contracts.evaluator.EvaluatorTraits.at_scale` is told. ``phases``: a
:class:`bomix.space.phases.Phases` in a study of two phases, else None."""

_SUFFIXES = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "g": 10**9, "t": 10**12}
"""Suffix of a count to its factor: those of the field's papers, ``g`` and ``b`` both for billions."""
_NUMBER = re.compile(r"([-+]?[\d_]*\.?[\d_]+(?:e[-+]?\d+)?)\s*([kmbgt]?)", re.IGNORECASE)
_SWITCHES = {"yes": True, "on": True, "no": False, "off": False}
"""What YAML 1.1 reads as true and false besides these words; a study file reads it so where nothing else is meant."""
_MISSING: Any = object()


def build(spec: type[T], data: Any, *, where: str = "") -> tuple[T | None, list[Fault]]:
    """Build a spec from plain data.

    Args:
        spec: A frozen dataclass.
        data: What ``yaml.safe_load`` or ``json.load`` gave.
        where: Path of ``data`` in its file, for the faults.

    Returns:
        The spec, or None where there are faults, and the faults.
    """
    faults: list[Fault] = []
    value = _dataclass(spec, data, where, faults)
    return (None if faults else value), faults


def plain(value: Any) -> Any:
    """The plain data behind a spec, every default written out; :func:`build` reads it back.

    Of a field that is marked :data:`~bomix.config.secret.SECRET` the names are kept and no values.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        hints, values = _hints(type(value)), field_values(value)
        return {
            field.name: names_alone(values[field.name])
            if SECRET in field.metadata
            else _plain_field(hints[field.name], values[field.name])
            for field in spec_fields(type(value))
        }
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def spec_fields(spec: type[Any]) -> tuple[dataclasses.Field[Any], ...]:
    """The fields that are keys of a file: all that the constructor takes, but for those that a study fills itself."""
    return tuple(field for field in dataclasses.fields(spec) if field.init and FILLED not in field.metadata)


def filled_field(part: Any, of: str) -> str | None:
    """The name of the field of a component that is filled from a part of the study; None where there is none.

    Args:
        part: The component.
        of: What it is filled from, see :data:`FILLED`.
    """
    fields = dataclasses.fields(part) if dataclasses.is_dataclass(part) else ()
    return next((field.name for field in fields if field.metadata.get(FILLED) == of), None)


def number(text: str) -> float:
    """Read a number with an optional suffix: ``10M`` is 1e7.

    Raises:
        ValueError: The text is no number.
    """
    match = _NUMBER.fullmatch(text.strip())
    if match is None:
        raise ValueError(text)
    return float(match[1].replace("_", "")) * _SUFFIXES[match[2].lower()]


def _hints(spec: type[Any]) -> dict[str, Any]:
    return typing.get_type_hints(spec)


def _plain_field(hint: Any, value: Any) -> Any:
    if (group := component_group(hint)) is not None and value is not None:
        return {"kind": registry.kind_of(group, type(value)), **plain(value)}
    for option in options(hint):
        if typing.get_origin(option) in (Mapping, dict) and isinstance(value, Mapping):
            inner = typing.get_args(option)[1]
            return {key: _plain_field(inner, item) for key, item in value.items()}
        if typing.get_origin(option) in (tuple, list) and isinstance(value, (list, tuple)):
            return [_plain_field(typing.get_args(option)[0], item) for item in value]
    return plain(value)


def _is_object(data: Any) -> bool:
    """Whether it is an object of a spec's class, which no file holds."""
    return dataclasses.is_dataclass(data) and not isinstance(data, type)


def _dataclass(spec: type[Any], data: Any, where: str, faults: list[Fault]) -> Any:
    if _is_object(data) and isinstance(data, spec):
        return data
    if data is None:
        data = {}
    if not isinstance(data, Mapping):
        example = f", as {vars(spec)['EXAMPLE']}" if "EXAMPLE" in vars(spec) else ""
        faults.append(Fault(where, f"expected a mapping of keys{example}, found {shown(data)}"))
        return None
    fields = {field.name: field for field in spec_fields(spec)}
    before = len(faults)
    for key in data:
        if key not in fields:
            hint = did_you_mean(str(key), list(fields)) or f" (known: {', '.join(fields)})"
            faults.append(Fault(child(where, key), f"unknown key '{key}'{hint}"))
    hints = _hints(spec)
    values = {}
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if name in data:
            values[name] = _value(hints[name], data[name], child(where, name), faults)
        elif required:
            faults.append(Fault(child(where, name), f"missing key '{name}'"))
    if len(faults) > before:
        return None
    value = spec(**values)
    own = traits(value, ComponentTraits).faults()
    faults += [Fault(child(where, fault.where) if fault.where else where, fault.what) for fault in own]
    return value


def component(group: str, data: Any, where: str, faults: list[Fault]) -> Any:
    """Build a component from its kind, or from a mapping with ``kind`` and its keys.

    Args:
        group: A key of :data:`bomix.config.registry.BUILT_IN`.
        data: Plain data; an object in it, which a program may give in the place of a mapping, stays as it is.
        where: Path of ``data`` in its file, for the faults.
        faults: What is wrong is added to them.

    Returns:
        The component; None where there are faults.
    """
    if _is_object(data):
        return data
    if isinstance(data, str):
        data = {"kind": data}
    elif (default := registry.DEFAULT_KINDS.get(group)) is not None and isinstance(data, (Mapping, types.NoneType)):
        data = {"kind": default, **(data or {})}
    if not isinstance(data, Mapping) or not isinstance(data.get("kind"), str):
        known = ", ".join(sorted(registry.kinds(group)))
        faults.append(Fault(where, f"expected a mapping with 'kind' (known: {known}), found {shown(data)}"))
        return None
    try:
        spec = registry.resolve(group, data["kind"])
    except UnknownKindError as error:
        faults.append(Fault(child(where, "kind"), str(error)))
        return None
    if not dataclasses.is_dataclass(spec):
        faults.append(Fault(child(where, "kind"), f"{spec.__module__}:{spec.__qualname__} is not a dataclass"))
        return None
    if (method := METHODS.get(group)) is not None and method not in dir(spec):
        what = f"{spec.__module__}:{spec.__qualname__} has no method '{method}', so it is no {group}"
        faults.append(Fault(child(where, "kind"), what))
        return None
    value = _dataclass(spec, {key: item for key, item in data.items() if key != "kind"}, where, faults)
    if value is not None:
        faults += [Fault(where, fault.what) for fault in trait_faults(value, TRAITS[group])]
    return value


def _value(hint: Any, data: Any, where: str, faults: list[Fault]) -> Any:
    allowed = options(hint)
    if data is None and type(None) in allowed:
        return None
    if (group := component_group(hint)) is not None:
        return component(group, data, where, faults)
    allowed = tuple(option for option in allowed if option is not type(None))
    attempts: list[list[Fault]] = []
    for option in allowed:
        attempts.append([])
        value = _single(option, data, where, attempts[-1])
        if value is not _MISSING and not attempts[-1]:
            return value
    # Where one of several types was meant, its faults lie deeper than "this is no text".
    deeper = [found for found in attempts if any(fault.where != where for fault in found)]
    if len(allowed) == 1 or deeper:
        faults += (deeper or attempts)[0]
    else:
        faults.append(Fault(where, f"expected {' or '.join(map(type_in_words, allowed))}, found {shown(data)}"))
    return None


def _single(hint: Any, data: Any, where: str, faults: list[Fault]) -> Any:
    """Convert to one type; :data:`_MISSING` (and a fault) where that cannot be done."""
    origin = typing.get_origin(hint)
    if dataclasses.is_dataclass(hint):
        before = len(faults)
        value = _dataclass(typing.cast(type[Any], hint), data, where, faults)
        return _MISSING if len(faults) > before else value
    if origin in (Mapping, dict, types.MappingProxyType):
        return _mapping(typing.get_args(hint)[1], data, where, faults)
    if origin in (tuple, list):
        return _tuple(typing.get_args(hint)[0], data, where, faults)
    if origin is Literal:
        choices = typing.get_args(hint)
        if data in choices and not (isinstance(data, bool) and True not in choices and False not in choices):
            return data
        close = did_you_mean(str(data), [str(choice) for choice in choices])
        faults.append(Fault(where, f"expected one of {', '.join(map(repr, choices))}, found {shown(data)}{close}"))
        return _MISSING
    if hint is Any:
        return data
    value = _scalar(hint, data)
    if value is _MISSING:
        faults.append(Fault(where, f"expected {type_in_words(hint)}, found {shown(data)}{to_quote(hint, data)}"))
    return value


def _scalar(hint: Any, data: Any) -> Any:
    if hint is bool and isinstance(data, str):
        return _SWITCHES.get(data.lower(), _MISSING)
    if hint in (int, float) and isinstance(data, str):
        try:
            data = number(data)
        except ValueError:
            return _MISSING
    if hint is bool:
        return data if isinstance(data, bool) else _MISSING
    if isinstance(data, bool) or not isinstance(data, (int, float, str)):
        return _MISSING
    if hint is float and not isinstance(data, str):
        return float(data) if math.isfinite(data) else _MISSING
    if hint is int and not isinstance(data, str):
        return int(data) if math.isfinite(data) and data == int(data) else _MISSING
    return data if hint is str and isinstance(data, str) else _MISSING


def _mapping(inner: Any, data: Any, where: str, faults: list[Fault]) -> Any:
    if not isinstance(data, Mapping):
        faults.append(Fault(where, f"expected a mapping from names, found {shown(data)}"))
        return _MISSING
    for key in data:
        if not isinstance(key, str):
            faults.append(Fault(child(where, key), f"a name must be text; quote it: '{key}'"))
    return {str(key): _value(inner, item, child(where, key), faults) for key, item in data.items()}


def _tuple(inner: Any, data: Any, where: str, faults: list[Fault]) -> Any:
    items = [data] if isinstance(data, str) and inner is str else data
    if not isinstance(items, (list, tuple)):
        faults.append(Fault(where, f"expected a list, found {shown(data)}"))
        return _MISSING
    return tuple(_value(inner, item, f"{where}[{position}]", faults) for position, item in enumerate(items))
