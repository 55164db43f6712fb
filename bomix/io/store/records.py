"""Trials and outcomes as JSON.

Each carries the SHA-256 of its own content, so that a damaged file is told from a whole one: a digit that changed would
still be a number. Curves are base64 of little-endian float64: a tenth of the size of decimal text, and exact.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import sys
from collections.abc import Mapping
from typing import Any

from bomix.contracts.traits import field_values
from bomix.errors import FaultsError, StoreError
from bomix.io.store.curves import curve_from_data, curve_to_data
from bomix.io.store.result_checks import KEYS
from bomix.scale import Scale
from bomix.trial import EXPERT, Failure, Outcome, Result, Reweighting, Trial

TRIAL_SCHEMA = 4
"""Version of ``trial.json``: raised when an older reader would read it wrong.

Version 1 called the scale ``fidelity`` and had an origin of its own for experts of another scale; both are read.
Versions 1 and 2 had no checksum. Only a trial that reweights while it trains is of version 4, which an older reader
would take for a run of one mixture; all others are of version 3 still.
"""
_PLAIN_SCHEMA = 3
"""Version of a trial of one mixture."""
_TRIAL_SEALED_FROM = 3
"""First version of ``trial.json`` with a checksum."""
OUTCOME_SCHEMA = 1
"""Version of ``outcome.json``: raised likewise."""
_OLD_SCALE_KEY = "fidelity"
"""What the scale was called in trials, and among what was measured, before it was called ``scale``."""
_WEIGHT_TOLERANCE = 1e-6
"""Largest distance of the sum of a recorded trial's weights from one: they were recorded as a mixture, to rounding."""
_OLD_ORIGINS = {"other_expert": EXPERT}
"""Origins that trials had earlier to those of today: an expert of another scale is told by its scale."""
_NAMED = frozenset({"losses", "sems", "realized", "epochs"})
"""Parts of a result whose keys are names of domains and metrics."""
_CANONICAL = json.JSONEncoder(sort_keys=True, allow_nan=False)
"""Writes what a checksum is taken of."""


class NewerVersionError(StoreError):
    """A file of a later version of bomix than this one."""


def known_schema(data: Mapping[str, Any], known: int) -> None:
    """Check that this version can read what a file holds.

    Args:
        data: What the file holds; its version is under ``schema``, and 1 where it says none.
        known: The newest version that can be read; all older ones can.

    Raises:
        NewerVersionError: The file is of a newer version.
        TypeError: The version is no number.
    """
    schema = data.get("schema", 1)
    if schema > known:
        raise NewerVersionError(f"it is of schema {schema}, and this bomix reads up to {known}; take a newer bomix")


def trial_to_json(trial: Trial, *, handed: bool = False) -> str:
    """One trial, human-readable.

    Args:
        trial: The trial.
        handed: Whether it is written for its evaluator, with the path of the model that it compares losses with, which
            is no part of the record.
    """
    data = dataclasses.asdict(trial)
    data["scale"] = None if trial.scale is None else trial.scale.to_data()
    if trial.reweighting is None:
        del data["reweighting"]
        return sealed({"schema": _PLAIN_SCHEMA, **data})
    if not handed:
        del data["reweighting"]["model"]
    return sealed({"schema": TRIAL_SCHEMA, **data})


def trial_from_json(text: str) -> Trial:
    """Inverse of :func:`trial_to_json`.

    Raises:
        NewerVersionError: A newer bomix wrote it.
        StoreError: The text is no trial.
    """
    try:
        data = unsealed(text, TRIAL_SCHEMA, sealed_from=_TRIAL_SEALED_FROM)
        return Trial(
            id=int(data["id"]),
            weights=_mixture(data["weights"]),
            seed=int(data["seed"]),
            origin=_OLD_ORIGINS.get(data["origin"], str(data["origin"])),
            scale=scale_from_data(data),
            reweighting=None if (found := data.get("reweighting")) is None else Reweighting(**found),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, FaultsError) as error:
        raise StoreError(f"not a trial: {error!r}") from error


def _mixture(data: Mapping[str, Any]) -> dict[str, float]:
    """Recorded weights; ValueError where they are no mixture."""
    weights = {sys.intern(str(name)): float(weight) for name, weight in data.items()}
    if not all(0.0 <= weight <= 1.0 + _WEIGHT_TOLERANCE for weight in weights.values()):
        raise ValueError("a weight is no share")
    if abs(math.fsum(weights.values()) - 1.0) > _WEIGHT_TOLERANCE:
        raise ValueError(f"the weights sum to {math.fsum(weights.values()):.9g}, not to 1")
    return weights


