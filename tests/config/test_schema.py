"""The JSON schema accepts what the loader accepts."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import yaml

from bomix.config.schema import json_schema
from bomix.config.spec import StudySpec


def test_the_schema_is_plain_json_and_knows_every_key_of_the_template() -> None:
    schema = json.loads(json.dumps(json_schema(StudySpec)))
    template = yaml.safe_load(files("bomix.cli").joinpath("template.yaml").read_text(encoding="utf-8"))
    assert _unknown(schema, template, schema["$defs"]) == []
    assert _unknown(schema, {**template, "evaluater": 1}, schema["$defs"]) == ["evaluater"]


def test_the_kind_of_an_execution_may_be_left_out_and_no_other() -> None:
    schema = json_schema(StudySpec)
    executor = schema["$defs"]["executor"]["anyOf"]
    local = next(option for option in executor if option.get("properties", {}).get("kind") == {"const": "local"})
    assert "kind" not in local["required"]
    assert {"type": "null"} in executor
    assert {"workers", "attempts", "max_failures"} < set(local["properties"])
    evaluators = schema["$defs"]["evaluator"]["anyOf"]
    assert all("kind" in option["required"] for option in evaluators if option["type"] == "object")
    assert _unknown(schema, {"execution": {"wokers": 2}}, schema["$defs"]) == ["wokers"]
    assert _unknown(schema, {"execution": {"workers": 2}}, schema["$defs"]) == []


def test_a_scale_may_have_keys_of_the_evaluator() -> None:
    schema = json_schema(StudySpec)
    assert _unknown(schema, {"scales": {"s": {"model": {"size": "1M"}, "train": False}}}, schema["$defs"]) == []
    assert _unknown(schema, {"target": {"scale": "s", "scael": "s"}}, schema["$defs"]) == ["scael"]


def _unknown(schema: dict[str, Any], data: object, definitions: dict[str, Any]) -> list[str]:
    """Keys of ``data`` that no alternative of the schema has."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rsplit("/", 1)[1]]
    if "anyOf" in schema:
        return min((_unknown(option, data, definitions) for option in schema["anyOf"]), key=len)
    if not isinstance(data, dict):
        return []
    properties, more = schema.get("properties", {}), schema.get("additionalProperties", True)
    absent = "kind" not in data and "kind" not in schema.get("required", ())
    if "kind" in properties and not absent and not _fits(properties["kind"], data.get("kind")):
        return list(data)
    found = []
    for key, value in data.items():
        if key in properties:
            found += _unknown(properties[key], value, definitions)
        elif isinstance(more, dict):
            found += _unknown(more, value, definitions)
        elif not more or not properties:
            found.append(key)
    return found


def _fits(schema: dict[str, Any], kind: object) -> bool:
    """Whether a kind is that of an alternative: the name itself, or an import path where that is asked for."""
    return kind == schema["const"] if "const" in schema else isinstance(kind, str) and schema["pattern"] in kind
