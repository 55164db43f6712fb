"""Fields of a spec whose values are for the process alone: access tokens in environment variables, say.

Nothing that a study keeps holds them: ``resolved.json`` and ``results.nc`` have the names, and logs are looked through
for the values (:mod:`bomix.execution.attempt.redaction`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from bomix.contracts.traits import field_values

SECRET = "secret"
"""Key of a field's metadata: a mapping whose values are for the process alone."""
NOT_KEPT = "(not kept)"
"""What stands for a secret value in ``resolved.json`` and ``results.nc``."""


def names_alone(mapping: Mapping[str, str]) -> dict[str, str]:
    """The names of a mapping, :data:`NOT_KEPT` in the place of each value."""
    return dict.fromkeys(mapping, NOT_KEPT)


def secrets(spec: Any) -> frozenset[str]:
    """The values of a spec's fields that are marked :data:`SECRET`."""
    if not dataclasses.is_dataclass(spec):
        return frozenset()
    values = field_values(spec)
    marked = [values[field.name] for field in dataclasses.fields(spec) if SECRET in field.metadata]
    return frozenset(str(value) for mapping in marked for value in mapping.values())