def scale_from_data(data: Mapping[str, Any]) -> Scale | None:
    """The scale that plain data holds under ``scale``, or under the key of earlier versions; None where it has none.

    Raises:
        FaultsError: The numbers found there are no scale.
        TypeError: What is found there is no mapping of ``params`` and ``tokens``.
    """
    found = data.get("scale", data.get(_OLD_SCALE_KEY))
    return None if found is None else Scale(**found)


def outcome_to_json(trial_id: int, outcome: Outcome) -> str:
    """One outcome with its checksum."""
    return sealed({"schema": OUTCOME_SCHEMA, "trial": trial_id, **outcome_to_data(outcome)})


def outcome_from_json(text: str) -> tuple[int, Outcome]:
    """Inverse of :func:`outcome_to_json`: the trial's id and its outcome.

    Raises:
        NewerVersionError: A newer bomix wrote it.
        StoreError: The text is damaged.
    """
    try:
        body = unsealed(text, OUTCOME_SCHEMA)
        return int(body["trial"]), outcome_from_data(body)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StoreError(f"not an outcome: {error!r}") from error


def outcome_to_data(outcome: Outcome) -> dict[str, Any]:
    """Plain data of an outcome: how it ended, and the result or the failure."""
    if isinstance(outcome, Result):
        return {"status": "completed", "result": result_to_data(outcome)}
    return {"status": "failed", "failure": dataclasses.asdict(outcome)}


def outcome_from_data(data: Mapping[str, Any]) -> Outcome:
    """Inverse of :func:`outcome_to_data`; the data is trusted."""
    return result_from_data(data["result"]) if data["status"] == "completed" else Failure(**data["failure"])


def sealed(body: Mapping[str, Any]) -> str:
    """JSON of plain data with the checksum of what a reader finds in it under ``checksum``.

    Raises:
        ValueError: A number in it is not finite.
        TypeError: Something in it is no JSON.
    """
    read = json.loads(json.dumps(body, allow_nan=False))
    return json.dumps({**read, "checksum": _checksum(read)}, indent=1, sort_keys=True, allow_nan=False) + "\n"


def unsealed(text: str, known: int, *, sealed_from: int = 1) -> dict[str, Any]:
    """Inverse of :func:`sealed`.

    Args:
        text: What the file holds.
        known: The newest version that can be read, see :func:`known_schema`.
        sealed_from: First version that has a checksum.

    Raises:
        NewerVersionError: A newer bomix wrote it.
        StoreError: The text is not what was written.
        ValueError: It is no JSON.
        TypeError: It is no mapping, or its version is no number.
    """
    body = json.loads(text)
    if not isinstance(body, dict):
        raise TypeError(f"expected a mapping, found {type(body).__name__}")
    known_schema(body, known)
    checksum = body.pop("checksum", None)
    if (checksum is not None or body.get("schema", 1) >= sealed_from) and checksum != _checksum(body):
        raise StoreError("checksum does not match: the file was changed or damaged")
    return body


def result_to_data(result: Result) -> dict[str, Any]:
    """Plain data of a result, absent parts left out."""
    values = field_values(result)
    data = {name: values[name] for name in KEYS}
    data = {
        name: dict(value) if isinstance(value, Mapping) else value
        for name, value in data.items()
        if value is not None and not (isinstance(value, (Mapping, tuple)) and not value)
    }
    if result.curve is not None:
        data["curve"] = curve_to_data(result.curve)
    return data


def result_from_data(data: Mapping[str, Any]) -> Result:
    """Inverse of :func:`result_to_data`; the data is trusted."""
    kept = {name: data[name] for name in KEYS if name in data}
    for name in _NAMED.intersection(kept):
        # Thousands of trials have the same names: each is kept once.
        kept[name] = {sys.intern(key): value for key, value in kept[name].items()}
    kept["unmeasured"] = tuple(data.get("unmeasured", ()))
    if (curve := data.get("curve")) is not None:
        kept["curve"] = curve_from_data(curve)
    return Result(**kept)


def _checksum(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(_CANONICAL.encode(body).encode()).hexdigest()
