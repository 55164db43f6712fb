"""The JSON schema of study files, from the same type hints that read them."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, Union

from bomix.config import registry
from bomix.config.build import spec_fields
from bomix.config.components import component_group
from bomix.config.descriptions import descriptions, summary
from bomix.config.scale_spec import StudyScaleSpec
from bomix.errors import UnknownKindError

_SCALARS: Mapping[Any, dict[str, Any]] = {
    bool: {"type": "boolean"},
    str: {"type": "string"},
    # Numbers may carry a suffix: 128k, 10M.
    int: {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": r"^[\d._]+\s*[kKmMbBgGtT]?$"}]},
    float: {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^[-+\d._eE]+\s*[kKmMbBgGtT]?$"}]},
}


def json_schema(spec: type[Any]) -> dict[str, Any]:
    """JSON schema (draft 2020-12) of a spec; components are defined once, below ``$defs``."""
    definitions: dict[str, Any] = {}
    root = _object(spec, definitions)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **root, "$defs": definitions}


def kinds_schema(group: str) -> dict[str, Any]:
    """The JSON schemas of every kind of a group and of the groups that these name, by group."""
    definitions: dict[str, Any] = {}
    _component(group, definitions)
    return definitions


def _object(spec: type[Any], definitions: dict[str, Any], *, kind: str | None = None) -> dict[str, Any]:
    hints, told = typing.get_type_hints(spec), descriptions(spec)
    properties: dict[str, Any] = {}
    required = []
    if kind is not None:
        properties["kind"] = {"const": kind}
        required.append("kind")
    for field in spec_fields(spec):
        properties[field.name] = _schema(hints[field.name], definitions)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            required.append(field.name)
        elif isinstance(field.default, (bool, int, float, str)):
            properties[field.name] = {**properties[field.name], "default": field.default}
        elif field.default_factory is not dataclasses.MISSING and (group := component_group(hints[field.name])):
            kind = registry.kind_of(group, type(field.default_factory()))
            properties[field.name] = {**properties[field.name], "default": kind}
        if field.name in told:
            properties[field.name] = {**properties[field.name], "description": told[field.name]}
    return {
        "type": "object",
        "description": summary(spec),
        "properties": properties,
        "required": required,
        "additionalProperties": spec is StudyScaleSpec,  # keys of the evaluator stand in it
    }


def _schema(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    if (group := component_group(hint)) is not None:
        reference = _component(group, definitions)
        return {"anyOf": [reference, {"type": "null"}]} if type(None) in typing.get_args(hint) else reference
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        return {"anyOf": [_schema(option, definitions) for option in arguments]}
    if hint is type(None):
        return {"type": "null"}
    if dataclasses.is_dataclass(hint):
        # An empty value stands for the defaults: `web:` is a domain.
        return {"anyOf": [_object(typing.cast(type[Any], hint), definitions), {"type": "null"}]}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (tuple, list):
        array = {"type": "array", "items": _schema(arguments[0], definitions)}
        return {"anyOf": [array, {"type": "string"}]} if arguments[0] is str else array
    if origin is not None and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _schema(arguments[1], definitions)}
    return dict(_SCALARS.get(hint, {}))


def _component(group: str, definitions: dict[str, Any]) -> dict[str, Any]:
    if group not in definitions:
        definitions[group] = {}  # stands while its members, which may name the group again, are made
        members: list[dict[str, Any]] = []
        for kind in sorted(registry.kinds(group)):
            try:
                spec = registry.resolve(group, kind)
            except UnknownKindError:
                continue  # a kind of an installed package whose own requirements are missing
            members.append(_object(spec, definitions, kind=kind))
            if kind == registry.DEFAULT_KINDS.get(group):
                # It is meant where no kind is named, and an empty value stands for all of its defaults.
                members[-1]["required"].remove("kind")
                members.append({"type": "null"})
        own = {"type": "object", "properties": {"kind": {"type": "string", "pattern": ":"}}, "required": ["kind"]}
        definitions[group] = {"anyOf": [*members, own, {"type": "string", "description": "a bare kind"}]}
    return {"$ref": f"#/$defs/{group}"}
