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


def _unknown(schema: dict[str, Any], data: object, definitions: dict[str, Any]) -> list[str]:
    """Keys of ``data`` that no alternative of the schema has."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rsplit("/", 1)[1]]
    if "anyOf" in schema:
        return min((_unknown(option, data, definitions) for option in schema["anyOf"]), key=len)
    if not isinstance(data, dict):
        return []
    properties, more = schema.get("properties", {}), schema.get("additionalProperties", True)
    if "kind" in properties and properties["kind"].get("const") != data.get("kind"):
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
