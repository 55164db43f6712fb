"""The surrogate of a study in one line, as ``bomix check`` shows it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bomix.contracts.traits import field_values

if TYPE_CHECKING:
    from bomix.study.study import Study


def surrogate_line(study: Study) -> str:
    """The kind of the surrogate that predicts and recommends, and those of its keys that are not at their defaults."""
    from bomix.config import build, registry
    from bomix.config.build import spec_fields
    from bomix.study.surrogate import study_surrogate

    surrogate = study_surrogate(study.spec, study.problem.searched)
    values, stated = field_values(surrogate), build.plain(surrogate)
    changed = [
        f"{field.name}: {_in_short(stated[field.name])}"
        for field in spec_fields(type(surrogate))
        if values[field.name] != _default(field)
    ]
    kind = registry.kind_of("surrogate", type(surrogate))
    return f"{kind} with {', '.join(changed)}" if changed else f"{kind} with its defaults"


def _default(field: dataclasses.Field[Any]) -> Any:
    """The value of a field that nobody gave; ``MISSING`` where one must be given."""
    made = field.default_factory
    return field.default if made is dataclasses.MISSING else made()


def _in_short(value: Any) -> str:
    """A plain value in which components stand as their kinds, those that combine others as what they combine."""
    if isinstance(value, list):
        return f"[{', '.join(map(_in_short, value))}]"
    if not isinstance(value, Mapping) or "kind" not in value:
        return json.dumps(value)
    inner = value.get("of")
    if isinstance(inner, list):
        return " + ".join(map(_in_short, inner))
    return _in_short(inner) if isinstance(inner, Mapping) else str(value["kind"])
